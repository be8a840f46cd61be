"""V2 checkpoints: `<prefix>.index`, a table of entries, and `<prefix>.data-SSSSS-of-NNNNN`.

    key ""         : BundleHeaderProto {1 num_shards  2 endianness: 0 little, 1 big  3 versions}
    key name       : BundleEntryProto {1 dtype  2 shape  3 shard_id  4 offset  5 size
                                       6 crc32c (fixed32, masked)  7 slices*}
    slice key      : BundleEntryProto of one slice of a partitioned variable, whose own entry has
                     dtype, full shape and slices only

A tensor is `size` bytes from `offset` of its shard's data file; see tensor_data for what is in
them. Fields that are 0 are left out, but the shape is always written. Tensors follow each other
without gaps in the order they were added; readers go by offsets only.

Source: tensorflow/core/util/tensor_bundle/{tensor_bundle.cc,naming.cc},
core/protobuf/tensor_bundle.proto.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING

from tfartifacts.errors import FormatError, PathNotFoundError, located
from tfartifacts.formats.bundle_entries import SHARD_FILE, data_file, index_file, within
from tfartifacts.formats.bundle_index import parse_entries
from tfartifacts.formats.bundle_variables import BundleVariables, DataFiles
from tfartifacts.formats.table import Source, open_table
from tfartifacts.formats.versions import check_versions, read_versions
from tfartifacts.formats.wire import Message
from tfartifacts.model.checkpoints import Checkpoint, File
from tfartifacts.model.collecting import not_collecting
from tfartifacts.model.graphs import Versions
from tfartifacts.model.values import Deferred
from tfartifacts.model.variables import Variable
from tfartifacts.records import dataclass
from tfartifacts.storage.files import BytesSource, absolute, describe_file, read_file

if TYPE_CHECKING:
    from tfartifacts.errors import TfArtifactsError
    from tfartifacts.formats.tensor_data import ByteOrder

# tensor_bundle.h: what this reader understands, and the least a producer may require of it.
_VERSION = 1
_MIN_PRODUCER = 0

# Shards beyond one for each tensor that are believed: a count alone costs a writer two bytes, and
# whoever copies the bundle a file for each.
SPARE_SHARDS = 10_000

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"


@dataclass(frozen=True, slots=True)
class Header:
    num_shards: int
    byte_order: ByteOrder
    versions: Versions


def read_bundle(prefix: str, index: bytes | None = None, own: File | None = None) -> Checkpoint:
    """The checkpoint of that prefix; its index is read and checked, its data files only measured.

    `index` gives the index file's bytes where they were read already, `own` what was seen of that
    file before. Data files that are missing or too short, and tensors that overlap, are told in
    Checkpoint.problems. Raises FormatError (with the byte offset) for anything wrong in the
    index, PathNotFoundError where it is missing.
    """
    path = index_file(prefix)
    own = own or describe_file(path)
    source = BytesSource(path, read_file(path) if index is None else index)
    header, variables, orphans = read_index(source, prefix)
    files = _data_files(prefix, header.num_shards, variables)
    notes = _stale_files(prefix, header.num_shards)
    if orphans:
        notes = (*notes, f"{orphans} stored slices belong to no variable")
    return Checkpoint(
        path=prefix,
        format="V2",
        num_shards=header.num_shards,
        variables=variables,
        versions=header.versions,
        byte_order=header.byte_order,
        files=tuple(file for file in (own, *files) if file is not None),
        problems_part=Deferred(_FindProblems(absolute(prefix), header.num_shards, variables)),
        notes=notes,
    )


def read_index(source: Source, prefix: str) -> tuple[Header, BundleVariables, int]:
    """Header, variables, and the number of stored slices that no variable refers to."""
    table = open_table(source)
    with located(source.path), not_collecting():
        blocks = table.blocks()
        keys, values = next(blocks, ([], []))
        if keys[:1] != [b""]:
            raise FormatError("found no bundle header, expected one as the first entry", offset=0)
        header = parse_header(values[0])
        files = DataFiles(absolute(prefix), header.num_shards, header.byte_order)
        variables, orphans = parse_entries(chain([(keys[1:], values[1:])], blocks), files)
    return header, variables, len(orphans)


def parse_header(value: bytes) -> Header:
    """The header's fields, if a reader of this version may read the bundle."""
    message = within(Message, value, "the bundle header")
    num_shards = message.integer(1)
    endianness = message.integer(2)
    versions = read_versions(message.message(3))
    if not 0 <= num_shards <= 0x7FFFFFFF:
        raise FormatError(f"found {num_shards} shards in the bundle header")
    if endianness not in (0, 1):
        raise FormatError(f"found endianness {endianness}, expected 0 (little) or 1 (big)")
    check_versions(versions, _VERSION, _MIN_PRODUCER, "bundle")
    return Header(num_shards, "big" if endianness else "little", versions)


def most_shards(variables: Mapping[str, Variable]) -> int:
    return sum(len(variable.values) for variable in variables.values()) + SPARE_SHARDS


def _data_files(prefix: str, num_shards: int, variables: BundleVariables) -> list[File]:
    """The data files there are."""
    most = num_shards
    if num_shards > SPARE_SHARDS:
        # A hostile header may claim 2^31 shards: no more are looked for than can hold something.
        most = min(num_shards, most_shards(variables))
    shards = range(most)
    files = (describe_file(data_file(prefix, shard, num_shards)) for shard in shards)
    return [file for file in files if file is not None]


@dataclass(frozen=True, slots=True)
class _FindProblems:
    """Looks, when called, for data files that are missing or too short, and for overlaps."""

    prefix: str
    num_shards: int
    variables: BundleVariables

    def __call__(self) -> tuple[TfArtifactsError, ...]:
        problems: list[TfArtifactsError] = []
        ranges = self.variables.ranges()
        for shard, parts in ranges.items():
            _, end, name = max(parts, key=itemgetter(1))
            path = data_file(self.prefix, shard, self.num_shards)
            file = describe_file(path)
            if file is None:
                problems.append(
                    PathNotFoundError(
                        f"no such file; it holds {name!r} and what else is in shard {shard}",
                        path=path,
                    )
                )
            elif file.size < end:
                problems.append(
                    FormatError(
                        f"found the end of the file, expected {end - file.size} more bytes, up to "
                        f"the end of {name!r}; the file is truncated, or belongs to another save "
                        "than its index",
                        path=path,
                        offset=file.size,
                    )
                )
        return (*problems, *self.variables.overlaps(ranges))


def _stale_files(prefix: str, num_shards: int) -> tuple[str, ...]:
    """Data files of this prefix that another save must have left."""
    folder, base = os.path.split(prefix)
    stale = []
    try:
        for name in os.listdir(folder or "."):
            match = SHARD_FILE.search(name) if name.startswith(base + ".data-") else None
            if match and match.start() == len(base) and int(match[2]) != num_shards:
                stale.append(name)
    except OSError:
        return ()
    return tuple(
        f"{name} belongs to another save: the index counts {num_shards} shards"
        for name in sorted(stale)
    )
