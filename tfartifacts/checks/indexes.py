"""Check a bundle's index: its blocks, its header, each of its entries.

What a damaged block held is lost, what is in the others is not; a lost header is put together from
the names of the data files. See formats/tensor_bundle for the layout.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator

from tfartifacts.checks.findings import Finding, error, of_error, warning
from tfartifacts.checks.tables import WalkedTable
from tfartifacts.errors import FormatError, UnsupportedError
from tfartifacts.formats.bundle_entries import SHARD_FILE, index_file
from tfartifacts.formats.bundle_index import parse_entries
from tfartifacts.formats.bundle_variables import BundleVariables, DataFiles
from tfartifacts.formats.slices import name_in_slice_key
from tfartifacts.formats.table_blocks import Columns
from tfartifacts.formats.tensor_bundle import Header, parse_header
from tfartifacts.formats.wire import Message
from tfartifacts.model.checkpoints import BUNDLE_VERSIONS, File
from tfartifacts.records import dataclass
from tfartifacts.storage.files import BytesSource, absolute

_MOST_SHARDS = 0x7FFFFFFF


@dataclass(frozen=True, slots=True)
class CheckedIndex:
    """What an index says, as far as it can be trusted.

    `variables` are those whose entries are in sound blocks and without a fault; `faulty` maps the
    names of the others there to what is wrong. `unchecked` are the variables of damaged blocks,
    `orphaned` those of which only slices were found, `doubtful` maps names there whose entries are
    no entries to what is wrong. `is_complete`: no block was lost.
    """

    file: File
    header: Header
    variables: BundleVariables
    faulty: dict[str, str]
    unchecked: BundleVariables
    doubtful: dict[str, str]
    orphaned: tuple[str, ...]
    findings: tuple[Finding, ...]
    num_blocks: int
    nbytes: int
    is_complete: bool


def check_index(prefix: str, file: File, index: bytes) -> CheckedIndex:
    """Check the index of a prefix, given its bytes."""
    path = index_file(prefix)
    walk = WalkedTable(BytesSource(path, index))
    sound: list[tuple[bytes, bytes]] = []
    damaged: list[tuple[bytes, bytes]] = []
    places: list[tuple[bytes, int]] = []  # first key and offset of each sound block
    for block in walk.blocks():
        if block.is_sound and block.entries:
            places.append((block.entries[0][0], block.handle.offset))
        (sound if block.is_sound else damaged).extend(block.entries)
    findings = list(walk.findings)

    def place_of(key: bytes) -> int | None:
        position = bisect_right(places, key, key=lambda place: place[0])
        return places[position - 1][1] if position else None

    in_sound = dict(sound[:1]).get(b"")
    header = _header(prefix, path, in_sound, damaged, walk.is_complete, findings)
    files = DataFiles(absolute(prefix), header.num_shards, header.byte_order)
    faulty: dict[str, str] = {}

    def tell(name: str, fault: FormatError) -> None:
        faulty.setdefault(name, fault.message)
        key = name.encode("utf-8", "surrogateescape")
        findings.append(error("entry", fault.message, path, place_of(key), name))

    for name in _listed_twice(sound) if any(f.code == "key-order" for f in findings) else ():
        tell(name, FormatError(f"found {name!r} listed twice"))
    variables, orphans = parse_entries([_columns(_behind_header(sound))], files, tell)
    names = tuple(dict.fromkeys(map(name_in_slice_key, orphans)))
    if walk.is_complete:
        for name, key in zip(map(name_in_slice_key, orphans), orphans, strict=True):
            if name not in faulty:
                message = f"found a stored slice of {name!r} that no variable lists"
                findings.append(warning("orphaned-slice", message, path, place_of(key), name))
    unchecked = {
        key: value
        for key, value in _behind_header(damaged)
        if str(key, "utf-8", "surrogateescape") not in variables
    }
    # Slices may be in one block, what lists them in another.
    partners = [
        (key, value)
        for key, value in _behind_header(sound)
        if key[0] == 0 or str(key, "utf-8", "surrogateescape") in faulty
    ]
    doubts: dict[str, str] = {}
    believed, _ = parse_entries(
        [_columns([*partners, *unchecked.items()])] if damaged else [],
        files,
        lambda name, fault: doubts.update({name: fault.message}),
    )
    return CheckedIndex(
        file,
        header,
        variables,
        faulty,
        believed,
        {name: fault for name, fault in doubts.items() if name not in faulty},
        tuple(name for name in names if name not in variables and name not in faulty),
        tuple(findings),
        walk.num_blocks,
        walk.nbytes,
        walk.is_complete,
    )


def _behind_header(entries: list[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Entries with a name; that it is out of order is told by the table."""
    return ((key, value) for key, value in entries if key)


def _columns(entries: Iterable[tuple[bytes, bytes]]) -> Columns:
    keys, values = [], []
    for key, value in entries:
        keys.append(key)
        values.append(value)
    return keys, values


def _listed_twice(entries: list[tuple[bytes, bytes]]) -> list[str]:
    count = Counter(key for key, _ in entries if key)
    return [str(key, "utf-8", "surrogateescape") for key, times in count.items() if times > 1]


def _header(
    prefix: str,
    path: str,
    in_sound: bytes | None,
    damaged: list[tuple[bytes, bytes]],
    is_complete: bool,
    findings: list[Finding],
) -> Header:
    """The bundle's header, or what stands for it."""
    if in_sound is not None:
        try:
            return parse_header(in_sound)
        except FormatError as fault:
            code = "bundle-version" if isinstance(fault, UnsupportedError) else "bundle-header"
            findings.append(of_error(code, fault, path=path))
        header = _header_despite(prefix, in_sound)
    else:
        header = _header_despite(prefix, dict(damaged[:1]).get(b""))
        what = "found no bundle header, expected one as the first entry"
        if not is_complete:
            what = "found no bundle header: the block that held it is lost"
        findings.append(
            error(
                "bundle-header",
                f"{what}; the names of the data files give num_shards {header.num_shards}, and "
                f"{header.byte_order}-endian is assumed",
                path,
            )
        )
    return header


def _header_despite(prefix: str, value: bytes | None) -> Header:
    """A header from the names of the data files, and from what may be left of the stored one."""
    stored_shards = 0
    byte_order = 0
    if value is not None:
        try:
            message = Message(value)
            stored_shards, byte_order = message.integer(1), message.integer(2)
        except FormatError:
            stored_shards = byte_order = 0
    sets = shard_sets(prefix)
    num_shards = stored_shards
    if sets and stored_shards not in sets:
        # The set that is whole, or lacks least.
        num_shards = max(sets, key=lambda number: (len(sets[number]) / number, number))
    if not 0 < num_shards <= _MOST_SHARDS:
        num_shards = 1
    # Little-endian headers lack the field: that it is there is no single damaged bit.
    return Header(num_shards, "big" if byte_order == 1 else "little", BUNDLE_VERSIONS)


def shard_sets(prefix: str) -> dict[int, list[str]]:
    """The data files there are of a prefix, by the number of shards in their names."""
    folder, base = os.path.split(prefix)
    sets: dict[int, list[str]] = {}
    try:
        names = sorted(os.listdir(folder or "."))
    except (OSError, ValueError):
        return {}
    for name in names:
        match = SHARD_FILE.search(name) if name.startswith(base + ".data-") else None
        if match and match.start() == len(base) and int(match[2]) > 0:
            sets.setdefault(int(match[2]), []).append(os.path.join(folder, name))
    return sets
