"""Damaged and hostile files: an error of ours or the truth, soon and in little memory.

Random damage: bits flipped, bytes set, ranges cut, zeroed, deleted, inserted or copied elsewhere.
A checkpoint's tables and data files notice all of it; graphs have no checksums, so there an answer
may differ, but nothing else than an error of ours may come of it. The number of cases is that of
TFARTIFACTS_DAMAGE_CASES (default 2000), the seed that of TFARTIFACTS_DAMAGE_SEED.

Hostile: files whose checksums are right and whose contents are not. Most of them crash
TensorFlow 2.21, or are read by it as something else.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tfartifacts as tfa
from tfartifacts.convert import convert
from tfartifacts.dtypes import dtype_from_name
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.formats.slices import encode_slice_key, write_extents
from tfartifacts.formats.table import BlockBuilder, Handle, write_table
from tfartifacts.formats.wire import (
    put_always,
    put_bytes,
    put_fixed32,
    put_integer,
    put_text,
    varint,
)
from tfartifacts.model.variables import Extent
from tfartifacts.report.describe import Report, describe
from tfartifacts.report.layout import Layout
from tfartifacts.report.text import text_lines
from tfartifacts.report.view import SECTIONS, View

CASES = int(os.environ.get("TFARTIFACTS_DAMAGE_CASES", "2000"))
SEED = int(os.environ.get("TFARTIFACTS_DAMAGE_SEED", "20240229"))

MOST_SECONDS = 1.0  # of the processor, for one case
MOST_MEMORY = 192 << 20  # bytes that one case may add to the process

EVERYTHING = View(frozenset(SECTIONS), complete=True)


@contextmanager
def bounded(seconds: float = MOST_SECONDS) -> Iterator[None]:
    """What is done inside takes little time and memory, however it ends."""
    start = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        yield
    finally:
        took = time.process_time() - start
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert took < seconds, f"took {took:.2f} s"
    assert grown < MOST_MEMORY, f"took {grown >> 20} MiB"


def examine(path: str | os.PathLike[str]) -> tuple[tfa.Artifact, Report]:
    """Open, describe in full, write as text, read every value, and try to convert."""
    artifact = tfa.open(path)
    report = describe(artifact, EVERYTHING)
    layout = Layout(
        width=80, limit=40, ascii_only=False, sections=frozenset(SECTIONS), all_values=False
    )
    for line in text_lines(report.document, layout):
        assert "\x1b" not in line
    for checkpoint in checkpoints_of(artifact):
        for variable in checkpoint.variables.values():
            variable.read()
    for graph in graphs_of(artifact):
        for nodes in [graph.nodes, *(function.nodes for function in graph.functions.values())]:
            for node in nodes:
                for value in node.attrs.values():
                    if hasattr(value, "read"):
                        value.read()
    with_answer(lambda: convert(artifact))
    return artifact, report


def with_answer(call: Callable[[], object]) -> tfa.TfArtifactsError | None:
    """The error of ours that a call ends with, or None; any other passes through."""
    try:
        call()
    except tfa.TfArtifactsError as error:
        return error
    return None


def checkpoints_of(artifact: tfa.Artifact) -> list[tfa.Checkpoint]:
    match artifact:
        case tfa.Checkpoint():
            return [artifact]
        case tfa.CheckpointDirectory():
            return [*artifact.checkpoints, *artifact.unlisted]
        case tfa.SavedModel() if artifact.checkpoint is not None:
            return [artifact.checkpoint]
    return []


def graphs_of(artifact: tfa.Artifact) -> list[tfa.Graph]:
    match artifact:
        case tfa.Graph() | tfa.MetaGraph():
            return [artifact.graph]
        case tfa.SavedModel():
            return [meta_graph.graph for meta_graph in artifact.meta_graphs]
    return []


# --- random damage -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Victim:
    """A file of a fixture, and what is opened to meet its damage.

    `is_checked`: checksums cover every byte.
    """

    folder: str
    file: str
    opened: str
    is_checked: bool = False


VICTIMS = (
    Victim("digits/checkpoints", "my_model-4.index", "my_model-4", True),
    Victim("digits/checkpoints", "my_model-4.data-00000-of-00001", "my_model-4", True),
    Victim("dtypes", "dtypes.index", "dtypes", True),
    Victim("dtypes", "dtypes.data-00000-of-00001", "dtypes", True),
    Victim("partitioned", "partitioned.index", "partitioned", True),
    Victim("partitioned", "partitioned.data-00001-of-00002", "partitioned", True),
    Victim("keras", "ckpt-1.index", "ckpt-1", True),
    Victim("keras", "ckpt-1.data-00000-of-00001", "ckpt-1", True),
    Victim("v1-checkpoint", "model-3", "model-3", True),
    Victim("v1-checkpoint", "all_forms", "all_forms", True),
    Victim("v1-checkpoint", "sharded-00000-of-00002", "sharded", True),
    Victim("v1-checkpoint", "checkpoint", "checkpoint"),
    Victim("digits/checkpoints", "checkpoint", "."),
    Victim("digits/checkpoints", "my_model-4.meta", "my_model-4.meta"),
    Victim("digits/saved_model", "saved_model.pb", "."),
    Victim("keras/export", "saved_model.pb", "."),
    Victim("graphs", "frozen.pb", "frozen.pb"),
    Victim("graphs", "frozen.pbtxt", "frozen.pbtxt"),
    Victim("graphs", "model.meta", "model.meta"),
    Victim("graphs", "model.text.meta", "model.text.meta"),
    Victim("saved-models/text", "saved_model.pbtxt", "."),
)


def damaged(source: random.Random, data: bytes) -> bytes:
    """The bytes with one kind of damage at a random place."""
    changed = bytearray(data)
    start = source.randrange(len(data))
    length = source.randrange(1, 64)
    match source.randrange(8):
        case 0:
            changed[start] ^= 1 << source.randrange(8)
        case 1:
            changed[start] = source.choice((0, 1, 10, 0x7F, 0x80, 0xFF, source.randrange(256)))
        case 2:
            del changed[start:]
        case 3:
            changed[start : start + length] = bytes(len(changed[start : start + length]))
        case 4:
            del changed[start : start + length]
        case 5:
            changed[start:start] = source.randbytes(length)
        case 6:
            elsewhere = source.randrange(len(data))
            changed[start : start + length] = data[elsewhere : elsewhere + 4 * length]
        case 7:
            for _ in range(source.randrange(2, 6)):
                changed[source.randrange(len(changed))] = source.randrange(256)
    return bytes(changed)


def values_of(checkpoint: tfa.Checkpoint) -> dict[str, tuple[str, tuple[int, ...], Any]]:
    values = {}
    for name, variable in checkpoint.variables.items():
        array = variable.read()
        content = array.tolist() if array.dtype == object else array.tobytes()
        values[name] = (str(variable.dtype), variable.shape, content)
    return values


@pytest.mark.parametrize("victim", VICTIMS, ids=lambda victim: f"{victim.folder}/{victim.file}")
def test_damage_is_noticed_or_harmless(victim: Victim, fixtures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(fixtures / victim.folder, folder)
    opened = folder if victim.opened == "." else folder / victim.opened
    data = (folder / victim.file).read_bytes()
    artifact, _ = examine(opened)  # what is heavy is imported before time is taken
    values = values_of(artifact) if isinstance(artifact, tfa.Checkpoint) else {}
    source = random.Random(f"{SEED} {victim}")
    unnoticed = []
    for _ in range(CASES // len(VICTIMS)):
        changed = damaged(source, data)
        if changed == data:
            continue
        (folder / victim.file).write_bytes(changed)
        with bounded():
            error = with_answer(lambda: examine(opened))
        assert error is None or (error.path is not None and error.message)
        if victim.is_checked and error is None:
            # What may stay unnoticed is bytes behind the last tensor of a data file: nobody's.
            checkpoint = tfa.open(opened)
            assert isinstance(checkpoint, tfa.Checkpoint)
            if not changed.startswith(data) or values_of(checkpoint) != values:
                unnoticed.append(changed)
    assert not unnoticed, unnoticed[0]


def test_what_is_called_checked_reads_as_it_is(fixtures: Path) -> None:
    # A reader that refused everything would pass the test above.
    for victim in VICTIMS:
        if victim.is_checked:
            checkpoint = tfa.open(fixtures / victim.folder / victim.opened)
            assert isinstance(checkpoint, tfa.Checkpoint)
            assert values_of(checkpoint)


def test_every_flipped_bit_of_an_index_is_noticed(fixtures: Path, tmp_path: Path) -> None:
    for name in ("partitioned.index", "partitioned.data-00000-of-00002"):
        shutil.copy(fixtures / "partitioned" / name, tmp_path)
    path = tmp_path / "partitioned.index"
    data = path.read_bytes()
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(tfa.FormatError) as caught:
            tfa.open(tmp_path / "partitioned")
        assert caught.value.path == str(path)
        assert caught.value.offset is not None


# --- hostile checkpoints -------------------------------------------------------------------------

FLOAT32, STRING, INT32 = (dtype_from_name(name).number for name in ("float32", "string", "int32"))
HEADER = (b"", put_integer(1, 1) + put_bytes(3, put_integer(1, 1)))
FOUR = mask(crc32c(bytes(4)))


def shape_of(*sizes: int) -> bytes:
    return b"".join(put_bytes(2, put_integer(1, size)) for size in sizes)


def entry(
    shape: Sequence[int] = (1,),
    dtype: int = FLOAT32,
    shard: int = 0,
    offset: int = 0,
    size: int = 4,
    crc: int = FOUR,
) -> bytes:
    """A BundleEntryProto of anything."""
    return (
        put_integer(1, dtype)
        + put_bytes(2, shape_of(*shape))
        + put_integer(3, shard)
        + put_integer(4, offset)
        + put_integer(5, size)
        + put_fixed32(6, crc)
    )


def sliced(
    shape: Sequence[int], slices: Sequence[tuple[Extent, ...]], dtype: int = FLOAT32
) -> bytes:
    parts = b"".join(put_bytes(7, write_extents(extents)) for extents in slices)
    return put_integer(1, dtype) + put_bytes(2, shape_of(*shape)) + parts


def bundle(folder: Path, entries: Sequence[tuple[bytes, bytes]], data: bytes = bytes(64)) -> Path:
    """A checkpoint of these entries whose checksums are right; its prefix."""
    prefix = folder / "hostile"
    Path(f"{prefix}.index").write_bytes(write_table(sorted(entries)))
    Path(f"{prefix}.data-00000-of-00001").write_bytes(data)
    return prefix


def raw_table(
    blocks: Sequence[bytes], handles: Sequence[tuple[bytes, bytes]] | None = None
) -> bytes:
    """A table of blocks as given, with an index block that says what it is told to."""
    output = bytearray()

    def add(contents: bytes, compression: int = 0) -> Handle:
        handle = Handle(len(output), len(contents))
        covered = contents + bytes((compression,))
        output.extend(covered + mask(crc32c(covered)).to_bytes(4, "little"))
        return handle

    made = []
    for number, contents in enumerate(blocks):
        is_packed = contents.startswith(b"packed:")
        handle = add(contents.removeprefix(b"packed:"), int(is_packed))
        made.append((b"\xff%d" % number, handle.encoded()))
    metaindex = add(block())
    index = BlockBuilder(restart_interval=1)
    for key, value in made if handles is None else handles:
        index.add(key, value)
    footer = metaindex.encoded() + add(index.contents()).encoded()
    return bytes(output) + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def block(*entries: tuple[bytes, bytes], num_restarts: int = 1) -> bytes:
    contents = b"".join(
        varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in entries
    )
    return contents + bytes(4 * num_restarts) + num_restarts.to_bytes(4, "little")


WHOLE = (Extent(), Extent())
HALVES = ((Extent(0, 1),), (Extent(1, 1),))
ONE_SLICE = (encode_slice_key(b"w", HALVES[0]), entry((1,)))
OTHER_SLICE = (encode_slice_key(b"w", HALVES[1]), entry((1,)))

# What is wrong, and what the error says.
BAD_ENTRIES: dict[str, tuple[list[tuple[bytes, bytes]], str]] = {
    "negative dimension": ([(b"w", entry((-1,)))], "unknown sizes"),
    "very negative dimension": ([(b"w", entry((-(2**63),)))], "dimension of -9223372036854775808"),
    "product overflows": ([(b"w", entry((2**32, 2**32)))], "fewer than 2.63 elements"),
    "product overflows to 0": ([(b"w", entry((2**31, 2**31, 4)))], "fewer than 2.63 elements"),
    "overflow before a 0": ([(b"w", entry((2**40, 2**40, 0), size=0))], "fewer than 2.63"),
    "255 dimensions": ([(b"w", entry((1,) * 255))], "at most 254"),
    "300 dimensions": ([(b"w", entry((1,) * 300))], "at most 254"),
    "unknown type": ([(b"w", entry(dtype=99))], "data type number 99"),
    "no type": ([(b"w", entry(dtype=0))], "data type number 0"),
    "reference type": ([(b"w", entry(dtype=101))], "float32_ref, which no checkpoint can hold"),
    "reference to resource": ([(b"w", entry(dtype=120))], "resource_ref"),
    "resource": ([(b"w", entry(dtype=20))], "resource, which no checkpoint can hold"),
    "garbage entry": ([(b"w", b"\xff\xff\xff garbage")], "in variable 'w'"),
    "truncated entry": ([(b"w", entry()[:-2])], "in variable 'w'"),
    "no entry": ([(b"w", b"")], "data type number 0"),
    "too large for its shape": ([(b"w", entry(size=8))], "found 8 bytes for float32"),
    "negative size": ([(b"w", entry(size=-1, dtype=STRING))], "expected a range"),
    "negative offset": ([(b"w", entry(offset=-4))], "expected a range"),
    "range overflows": (
        [(b"w", entry(dtype=STRING, offset=2**62, size=2**62))],
        "expected a range",
    ),
    "shard that is not there": ([(b"w", entry(shard=1))], "found shard 1, expected 0 to 0"),
    "shard -1": ([(b"w", entry(shard=-1))], "found shard -1"),
    "shard 2^31": ([(b"w", entry(shard=2**31))], "found shard 2147483648"),
    "slice listed twice": (
        [(b"w", sliced((2,), [HALVES[0], HALVES[0]])), ONE_SLICE],
        "listed twice",
    ),
    "slice missing": ([(b"w", sliced((2,), HALVES)), ONE_SLICE], "no entry for slice 1,1"),
    "slices do not fill": ([(b"w", sliced((3,), HALVES)), ONE_SLICE, OTHER_SLICE], "expected 3"),
    "slices overlap": (
        [
            (b"w", sliced((2, 2), [(Extent(0, 1), Extent()), (Extent(), Extent(0, 1))])),
            (encode_slice_key(b"w", (Extent(0, 1), Extent())), entry((1, 2), size=8)),
            (encode_slice_key(b"w", (Extent(), Extent(0, 1))), entry((2, 1), size=8)),
        ],
        "overlap",
    ),
    "slice of another type": (
        [(b"w", sliced((2,), HALVES)), ONE_SLICE, (OTHER_SLICE[0], entry(dtype=INT32))],
        "found int32 of shape",
    ),
    "slice of another shape": (
        [(b"w", sliced((2,), HALVES)), ONE_SLICE, (OTHER_SLICE[0], entry((1, 1)))],
        r"found float32 of shape \(1, 1\)",
    ),
    "slice that has slices": (
        [(b"w", sliced((2,), HALVES)), ONE_SLICE, (OTHER_SLICE[0], sliced((1,), [(Extent(),)]))],
        "for slice 1,1",
    ),
    "slices of wrong rank": ([(b"w", sliced((2,), [WHOLE]))], "slice of rank 2"),
    "slice beyond": ([(b"w", sliced((2,), [(Extent(1, 2),)]))], "slice up to 3"),
    "slice from below 0": ([(b"w", sliced((2,), [(Extent(-1, 2),)]))], "below 0"),
    "slice overflows": ([(b"w", sliced((2,), [(Extent(2**62, 2**62),)]))], "at most 2"),
    "huge shape in slices": (
        [(b"w", sliced((2**40, 2**40), [WHOLE]))],
        "fewer than 2.63 elements",
    ),
    "nested too deep": ([(b"w", entry() + b"\x4b" * 200)], "in variable 'w'"),
}


@pytest.mark.parametrize("case", BAD_ENTRIES)
def test_an_entry_no_writer_makes_is_refused(case: str, tmp_path: Path) -> None:
    entries, message = BAD_ENTRIES[case]
    prefix = bundle(tmp_path, [HEADER, *entries])
    with bounded(), pytest.raises(tfa.FormatError, match=message) as caught:
        tfa.open(prefix)
    assert caught.value.path == f"{prefix}.index"


BAD_HEADERS: dict[str, tuple[bytes, str]] = {
    "endianness 2": (put_integer(1, 1) + put_integer(2, 2), "endianness 2"),
    "endianness 99": (put_integer(1, 1) + put_integer(2, 99), "endianness 99"),
    "negative shards": (put_integer(1, -1), "-1 shards"),
    "2^31 shards": (put_integer(1, 2**31), "2147483648 shards"),
    "garbage": (b"\x07garbage", "in the bundle header"),
    "later consumer": (HEADER[1][:2] + put_bytes(3, put_integer(2, 2)), "version 2 or later"),
    "this reader forbidden": (HEADER[1][:2] + put_bytes(3, put_integer(3, 1)), "forbids readers"),
}


@pytest.mark.parametrize("case", BAD_HEADERS)
def test_a_header_no_writer_makes_is_refused(case: str, tmp_path: Path) -> None:
    header, message = BAD_HEADERS[case]
    with bounded(), pytest.raises(tfa.FormatError, match=message):
        tfa.open(bundle(tmp_path, [(b"", header), (b"w", entry())]))


def test_a_bundle_without_a_header_is_refused(tmp_path: Path) -> None:
    with bounded(), pytest.raises(tfa.FormatError, match="no bundle header"):
        tfa.open(bundle(tmp_path, [(b"w", entry())]))


GOOD = block(HEADER, (b"w", entry()))


def handle(offset: int, size: int) -> bytes:
    return Handle(offset, size).encoded()


BAD_TABLES: dict[str, Callable[[], bytes]] = {
    "keys that descend": lambda: raw_table([block(HEADER, (b"w", entry()), (b"a", entry()))]),
    "a key twice": lambda: raw_table([block(HEADER, (b"w", entry()), (b"w", entry((2,), size=8)))]),
    "a header twice": lambda: raw_table([block(HEADER, HEADER, (b"w", entry()))]),
    "a block named twice": lambda: raw_table(
        [GOOD], [(b"x", handle(0, len(GOOD))), (b"y", handle(0, len(GOOD)))]
    ),
    "a block of 2^62 bytes": lambda: raw_table([GOOD], [(b"x", handle(0, 2**62))]),
    "a block of 2^64-1 bytes": lambda: raw_table([GOOD], [(b"x", handle(0, 2**64 - 1))]),
    "a block at 2^63": lambda: raw_table([GOOD], [(b"x", handle(2**63, len(GOOD)))]),
    "a block at 2^64-1": lambda: raw_table([GOOD], [(b"x", handle(2**64 - 1, 1))]),
    "a block of 100 GiB": lambda: raw_table([GOOD], [(b"x", handle(0, 100 << 30))]),
    "a block that is not named": lambda: raw_table([GOOD, GOOD], [(b"x", handle(0, len(GOOD)))]),
    "no block at all": lambda: raw_table([], []),
    "a handle of garbage": lambda: raw_table([GOOD], [(b"x", b"\xff" * 11)]),
    "a handle with a tail": lambda: raw_table([GOOD], [(b"x", handle(0, len(GOOD)) + b"\0")]),
    "a handle cut short": lambda: raw_table([GOOD], [(b"x", b"\0")]),
    "a last key too small": lambda: raw_table([GOOD], [(b"a", handle(0, len(GOOD)))]),
    "2^32-1 restarts": lambda: raw_table([GOOD[:-4] + b"\xff\xff\xff\xff"]),
    "a block of 3 bytes": lambda: raw_table([b"abc"]),
    "lengths that wrap 32 bits": lambda: raw_table(
        [varint(2**32 - 1) + varint(1) + varint(0) + b"w" + block()]
    ),
    "values that wrap 32 bits": lambda: raw_table(
        [varint(0) + varint(1) + varint(2**32 - 1) + b"w" + block()]
    ),
    "lengths that wrap 64 bits": lambda: raw_table(
        [varint(0) + varint(2**64 - 1) + varint(2**64 - 1) + b"w" + block()]
    ),
    "an unknown compression": lambda: _with_compression(7),
    "packed to 64 MiB and more": lambda: raw_table([b"packed:" + varint(2**32 - 1) + b"\0" * 9]),
    "packed 30 times too well": lambda: raw_table([b"packed:" + varint(30 * 104) + bytes(100)]),
    "packed copies from before": lambda: raw_table([b"packed:" + varint(8) + b"\x1d\x01"]),
    "packed literal too long": lambda: raw_table(
        [b"packed:" + varint(60) + b"\xfc\xff\xff\xff\xff"]
    ),
    "packed nothing": lambda: raw_table([b"packed:"]),
    "two tables in a row": lambda: raw_table([GOOD]) + raw_table([GOOD]),
    "bytes before the blocks": lambda: b"\0\0\0" + raw_table([GOOD]),
    "a metaindex of garbage": lambda: _with_metaindex(b"\xff" * 5 + b"\x0f"),
    "a metaindex elsewhere": lambda: _with_metaindex(handle(0, len(GOOD))),
}


def _with_compression(number: int) -> bytes:
    table = bytearray(raw_table([GOOD]))
    table[len(GOOD)] = number
    checksum = mask(crc32c(bytes(table[: len(GOOD) + 1])))
    table[len(GOOD) + 1 : len(GOOD) + 5] = checksum.to_bytes(4, "little")
    return bytes(table)


def _with_metaindex(encoded: bytes) -> bytes:
    table = raw_table([GOOD])
    position = 0
    footer = table[-48:]
    for _ in range(2):  # past the handle that is there
        while footer[position] >= 0x80:
            position += 1
        position += 1
    rest = footer[position:40].rstrip(b"\0")
    return table[:-48] + (encoded + rest).ljust(40, b"\0") + table[-8:]


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_table_no_writer_makes_is_refused(case: str, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, [])
    Path(f"{prefix}.index").write_bytes(BAD_TABLES[case]())
    with bounded(), pytest.raises(tfa.FormatError) as caught:
        tfa.open(prefix)
    assert caught.value.path == f"{prefix}.index"
    assert caught.value.offset is not None


def test_the_builder_of_bad_tables_makes_good_ones_too(tmp_path: Path) -> None:
    prefix = bundle(tmp_path, [])
    Path(f"{prefix}.index").write_bytes(raw_table([GOOD]))
    checkpoint = tfa.open(prefix)
    assert isinstance(checkpoint, tfa.Checkpoint)
    assert checkpoint.variables["w"].read().tolist() == [0.0]


def test_a_tensor_of_a_tebibyte_is_declared_in_vain(tmp_path: Path) -> None:
    tebi = 1 << 40
    prefix = bundle(tmp_path, [HEADER, (b"w", entry((tebi // 4,), size=tebi))])
    with bounded(0.5):
        checkpoint = tfa.open(prefix)
        assert isinstance(checkpoint, tfa.Checkpoint)
        (problem,) = checkpoint.problems
        assert problem.path == f"{prefix}.data-00000-of-00001"
        assert problem.offset == 64
        with pytest.raises(tfa.FormatError, match=f"expected {tebi - 64} more bytes"):
            checkpoint.variables["w"].read()


def test_slices_of_a_tebibyte_are_declared_in_vain(tmp_path: Path) -> None:
    quarter = 1 << 38
    extents = ((Extent(0, 1),), (Extent(1, quarter - 1),))
    prefix = bundle(
        tmp_path,
        [
            HEADER,
            (b"w", sliced((quarter,), extents)),
            (encode_slice_key(b"w", extents[0]), entry()),
            (encode_slice_key(b"w", extents[1]), entry((quarter - 1,), size=4 * quarter - 4)),
        ],
    )
    with bounded(0.5):
        checkpoint = tfa.open(prefix)
        assert isinstance(checkpoint, tfa.Checkpoint)
        with pytest.raises(tfa.FormatError, match="more bytes"):
            checkpoint.variables["w"].read()


@pytest.mark.parametrize("length", [2**40, 2**63, 2**64 - 1, 65])
def test_a_string_longer_than_its_tensor_is_refused(tmp_path: Path, length: int) -> None:
    lengths = crc32c(length.to_bytes(4 if length < 2**32 else 8, "little"))
    data = varint(length) + mask(lengths).to_bytes(4, "little") + b"abc"
    prefix = bundle(tmp_path, [HEADER, (b"w", entry((), STRING, size=len(data)))], data)
    checkpoint = tfa.open(prefix)
    assert isinstance(checkpoint, tfa.Checkpoint)
    with bounded(), pytest.raises(tfa.FormatError, match="found strings of"):
        checkpoint.variables["w"].read()


def test_more_strings_than_bytes_are_refused(tmp_path: Path) -> None:
    prefix = bundle(tmp_path, [HEADER, (b"w", entry((2**40,), STRING, size=64))])
    checkpoint = tfa.open(prefix)
    assert isinstance(checkpoint, tfa.Checkpoint)
    with bounded(), pytest.raises(tfa.FormatError, match="64 bytes for 1099511627776 strings"):
        checkpoint.variables["w"].read()


def test_more_variants_than_bytes_are_refused(tmp_path: Path) -> None:
    variant = dtype_from_name("variant").number
    prefix = bundle(tmp_path, [HEADER, (b"w", entry((2**40,), variant, size=64))])
    checkpoint = tfa.open(prefix)
    assert isinstance(checkpoint, tfa.Checkpoint)
    with bounded(), pytest.raises(tfa.FormatError):
        checkpoint.variables["w"].read()


@pytest.mark.parametrize("shape", [(1,) * 65, (1,) * 254, (0, 2**62, 2**62)])
def test_a_shape_that_only_numpy_cannot_hold_is_told(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    size = 0 if 0 in shape else 4
    crc = mask(crc32c(bytes(size)))
    prefix = bundle(tmp_path, [HEADER, (b"w", entry(shape, size=size, crc=crc))])
    checkpoint = tfa.open(prefix)
    assert isinstance(checkpoint, tfa.Checkpoint)
    assert checkpoint.variables["w"].shape == shape
    with pytest.raises(tfa.UnsupportedError, match="NumPy"):
        checkpoint.variables["w"].read()


def test_a_hundred_thousand_slices_are_read_in_time(tmp_path: Path) -> None:
    number = 100_000
    slices = [(Extent(start, 1),) for start in range(number)]
    entries = [(encode_slice_key(b"w", extents), entry()) for extents in slices]
    prefix = bundle(tmp_path, [HEADER, (b"w", sliced((number,), slices)), *entries])
    with bounded(20):
        checkpoint = tfa.open(prefix)
    assert isinstance(checkpoint, tfa.Checkpoint)
    assert len(checkpoint.variables["w"].slices) == number


def test_slices_that_peel_off_one_by_one_do_not_stall(tmp_path: Path) -> None:
    # Each cut parts one slice from all others: a cost that grows with the square.
    number = 20_000
    slices = []
    for layer in range(number // 2):
        slices.append((Extent(layer, 1), Extent(layer, number - layer)))
        slices.append((Extent(layer + 1, number - layer - 1), Extent(layer, 1)))
    last = number // 2
    slices.append((Extent(last, number - last), Extent(last, number - last)))
    prefix = bundle(tmp_path, [HEADER, (b"w", sliced((number, number), slices))])
    with bounded(5), pytest.raises(tfa.FormatError, match="slices"):
        tfa.open(prefix)


def test_slices_that_no_cut_parts_are_read(tmp_path: Path) -> None:
    # Four round a fifth: the least there are.
    slices = [(Extent(0, 2), Extent(0, 1)), (Extent(2, 1), Extent(0, 2))]
    slices += [
        (Extent(1, 2), Extent(2, 1)),
        (Extent(0, 1), Extent(1, 2)),
        (Extent(1, 1), Extent(1, 1)),
    ]
    entries = [
        (
            encode_slice_key(b"w", extents),
            entry(
                tuple(extent.length or 0 for extent in extents),
                size=4 * (extents[0].length or 0) * (extents[1].length or 0),
            ),
        )
        for extents in slices
    ]
    prefix = bundle(tmp_path, [HEADER, (b"w", sliced((3, 3), slices)), *entries])
    checkpoint = tfa.open(prefix)
    assert isinstance(checkpoint, tfa.Checkpoint)
    assert len(checkpoint.variables["w"].slices) == 5


def test_two_billion_shards_are_not_looked_for(tmp_path: Path) -> None:
    header = (b"", put_integer(1, 2**31 - 1))
    prefix = bundle(tmp_path, [header, (b"w", entry(shard=2**31 - 2))])
    with bounded():
        checkpoint = tfa.open(prefix)
        assert isinstance(checkpoint, tfa.Checkpoint)
        (problem,) = checkpoint.problems
    assert problem.path == f"{prefix}.data-2147483646-of-2147483647"


def test_names_that_would_act_are_only_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [
        b"\x1b[2J\x1b]0;owned\x07",
        b"../../etc/passwd",
        b"a\0b",
        b"\xff\xfe",
        b"\r\n\x9b",
        b" ",
    ]
    entries = ((name, entry(offset=4 * place)) for place, name in enumerate(names))
    prefix = bundle(tmp_path, [HEADER, *entries])
    artifact, report = examine(prefix)
    assert isinstance(artifact, tfa.Checkpoint)
    assert [name.encode("utf-8", "surrogateescape") for name in artifact.variables] == sorted(names)
    assert not report.damage
    before = snapshot(tmp_path)
    assert run("inspect", str(prefix)) == 0
    shown = capsys.readouterr().out
    assert not set(shown) & {"\x1b", "\x07", "\0", "\r", "\x9b"}
    assert snapshot(tmp_path) == before


def test_overlong_numbers_are_read_as_protobuf_reads_them(tmp_path: Path) -> None:
    overlong = b"\x08\x81\x80\x80\x00" + entry()[2:]
    checkpoint = tfa.open(bundle(tmp_path, [HEADER, (b"w", overlong)]))
    assert isinstance(checkpoint, tfa.Checkpoint)
    assert str(checkpoint.variables["w"].dtype) == "float32"


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(*arguments: str) -> int:
    from tfartifacts.__main__ import run as run_command

    return run_command(list(arguments))


# --- hostile V1 checkpoints ----------------------------------------------------------------------


def v1(path: Path, tensors: Sequence[bytes], values: Sequence[tuple[bytes, bytes]] = ()) -> Path:
    meta = b"".join(put_bytes(1, tensor) for tensor in tensors)
    header = (b"", put_bytes(1, meta + put_bytes(2, put_integer(1, 1))))
    path.write_bytes(write_table(sorted([header, *values])))
    return path


def v1_tensor(name: bytes, shape: Sequence[int], dtype: int, *slices: tuple[Extent, ...]) -> bytes:
    return (
        put_bytes(1, name)
        + put_bytes(2, shape_of(*shape))
        + put_integer(3, dtype)
        + b"".join(put_bytes(4, write_extents(extents)) for extents in slices)
    )


def v1_value(name: bytes, extents: tuple[Extent, ...], proto: bytes) -> tuple[bytes, bytes]:
    data = put_bytes(1, name) + put_bytes(2, write_extents(extents)) + put_bytes(3, proto)
    return encode_slice_key(name, extents), put_bytes(2, data)


BAD_V1: dict[str, list[bytes]] = {
    "negative dimension": [v1_tensor(b"w", (-1,), FLOAT32, (Extent(),))],
    "overflow": [v1_tensor(b"w", (2**32, 2**32), FLOAT32, WHOLE)],
    "unknown type": [v1_tensor(b"w", (1,), 77, (Extent(),))],
    "no slice": [v1_tensor(b"w", (1,), FLOAT32)],
    "a slice twice": [v1_tensor(b"w", (2,), FLOAT32, HALVES[0], HALVES[0])],
    "slices that do not fill": [v1_tensor(b"w", (3,), FLOAT32, *HALVES)],
    "a name with two types": [
        v1_tensor(b"w", (1,), FLOAT32, (Extent(),)),
        v1_tensor(b"w", (1,), INT32, (Extent(),)),
    ],
    "garbage": [b"\xff\xff\xff"],
}


@pytest.mark.parametrize("case", BAD_V1)
def test_a_v1_header_no_writer_makes_is_refused(case: str, tmp_path: Path) -> None:
    path = v1(tmp_path / "model", BAD_V1[case])
    with bounded(), pytest.raises(tfa.FormatError) as caught:
        tfa.open(path)
    assert caught.value.path == str(path)


@pytest.mark.parametrize(
    "proto", [b"", put_bytes(5, bytes(4)), put_bytes(5, bytes(3)), put_bytes(4, bytes(5)), b"\xff"]
)
def test_a_v1_value_without_all_elements_is_refused(tmp_path: Path, proto: bytes) -> None:
    whole = (Extent(),)
    tensors = [v1_tensor(b"w", (2**40,), FLOAT32, whole)]
    path = v1(tmp_path / "model", tensors, [v1_value(b"w", whole, proto)])
    checkpoint = tfa.open(path)
    assert isinstance(checkpoint, tfa.Checkpoint)
    with bounded(), pytest.raises(tfa.FormatError) as caught:
        checkpoint.variables["w"].read()
    assert caught.value.path == str(path)


def test_a_v1_value_that_is_missing_is_told(tmp_path: Path) -> None:
    path = v1(tmp_path / "model", [v1_tensor(b"w", (1,), FLOAT32, (Extent(),))])
    checkpoint = tfa.open(path)
    assert isinstance(checkpoint, tfa.Checkpoint)
    with pytest.raises(tfa.FormatError, match="no value for the stored slice"):
        checkpoint.variables["w"].read()


# --- hostile graphs ------------------------------------------------------------------------------


def node(name: str, op: str, *inputs: str, attrs: bytes = b"") -> bytes:
    listed = b"".join(put_bytes(3, text.encode()) for text in inputs)
    return put_bytes(1, put_text(1, name) + put_text(2, op) + listed + attrs)


def attr(name: str, value: bytes) -> bytes:
    return put_bytes(5, put_text(1, name) + put_bytes(2, value))


def function(name: str, *nodes: bytes) -> bytes:
    # In a FunctionDef nodes are field 3.
    bodies = b"".join(b"\x1a" + encoded[1:] for encoded in nodes)
    return put_bytes(1, put_bytes(1, put_text(1, name)) + bodies)


def graph_file(folder: Path, content: bytes, name: str = "graph.pb") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


TYPE = attr("dtype", put_always(6, FLOAT32))
START = node("x", "Placeholder", attrs=TYPE)


def constant(name: str, shape: Sequence[int], values: bytes, dtype: int = FLOAT32) -> bytes:
    tensor = put_integer(1, dtype) + put_bytes(2, shape_of(*shape)) + values
    return node(name, "Const", attrs=TYPE + attr("value", put_bytes(8, tensor)))


def nested(depth: int, wrap: Callable[[bytes], bytes], inner: bytes = b"") -> bytes:
    for _ in range(depth):
        inner = wrap(inner)
    return inner


def deep_call(inner: bytes) -> bytes:
    # AttrValue {10 func {1 name 2 attr*}}
    return put_bytes(10, put_text(1, "f") + put_bytes(2, put_text(1, "f") + put_bytes(2, inner)))


HOSTILE_GRAPHS: dict[str, Callable[[], bytes]] = {
    "a constant of 2^40 elements from one value": lambda: (
        START + constant("c", (2**40,), put_bytes(5, bytes(4))) + node("y", "Mul", "x", "c")
    ),
    "a constant of 2^62 elements from none": lambda: START + constant("c", (2**62,), b""),
    "a constant of 2^40 elements from two values": lambda: (
        START + constant("c", (2**40,), put_bytes(5, bytes(8)))
    ),
    "a constant of 2^40 strings from one": lambda: (
        START + constant("c", (2**40,), put_bytes(8, b"s"), STRING)
    ),
    "a constant of 200 dimensions": lambda: START + constant("c", (1,) * 200, b""),
    "a constant of 300 dimensions": lambda: START + constant("c", (1,) * 300, b""),
    "a constant of negative size": lambda: START + constant("c", (-5,), b""),
    "a constant of unknown type": lambda: START + constant("c", (1,), b"", 99),
    "a constant without a value": lambda: START + node("c", "Const", attrs=TYPE),
    "a constant with too many values": lambda: (
        START + constant("c", (1,), put_bytes(5, bytes(4000)))
    ),
    "attributes nested deep": lambda: (
        START + node("y", "f", "x", attrs=attr("f", nested(5000, deep_call)))
    ),
    "attributes nested 40 deep": lambda: (
        START + node("y", "f", "x", attrs=attr("f", nested(40, deep_call)))
    ),
    "groups nested deep": lambda: START + node("y", "Add", "x", attrs=b"\x4b" * 100_000),
    "a function that calls itself": lambda: (
        node("x", "f")
        + put_bytes(2, function("f", node("g", "f", attrs=attr("f", deep_call(b"")))))
    ),
    "functions that call each other": lambda: (
        node("x", "f0")
        + put_bytes(
            2, b"".join(function(f"f{i}", node("n", f"f{(i + 1) % 1000}")) for i in range(1000))
        )
    ),
    "functions that double at each call": lambda: (
        node("x", "f0")
        + put_bytes(
            2,
            b"".join(
                function(f"f{i}", node("a", f"f{i + 1}"), node("b", f"f{i + 1}"))
                for i in range(200)
            ),
        )
    ),
    "one function twice": lambda: (
        START + put_bytes(2, function("f", node("a", "A")) + function("f", node("b", "B")))
    ),
    "one name twice": lambda: START + START + node("y", "Relu", "x") + node("y", "Neg", "y"),
    "inputs that lead nowhere": lambda: (
        START + node("y", "Add", "x", "nowhere:7", "^gone", "", ":", "^", "x:99999999999999999999")
    ),
    "a node that feeds itself": lambda: START + node("y", "Add", "x", "y"),
    "a circle": lambda: (
        START + b"".join(node(f"n{i}", "Relu", f"n{(i + 1) % 1000}", "x") for i in range(1000))
    ),
    "names of control characters": lambda: START + node("\x1b[2J\x07", "\x1b]0;x\x07", "x\r\n"),
    "a node of 100,000 inputs": lambda: START + node("y", "AddN", *["x"] * 100_000),
    "outputs without number": lambda: (
        START + node("y", "Split", "x", attrs=attr("num_split", put_always(3, 2**62)) + TYPE)
    ),
    "shapes unknown and absurd": lambda: node(
        "x", "Placeholder", attrs=TYPE + attr("shape", put_bytes(7, shape_of(-1, 2**62, 0)))
    ),
    "attributes of other kinds": lambda: node(
        "x",
        "Placeholder",
        attrs=attr("dtype", put_bytes(2, b"?")) + attr("shape", put_always(3, 1)),
    ),
}


@pytest.mark.parametrize("case", HOSTILE_GRAPHS)
@pytest.mark.parametrize("wrapped", ["graph", "meta graph"])
def test_a_hostile_graph_does_no_harm(case: str, wrapped: str, tmp_path: Path) -> None:
    content = HOSTILE_GRAPHS[case]()
    if wrapped == "meta graph":
        info = put_bytes(1, put_text(5, "1.15.5"))
        content = info + put_bytes(2, content)
    path = graph_file(tmp_path, content, "graph.pb" if wrapped == "graph" else "graph.meta")
    first = with_answer(lambda: examine_and_write(path))  # what is heavy is imported here
    with bounded(2):
        error = with_answer(lambda: examine_and_write(path))
    assert str(error) == str(first)


def examine_and_write(path: Path) -> None:
    examine(path)
    assert run("inspect", "--show", "all", str(path)) in (0, 4)


@pytest.mark.parametrize("shape", ["chain", "fan"])
def test_a_graph_of_many_nodes_takes_time_in_proportion(shape: str, tmp_path: Path) -> None:
    def seconds(number: int) -> float:
        step = 1 if shape == "chain" else 0
        nodes = [node(f"n{i}", "Relu", f"n{step * (i - 1)}") for i in range(1, number)]
        content = node("n0", "Placeholder", attrs=TYPE) + b"".join(nodes)
        path = graph_file(tmp_path, content)
        start = time.process_time()
        examine(path)
        return time.process_time() - start

    # Eight times the nodes: eight times the time, not sixty-four.
    assert seconds(80_000) < 24 * max(seconds(10_000), 0.05)


def test_a_million_nodes_are_opened_in_time(tmp_path: Path) -> None:
    content = START + b"".join(node(f"n{i}", "Relu", f"n{i - 1}") for i in range(1_000_000))
    path = graph_file(tmp_path, content)
    start = time.process_time()
    graph = tfa.open(path)
    assert isinstance(graph, tfa.Graph)
    assert len(graph) == 1_000_001
    assert time.process_time() - start < 15


def test_a_small_file_cannot_claim_many_values(tmp_path: Path) -> None:
    graph = tfa.open(graph_file(tmp_path, START + constant("c", (2**40,), put_bytes(5, bytes(4)))))
    assert isinstance(graph, tfa.Graph)
    with bounded():
        value = graph["c"].attrs["value"]
        assert value.shape == (2**40,)
        repeated = value.read()
    # One value seen 2^40 times, not 2^40 values.
    assert repeated.strides == (0,)


TEXT_BOMBS: dict[str, bytes] = {
    "messages nested deep": b"meta_info_def { " + b"any_info { " * 50_000,
    "functions nested deep": b"node { name: 'x' op: 'f' attr { key: 'f' value { "
    + b"func { name: 'g' attr { key: 'f' value { " * 2_000,
    "a line of 10 MB": b"node { name: '" + b"x" * 10_000_000,
    "blanks and comments": b"# \n" * 20_000 + b"nothing",
    "open brackets": b"node {" + b"[" * 100_000,
}


def test_an_escape_python_warns_of_is_no_warning_of_ours(tmp_path: Path) -> None:
    text = b'node { name: "x" op: "Const" attr { key: "k" value { s: "a\\Hb" } } }'
    graph = tfa.open(graph_file(tmp_path, text, "graph.pbtxt"))
    assert isinstance(graph, tfa.Graph)
    assert graph["x"].attrs["k"] == b"a\\Hb"


@pytest.mark.parametrize("case", TEXT_BOMBS)
def test_a_hostile_text_does_no_harm(case: str, tmp_path: Path) -> None:
    path = graph_file(tmp_path, TEXT_BOMBS[case], "graph.pbtxt")
    with bounded(5), pytest.raises(tfa.FormatError) as caught:
        tfa.open(path)
    assert caught.value.path == str(path)
