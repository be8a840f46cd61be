"""Checking checkpoints: nothing is said of genuine ones, and of damaged ones all that is wrong."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tfartifacts as tfa
from tests.conftest import PROJECT
from tests.test_damage import SEED, VICTIMS, Victim, bounded, damaged, values_of
from tests.test_tensor_bundle import checkpoint_of, create, variable, write_raw
from tests.test_v1_checkpoint import WHOLE, header, meta, simple, value
from tests.test_v1_checkpoint import write_raw as write_v1
from tfartifacts.checks.checkpoints import CheckedCheckpoint, check_checkpoint
from tfartifacts.checks.findings import Severity
from tfartifacts.checks.tables import WalkedTable, entries_despite, scan_blocks
from tfartifacts.formats.bundle_writing import write_bundle
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.formats.slices import encode_slice_key, write_extents
from tfartifacts.formats.table import FOOTER_SIZE, open_table, read_footer, write_table
from tfartifacts.formats.wire import put_always, put_bytes, put_fixed32, put_integer, varint
from tfartifacts.model.variables import Extent
from tfartifacts.storage import files
from tfartifacts.storage.files import BytesSource, not_readable

Change = Callable[[bytearray], object]

# The oddities of real artifacts: a shard that an older save left; a link that git made a file.
KNOWN_ODDITIES = {
    ("236_odd_finance_mixed_shards/variables/variables", "stale-shard"),
    ("229_deepmd_ckpt_2025/model.ckpt", "stored-link"),
}


def prefixes_below(folder: Path) -> list[Path]:
    """Every checkpoint prefix below a folder, of either version."""
    found = {path.with_name(path.name.removesuffix(".index")) for path in folder.rglob("*.index")}
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".index" and path.read_bytes()[-8:] == MAGIC:
            artifact = tfa.open(path)
            found.add(Path(str(artifact.path)))
    return sorted(found)


MAGIC = bytes.fromhex("57fb808b247547db")


def told(checked: CheckedCheckpoint) -> list[tuple[str, str, str | None, int | None]]:
    """Code, name, file name and offset of each finding but notes."""
    return [
        (
            finding.code,
            finding.name,
            None if finding.path is None else os.path.basename(finding.path),
            finding.offset,
        )
        for finding in checked.findings
        if finding.severity is not Severity.NOTE
    ]


def change(path: Path, how: Change) -> None:
    data = bytearray(path.read_bytes())
    how(data)
    path.write_bytes(data)


def flip(offset: int) -> Change:
    def flipped(data: bytearray) -> None:
        data[offset] ^= 1

    return flipped


@pytest.fixture
def copied(fixtures: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies a fixture's folder; gives the prefix there."""

    def copy(prefix: str) -> Path:
        folder, _, base = prefix.rpartition("/")
        shutil.copytree(fixtures / folder, tmp_path / folder)
        return tmp_path / folder / base

    return copy


# ---------------------------------------------------------------- genuine ones


def test_of_genuine_checkpoints_nothing_is_told(fixtures: Path) -> None:
    prefixes = prefixes_below(fixtures)
    assert len(prefixes) > 25
    for prefix in prefixes:
        checked = check_checkpoint(str(prefix))
        assert checked.findings == (), prefix
        assert checked.checkpoint is not None
        assert checked.intact == tuple(checked.checkpoint.variables)
        assert checked.damaged == ()
        variables = checked.checkpoint.variables.values()
        assert checked.num_tensors == sum(len(v.values) for v in variables)
        assert checked.format == checked.checkpoint.format
        stored = sum(v.nbytes for v in variables) if checked.format == "V2" else 0
        assert checked.nbytes > stored


def test_of_real_checkpoints_only_known_oddities_are_told(shared_artifacts: Path) -> None:
    prefixes = prefixes_below(shared_artifacts)
    assert len(prefixes) > 15
    found = set()
    for prefix in prefixes:
        checked = check_checkpoint(str(prefix))
        assert checked.damaged == ()
        assert checked.intact
        short = str(prefix.relative_to(shared_artifacts)).removeprefix("real/")
        found |= {(short, code) for code, *_ in told(checked)}
    assert found == KNOWN_ODDITIES


@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_a_checkpoint_of_either_byte_order_is_checked(tmp_path: Path, byte_order: str) -> None:
    lengths = mask(crc32c((5).to_bytes(4, byte_order))).to_bytes(4, byte_order)  # type: ignore[arg-type]
    crc = mask(crc32c(b"hello", crc32c(lengths, crc32c((5).to_bytes(4, byte_order)))))  # type: ignore[arg-type]
    data = b"\x05" + lengths + b"hello" + (7).to_bytes(4, byte_order)  # type: ignore[arg-type]
    endianness = 1 if byte_order == "big" else 0
    prefix = write_raw(
        tmp_path / "m",
        {
            b"": put_integer(1, 1) + put_integer(2, endianness),
            b"i": entry(3, (), 10, 4, mask(crc32c(data[10:]))),
            b"s": entry(7, (), 0, 10, crc),
        },
        data,
    )
    assert told(check_checkpoint(str(prefix))) == []
    change(Path(f"{prefix}.data-00000-of-00001"), flip(9))
    assert told(check_checkpoint(str(prefix))) == [
        ("tensor-checksum", "s", "m.data-00000-of-00001", 5)
    ]


def entry(
    dtype: int,
    sizes: tuple[int, ...],
    offset: int,
    size: int,
    crc: int,
    shard: int = 0,
    slices: tuple[tuple[Extent, ...], ...] = (),
) -> bytes:
    """A BundleEntryProto of any content."""
    shape = b"".join(put_bytes(2, put_always(1, each)) for each in sizes)
    return (
        put_integer(1, dtype)
        + put_bytes(2, shape)
        + put_integer(3, shard)
        + put_integer(4, offset)
        + put_integer(5, size)
        + put_fixed32(6, crc)
        + b"".join(put_bytes(7, write_extents(extents)) for extents in slices)
    )


# ---------------------------------------------------------------- damage of every kind, by file

DATA = "my_model-4.data-00000-of-00001"
INDEX = "my_model-4.index"
INDEX_SIZE = 1116
DATA_SIZE = 33968


@pytest.mark.parametrize(
    ("file", "how", "expected"),
    [
        (DATA, flip(0), [("tensor-checksum", "beta1_power", DATA, 0)]),
        (DATA, flip(DATA_SIZE - 1), [("tensor-checksum", "dense_1/kernel/Adam_1", DATA, 32688)]),
        (DATA, lambda d: d.pop(), [("truncated", "", DATA, DATA_SIZE - 1)]),
        (DATA, lambda d: d.extend(b"abc"), [("trailing-bytes", "", DATA, DATA_SIZE)]),
        (DATA, lambda d: d.extend(bytes(5000)), [("trailing-bytes", "", DATA, DATA_SIZE)]),
        (INDEX, flip(0), [("block-checksum", "", INDEX, 0), ("bundle-header", "", INDEX, None)]),
        (INDEX, flip(INDEX_SIZE - 1), [("table-footer", "", INDEX, INDEX_SIZE - 8)]),
        (INDEX, flip(INDEX_SIZE - 10), [("table-footer", "", INDEX, 1074)]),
        (INDEX, lambda d: d.pop(), [("table-footer", "", INDEX, INDEX_SIZE - 9)]),
        (INDEX, flip(1036), [("block-checksum", "", INDEX, 1035)]),  # the metaindex block
        (INDEX, flip(1050), [("block-checksum", "", INDEX, 1048)]),  # the index block
    ],
)
def test_each_kind_of_damage_is_told_with_its_place(
    copied: Callable[[str], Path],
    file: str,
    how: Change,
    expected: list[tuple[str, str, str, int | None]],
) -> None:
    prefix = copied("digits/checkpoints/my_model-4")
    change(prefix.with_name(file), how)
    checked = check_checkpoint(str(prefix))
    assert told(checked) == expected
    lost = {name for _, name, *_ in expected if name}
    if "truncated" in expected[0]:
        lost = {"dense_1/kernel/Adam_1"}
    assert set(checked.damaged) == lost
    if ("block-checksum", "", INDEX, 0) in expected:
        assert checked.intact == ()
    else:
        # Where the footer or the index block is damaged, the data block is found all the same.
        assert len(checked.intact) == 32 - len(lost)


@pytest.mark.parametrize(
    ("name", "offset", "at"),
    [
        ("string/matrix", 673, 673 + 4),  # a length: told at the checksum behind the lengths
        ("string/vector", 657, 657 + 15),
        ("variant/tensor_list", 17324, 17324 + 30),
        ("variant/tensor_list", 17324, 17324 + 66),
        ("int4/vector", 569, 570),
        ("string/empty", 653, 653),
    ],
)
def test_damage_of_types_with_rules_of_their_own_is_told(
    copied: Callable[[str], Path], name: str, offset: int, at: int
) -> None:
    prefix = copied("dtypes/dtypes")
    change(Path(f"{prefix}.data-00000-of-00001"), flip(at))
    ((code, found, _, place),) = told(check_checkpoint(str(prefix)))
    assert (code, found) == ("tensor-checksum", name)
    assert place is not None
    assert offset <= place <= offset + 20


def test_several_damages_are_all_told(copied: Callable[[str], Path]) -> None:
    prefix = copied("partitioned/partitioned")
    first, second = (Path(f"{prefix}.data-0000{shard}-of-00002") for shard in (0, 1))
    change(first, flip(50))  # vector, of slices in both files
    change(first, flip(100))  # cube
    change(second, flip(215))  # words
    second.write_bytes(second.read_bytes() + b"more")
    checked = check_checkpoint(str(prefix))
    assert told(checked) == [
        ("tensor-checksum", "vector", first.name, 48),
        ("tensor-checksum", "cube", first.name, 96),
        ("tensor-checksum", "words", second.name, 215),
        ("trailing-bytes", "", second.name, 227),
    ]
    assert set(checked.damaged) == {"vector", "cube", "words"}
    assert "matrix" in checked.intact
    assert not set(checked.intact) & set(checked.damaged)


def test_missing_shards_are_told_once_with_what_they_hold(copied: Callable[[str], Path]) -> None:
    prefix = copied("partitioned/partitioned")
    shard = Path(f"{prefix}.data-00001-of-00002")
    shard.unlink()
    checked = check_checkpoint(str(prefix))
    assert told(checked) == [("missing-shard", "", shard.name, None)]
    assert {"matrix", "vector", "cube", "words"} <= set(checked.damaged)


def test_what_is_no_regular_file_is_not_read(copied: Callable[[str], Path]) -> None:
    prefix = copied("partitioned/partitioned")
    shard = Path(f"{prefix}.data-00001-of-00002")
    for make in (os.mkfifo, os.mkdir):
        shard.unlink()
        make(shard)
        ((code, *_),) = told(check_checkpoint(str(prefix)))
        assert code == "missing-shard"
        if make is os.mkfifo:
            continue
        shard.rmdir()
    index = Path(f"{prefix}.index")
    index.unlink()
    os.mkfifo(index)
    checked = check_checkpoint(str(prefix))
    assert [code for code, *_ in told(checked)] == ["missing-index"]
    assert checked.checkpoint is None


def test_a_path_without_a_checkpoint_is_told(tmp_path: Path) -> None:
    for name in ("nothing", "nul\0byte"):
        checked = check_checkpoint(str(tmp_path / name))
        assert [code for code, *_ in told(checked)] == ["missing-index"]
        assert checked.checkpoint is None
    (tmp_path / "m.data-00000-of-00001").write_bytes(b"x")
    checked = check_checkpoint(str(tmp_path / "m"))
    assert [finding.code for finding in checked.findings] == [
        "missing-index",
        "data-without-index",
    ]


def test_files_of_other_saves_and_of_none_are_told(copied: Callable[[str], Path]) -> None:
    prefix = copied("digits/checkpoints/my_model-4")
    for tail in (".data-00001-of-00003", ".data-00007-of-00001"):
        Path(f"{prefix}{tail}").write_bytes(b"")
    temporary = [".data-00000-of-00001.tempstate123", ".index.tempstate9", "_temp", ".meta.tmp0a1b"]
    for tail in temporary:
        Path(f"{prefix}{tail}").write_bytes(b"")
    checked = check_checkpoint(str(prefix))
    assert told(checked) == [
        ("stale-shard", "", "my_model-4.data-00007-of-00001", None),
        ("stale-shard", "", "my_model-4.data-00001-of-00003", None),
    ]
    assert {str(f.path) for f in checked.findings if f.code == "temporary-file"} == {
        f"{prefix}{tail}" for tail in temporary
    }
    assert len(checked.intact) == 32


def test_index_and_data_of_two_saves_are_one_finding(copied: Callable[[str], Path]) -> None:
    prefix = copied("digits/checkpoints/my_model-4")
    data = prefix.with_name(DATA)
    shutil.copy(prefix.with_name("my_model-3.data-00000-of-00001"), data)
    checked = check_checkpoint(str(prefix))
    assert told(checked) == [("mixed-saves", "", DATA, None)]
    assert "found 32 of 32 tensors" in checked.findings[0].message
    assert len(checked.damaged) == 32
    assert checked.intact == ()
    data.write_bytes(data.read_bytes()[:-4000])
    checked = check_checkpoint(str(prefix))
    assert [code for code, *_ in told(checked)] == ["truncated", "mixed-saves"]
    assert f"the index knows {DATA_SIZE} of {DATA_SIZE - 4000} bytes" in str(checked.findings[1])
    assert len(checked.damaged) == 32


# ---------------------------------------------------------------- entries that are wrong


def floats(offset: int, data: bytes, sizes: tuple[int, ...] = (1,), **more: Any) -> bytes:
    size = 4 * int(np.prod(sizes))
    return entry(1, sizes, offset, size, mask(crc32c(data[offset : offset + size])), **more)


FOUR = bytes(range(1, 17))


@pytest.mark.parametrize(
    ("entries", "expected", "said"),
    [
        ({b"w": entry(99, (1,), 4, 4, 0)}, [("entry", "w", 0)], "data type number 99"),
        ({b"w": entry(1, (2,), 4, 4, 0)}, [("entry", "w", 0)], "found 4 bytes for float32"),
        ({b"w": entry(1, (-1,), 4, 4, 0)}, [("entry", "w", 0)], "unknown sizes"),
        ({b"w": entry(1, (1 << 40, 1 << 40), 4, 4, 0)}, [("entry", "w", 0)], "2\\^63"),
        ({b"w": entry(1, (1,), 4, 4, 0, shard=1)}, [("entry", "w", 0)], "found shard 1"),
        ({b"w": entry(1, (1,), -1, 4, 0)}, [("entry", "w", 0)], "expected a range"),
        ({b"w": b"\x08"}, [("entry", "w", 0)], "found the end"),
        ({b"w": entry(1, (1,), 1 << 40, 4, 0)}, [("truncated", "", 16)], "up to the end of 'w'"),
        ({b"": b"\x08\x01\x1a\x04\x08\x01\x10\x02"}, [("bundle-version", "", None)], "version 2"),
        ({b"": b"\x08\x01\x10\x02"}, [("bundle-header", "", None)], "endianness 2"),
        ({b"": put_integer(1, -1)}, [("bundle-header", "", None)], "found -1 shards"),
        ({b"": b"\x08"}, [("bundle-header", "", None)], "found the end"),
    ],
)
def test_each_wrong_entry_is_told_and_the_others_are_checked(
    tmp_path: Path,
    entries: Mapping[bytes, bytes],
    expected: list[tuple[str, str, int | None]],
    said: str,
) -> None:
    sound = {b"a": floats(0, FOUR), b"z": floats(12, FOUR)}
    # The others' bytes are accounted for: what is unreferenced would be told as well.
    fill = {b"m": floats(8, FOUR), b"w": floats(4, FOUR)}
    prefix = write_raw(tmp_path / "m", {**sound, **fill, **entries}, FOUR)
    checked = check_checkpoint(str(prefix))
    found = [finding for finding in checked.findings if finding.severity is Severity.ERROR]
    assert [(f.code, f.name, f.offset) for f in found] == expected
    assert re.search(said, found[0].message)
    assert {"a", "z", "m"} <= set(checked.intact)
    if expected[0][0] in ("entry", "truncated"):
        assert checked.damaged == ("w",)


def sliced(**changes: bytes) -> dict[bytes, bytes]:
    """A variable of two slices of two elements each, something in it changed."""
    halves = ((Extent(0, 2),), (Extent(2, 2),))
    keys = [encode_slice_key(b"w", extents) for extents in halves]
    entries = {
        b"w": entry(1, (4,), 0, 0, 0, slices=halves),
        keys[0]: floats(0, FOUR, (2,)),
        keys[1]: floats(8, FOUR, (2,)),
    }
    for what, content in changes.items():
        entries[{"whole": b"w", "first": keys[0], "second": keys[1]}[what]] = content
    return {key: content for key, content in entries.items() if content}


def cut(*extents: tuple[int, int]) -> bytes:
    slices = tuple((Extent(*extent),) for extent in extents)
    return entry(1, (4,), 0, 0, 0, slices=slices)


@pytest.mark.parametrize(
    ("entries", "expected", "said"),
    [
        (sliced(), [], ""),
        (sliced(first=b""), ["entry"], "no entry for slice 0,2"),
        (sliced(first=b"", second=b""), ["entry", "entry"], "no entry for slice 0,2"),
        (sliced(whole=b""), ["orphaned-slice", "orphaned-slice"], "that no variable lists"),
        (sliced(whole=cut((0, 2), (0, 2))), ["entry"], "listed twice"),
        (sliced(whole=cut((0, 2))), ["entry"], "slices of 2 elements"),
        (sliced(whole=cut((0, 2), (2, 2), (1, 2))), ["entry", "entry"], "slices of 6 elements"),
        (sliced(first=floats(0, FOUR, (1,))), ["entry"], "expected float32 of shape"),
    ],
)
def test_faults_of_slices_are_told(
    tmp_path: Path, entries: Mapping[bytes, bytes], expected: list[str], said: str
) -> None:
    prefix = write_raw(tmp_path / "m", {**entries, b"x": floats(0, FOUR, (0,))}, FOUR)
    checked = check_checkpoint(str(prefix))
    codes = [finding.code for finding in checked.findings]
    assert set(codes) - {"unreferenced-bytes", "trailing-bytes"} == set(expected)
    assert "x" in checked.intact
    if expected:
        assert said in checked.findings[0].message
        assert "w" not in checked.intact


def test_overlaps_and_bytes_of_nobody_are_told(tmp_path: Path) -> None:
    data = FOUR + b"junk" + bytes(3) + FOUR
    entries = {
        b"a": floats(0, data, (4,)),
        b"b": floats(8, data, (2,)),
        b"c": floats(23, data, (4,)),
        b"d": floats(20, data, (0,)),
    }
    prefix = write_raw(tmp_path / "m", entries, data)
    checked = check_checkpoint(str(prefix))
    file = "m.data-00000-of-00001"
    assert told(checked) == [("overlap", "", file, 8), ("unreferenced-bytes", "", file, 16)]
    assert checked.intact == ("a", "b", "c", "d")
    zeros = FOUR + bytes(8) + FOUR
    entries = {b"a": floats(0, zeros, (4,)), b"b": floats(24, zeros, (4,))}
    checked = check_checkpoint(str(write_raw(tmp_path / "n", entries, zeros)))
    assert [(f.severity, f.code, f.offset) for f in checked.findings] == [
        (Severity.NOTE, "padding", 16)
    ]


def test_elements_above_the_bits_of_their_type_are_told(tmp_path: Path) -> None:
    data = b"\x0f\x10"
    prefix = write_raw(tmp_path / "m", {b"w": entry(29, (2,), 0, 2, mask(crc32c(data)))}, data)
    checked = check_checkpoint(str(prefix))
    assert told(checked) == [("element-range", "w", "m.data-00000-of-00001", 0)]
    assert checked.intact == ("w",)


def test_thousands_of_names_for_the_same_bytes_take_no_time(tmp_path: Path) -> None:
    data = bytes(4 << 20)
    one = floats(0, data, (1 << 20,))
    prefix = write_raw(tmp_path / "m", {b"w%05d" % i: one for i in range(10_000)}, data)
    with bounded(5):
        checked = check_checkpoint(str(prefix))
    assert [code for code, *_ in told(checked)] == ["overlap"]
    assert len(checked.intact) + len(checked.damaged) == 10_000
    assert len(checked.damaged) > 9_000


def test_a_damaged_block_of_keys_that_share_a_long_one_takes_no_memory() -> None:
    long = b"k" * 100_000
    entries = b"\0" + varint(len(long)) + b"\0" + long
    entries += (varint(100_000) + b"\x01\0a") * 30_000
    with bounded(2):
        assert len(entries_despite(entries + bytes(4) + b"\1\0\0\0")) < 1_000


def test_a_header_of_2_to_the_31_shards_takes_no_time(tmp_path: Path) -> None:
    prefix = write_raw(tmp_path / "m", {b"": put_integer(1, 0x7FFFFFFF)})
    with bounded(2):
        checked = check_checkpoint(str(prefix))
    assert "many-shards" in {code for code, *_ in told(checked)}


# ---------------------------------------------------------------- tables of several blocks


def blocks_of(data: bytes) -> list[tuple[int, int]]:
    return [(handle.offset, handle.size) for _, handle in open_table(BytesSource("t", data)).index]


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A checkpoint whose index has several blocks."""
    variables = [
        variable(f"layer_{i:05d}/with_a_long_name_{i * 7919:09d}", np.array([i], np.int32))
        for i in range(30_000)
    ]
    prefix = tmp_path / "many"
    write_bundle(checkpoint_of(*variables), str(prefix), create)
    assert len(blocks_of(Path(f"{prefix}.index").read_bytes())) >= 3
    return prefix


def test_a_damaged_block_of_the_index_does_not_hide_the_others(many: Path) -> None:
    index = Path(f"{many}.index")
    names = list(tfa.open(many).variables)  # type: ignore[union-attr]
    blocks = blocks_of(index.read_bytes())
    offset, size = blocks[1]
    change(index, flip(offset + size // 2))
    checked = check_checkpoint(str(many))
    assert told(checked) == [("block-checksum", "", index.name, offset)]
    assert checked.num_blocks == len(blocks) + 2
    assert checked.checkpoint is None
    assert 10_000 < len(checked.intact) < 25_000
    assert set(checked.intact) < set(names)
    assert checked.damaged == ()
    # A tensor of a sound block that is damaged, too.
    change(Path(f"{many}.data-00000-of-00001"), flip(4))
    assert told(check_checkpoint(str(many))) == [
        ("block-checksum", "", index.name, offset),
        ("tensor-checksum", names[1], "many.data-00000-of-00001", 4),
    ]


def test_with_the_header_all_of_the_first_block_is_lost_and_no_more(many: Path) -> None:
    index = Path(f"{many}.index")
    change(index, flip(1000))
    checked = check_checkpoint(str(many))
    assert [code for code, *_ in told(checked)] == ["block-checksum", "bundle-header"]
    assert len(checked.intact) > 10_000


@pytest.mark.parametrize("part", ["index block", "footer", "all of both", "behind a damaged block"])
def test_blocks_are_found_without_the_index_block(many: Path, part: str) -> None:
    index = Path(f"{many}.index")
    data = index.read_bytes()
    metaindex, index_block = read_footer(BytesSource("t", data))
    blocks = blocks_of(data)
    change(index, flip(index_block.offset + 3))
    if part == "footer":
        change(index, flip(len(data) - FOOTER_SIZE))
    elif part == "all of both":
        index.write_bytes(data[: metaindex.end])
    elif part == "behind a damaged block":
        change(index, lambda d: d.__setitem__(blocks[0][0] + 40, 0xEE))  # in a value
    checked = check_checkpoint(str(many))
    lost = 0 if part != "behind a damaged block" else 1
    codes = {code for code, *_ in told(checked)}
    assert "blocks-lost" not in codes
    assert checked.num_blocks >= len(blocks)
    assert (len(checked.intact) == 30_000) is (lost == 0)
    assert len(checked.intact) > 10_000


def test_a_table_cut_in_a_block_keeps_those_before(many: Path) -> None:
    index = Path(f"{many}.index")
    data = index.read_bytes()
    offset, size = blocks_of(data)[2]
    index.write_bytes(data[: offset + size // 2])
    checked = check_checkpoint(str(many))
    assert {code for code, *_ in told(checked)} == {"table-footer", "blocks-lost"}
    assert len(checked.intact) > 10_000


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.binary(max_size=12), st.binary(max_size=40), max_size=60),
    st.integers(1, 4),
)
def test_blocks_are_found_as_the_index_says(entries: dict[bytes, bytes], blocks: int) -> None:
    # A value of 300 KiB ends its block.
    filled = {**entries, **{b"~%d" % i: b"v" * 300_000 for i in range(blocks)}}
    data = write_table(sorted(filled.items()))
    table = open_table(BytesSource("t", data))
    metaindex, _ = read_footer(BytesSource("t", data))
    if filled.get(b"") == b"":
        return  # no writer's table begins with an entry of nothing
    handles, stopped = scan_blocks(BytesSource("t", data), len(data))
    assert handles == [handle for _, handle in table.index]
    assert stopped == metaindex.offset
    walk = WalkedTable(BytesSource("t", data))
    assert [pair for block in walk.blocks() for pair in block.entries] == sorted(filled.items())
    assert walk.findings == []
    assert walk.is_complete


def test_a_file_of_false_ends_of_blocks_takes_no_time() -> None:
    data = b"\0\1\0a" + b"\0\0\0\0\1\0\0\0\0" * 200_000
    with bounded(3):
        assert scan_blocks(BytesSource("t", data), len(data))[1] < len(data)


# ---------------------------------------------------------------- reading


def test_many_threads_find_what_one_does(tmp_path: Path) -> None:
    source = np.random.default_rng(1)
    variables = [
        variable(f"v{i:03d}", source.integers(0, 255, size, np.uint8))
        for i, size in enumerate([3_000_000, 10, 2_000_000, 700_000, 1, 0, 524_288, 131_072] * 3)
    ]
    prefix = tmp_path / "m"
    write_bundle(checkpoint_of(*variables), str(prefix), create)
    data = Path(f"{prefix}.data-00000-of-00001")
    size = data.stat().st_size
    for offset in (0, 3_000_005, size // 2, size - 1):
        change(data, flip(offset))
    steps: list[tuple[str, int, int]] = []
    alone = check_checkpoint(str(prefix), jobs=1, progress=lambda *step: steps.append(step))
    assert len(alone.damaged) == 4
    assert steps[-1] == ("verifying", size, size)
    assert [done for _, done, _ in steps] == sorted(done for _, done, _ in steps)
    for jobs in (2, 7, None):
        other = check_checkpoint(str(prefix), jobs=jobs)
        assert (other.findings, other.damaged) == (alone.findings, alone.damaged)


@pytest.mark.parametrize("share", [1 << 19, 600_000, 1_000_000, 1_499_990, 3_000_000])
def test_shares_of_a_large_tensor_are_checked_as_a_whole(
    share: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = np.random.default_rng(2)
    variables = [
        variable(name, source.integers(0, 255, size, np.uint8))
        for name, size in {"a": 3_000_000, "b": 2_000_001, "c": 3_000_000, "d": 5}.items()
    ]
    prefix = tmp_path / "m"
    write_bundle(checkpoint_of(*variables), str(prefix), create)
    data = Path(f"{prefix}.data-00000-of-00001")
    for places in ([], [0], [2_999_999], [3_000_000, 4_900_000], [5_000_002, 8_000_000]):
        for offset in places:
            change(data, flip(offset))
        expected = check_checkpoint(str(prefix), jobs=1)
        monkeypatch.setattr("tfartifacts.checks.reading._SHARE", share)
        for jobs in (1, 3):
            found = check_checkpoint(str(prefix), jobs=jobs)
            assert (found.findings, found.damaged) == (expected.findings, expected.damaged)
        monkeypatch.undo()
        assert bool(expected.damaged) == bool(places)
        for offset in places:
            change(data, flip(offset))


def test_of_shares_that_cannot_be_read_the_first_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = tmp_path / "m"
    write_bundle(checkpoint_of(variable("a", np.zeros(3_000_000, np.uint8))), str(prefix), create)

    def failing(descriptor: int, path: str, buffer: memoryview, offset: int) -> None:
        raise not_readable(path, OSError(5, f"Input/output error at {offset}"))

    monkeypatch.setattr("tfartifacts.checks.reading._SHARE", 1 << 20)
    monkeypatch.setattr("tfartifacts.checks.reading.read_into", failing)
    for jobs in (1, 3):
        checked = check_checkpoint(str(prefix), jobs=jobs)
        (finding,) = checked.findings
        assert finding.message.startswith("input/output error at 0")


def test_a_sector_that_cannot_be_read_concerns_only_what_lies_there(
    copied: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = copied("digits/checkpoints/my_model-4")
    real = files.read_into

    def failing(descriptor: int, path: str, buffer: memoryview, offset: int) -> None:
        if offset <= 100 < offset + len(buffer):
            raise not_readable(path, OSError(5, "Input/output error"))
        real(descriptor, path, buffer, offset)

    monkeypatch.setattr("tfartifacts.checks.reading.read_into", failing)
    checked = check_checkpoint(str(prefix))
    ((code, name, file, _),) = told(checked)
    assert (code, name, file) == ("unreadable", "conv2d/bias/Adam_1", DATA)
    assert "input/output error" in checked.findings[0].message
    assert len(checked.intact) == 31


def test_a_file_that_goes_away_meanwhile_is_told(
    copied: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = copied("digits/checkpoints/my_model-4")
    real = files.opened

    def gone(path: str) -> Any:
        Path(path).unlink()
        return real(path)

    monkeypatch.setattr("tfartifacts.checks.reading.opened", gone)
    checked = check_checkpoint(str(prefix))
    assert [code for code, *_ in told(checked)] == ["unreadable"]
    assert len(checked.damaged) == 32


MEASURED = """
import resource, sys
from tfartifacts.checks.checkpoints import check_checkpoint
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
checked = check_checkpoint(sys.argv[1])
assert not checked.findings, checked.findings
assert len(checked.intact) == 3
assert not {"numpy", "ml_dtypes", "google.protobuf"} & sys.modules.keys()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_checking_takes_little_memory_and_no_numpy(tmp_path: Path) -> None:
    names = np.full((40_000,), b"x" * 1000, object)
    prefix = tmp_path / "m"
    large = variable("large", np.zeros(100_000_000, np.uint8))
    write_bundle(
        checkpoint_of(large, variable("names", names), variable("s", np.int32(1))),
        str(prefix),
        create,
    )
    run = subprocess.run(
        [sys.executable, "-c", MEASURED, str(prefix)],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT,
    )
    assert int(run.stdout) < 32 * 1024  # KiB, for 140 MB


@pytest.mark.parametrize(
    "victim",
    [victim for victim in VICTIMS if victim.is_checked],
    ids=lambda victim: f"{victim.folder}/{victim.file}",
)
def test_whatever_is_damaged_is_told_and_what_is_called_intact_is(
    victim: Victim, fixtures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(fixtures / victim.folder, folder)
    prefix = folder / victim.opened
    original = values_of(tfa.open(prefix))  # type: ignore[arg-type]
    data = (folder / victim.file).read_bytes()
    source = random.Random(f"{SEED} {victim} checks")
    for _ in range(120):
        changed = damaged(source, data)
        if changed == data:
            continue
        (folder / victim.file).write_bytes(changed)
        with bounded():
            checked = check_checkpoint(str(prefix))
        assert told(checked)
        for finding in checked.findings:
            assert finding.path is not None
        if checked.checkpoint is None:
            continue
        for name in checked.intact:
            array = checked.checkpoint.variables[name].read()
            content = array.tolist() if array.dtype == object else array.tobytes()
            assert content == original[name][2]


# ---------------------------------------------------------------- V1


V1_NAME = "m"


def test_each_fault_of_a_v1_checkpoint_is_told(tmp_path: Path) -> None:
    key = encode_slice_key(b"b", (WHOLE,))
    other = encode_slice_key(b"c", (WHOLE,))
    proto = b"\x2a\x08\0\0\x80\x3f\0\0\0\xc0"
    cases: list[tuple[dict[bytes, bytes], list[tuple[str, str]], set[str]]] = [
        (simple(), [], {"b"}),
        ({b"": simple()[b""]}, [("missing-slice", "b")], set()),
        ({**simple(), other: value(b"c", (WHOLE,), proto)}, [("orphaned-slice", "c")], {"b"}),
        (simple(proto=proto[:-4].replace(b"\x08", b"\x04")), [("entry", "b")], set()),
        (simple(proto=b"\x2a\x09" + bytes(9)), [("entry", "b")], set()),
        ({**simple(), key: b"\xff"}, [("entry", "b")], set()),
        ({**simple(), key: b""}, [("entry", "b")], set()),
        ({**simple(), key: value(b"c", (WHOLE,), proto)}, [("entry", "b")], set()),
        ({key: simple()[key]}, [("header", "")], set()),
        ({**simple(), b"": b"\x0a\x05"}, [("header", ""), ("orphaned-slice", "b")], set()),
        (
            {**simple(), b"": header(meta(b"b", 120, [2], [(WHOLE,)]))},
            [("header", ""), ("orphaned-slice", "b")],
            set(),
        ),
        (
            {**simple(), b"": header(meta(b"b", 1, [2], [(WHOLE,), (WHOLE,)]))},
            [("slices", "b")],
            set(),
        ),
    ]
    for entries, expected, intact in cases:
        path = write_v1(tmp_path / V1_NAME, entries)
        checked = check_checkpoint(str(path))
        assert [(code, name) for code, name, *_ in told(checked)] == expected
        assert set(checked.intact) == intact
        assert (checked.checkpoint is None) is (
            bool({"header", "slices"} & {c for c, _ in expected})
        )


@pytest.mark.parametrize(
    ("dtype", "proto", "fits"),
    [
        (3, put_bytes(7, b"\x01\x02"), True),
        (3, put_bytes(7, b"\x01") + put_always(7, 2), True),
        (3, put_bytes(7, b"\x01" + b"\xff" * 9 + b"\x01"), True),
        (3, put_bytes(7, b"\x01\xff"), False),
        (3, put_bytes(7, b"\x01" + b"\xff" * 10 + b"\x01"), False),
        (3, put_bytes(7, b"\x01"), False),
        (7, put_bytes(8, b"one") + put_bytes(8, b""), True),
        (7, put_bytes(8, b"one"), False),
        (8, put_bytes(9, bytes(16)), True),
        (8, put_bytes(9, bytes(8)), False),
        (18, put_bytes(12, bytes(32)), True),
        (19, put_bytes(13, b"\x80\x78\x00"), True),
        (20, put_bytes(14, b""), False),
    ],
)
def test_values_are_counted_as_they_are_decoded(
    tmp_path: Path, dtype: int, proto: bytes, fits: bool
) -> None:
    entries = simple(tensor=meta(b"b", dtype, [2], [(WHOLE,)]), proto=proto)
    path = write_v1(tmp_path / V1_NAME, entries)
    checked = check_checkpoint(str(path))
    assert (checked.intact == ("b",)) is fits
    assert bool(told(checked)) is not fits
    if checked.checkpoint is None:
        assert not fits
        return
    if fits:
        assert checked.checkpoint.variables["b"].read().shape == (2,)
    else:
        with pytest.raises(tfa.FormatError):
            checked.checkpoint.variables["b"].read()


def large_v1(folder: Path) -> Path:
    """A V1 checkpoint whose table has a block for each variable but the first two."""
    names = [b"a", b"b", b"c", b"d"]
    protos = {name: put_bytes(5, bytes([i + 1]) * 400_000) for i, name in enumerate(names)}
    declared = [meta(name, 1, [100_000], [(WHOLE,)]) for name in names]
    entries = {
        encode_slice_key(name, (WHOLE,)): value(name, (WHOLE,), proto)
        for name, proto in protos.items()
    }
    return write_v1(folder / V1_NAME, {b"": header(*declared), **entries})


def test_a_damaged_block_of_a_v1_checkpoint_does_not_hide_the_others(tmp_path: Path) -> None:
    path = large_v1(tmp_path)
    blocks = blocks_of(path.read_bytes())
    assert len(blocks) >= 4
    assert set(check_checkpoint(str(path)).intact) == {"a", "b", "c", "d"}
    offset, size = blocks[-2]
    change(path, flip(offset + size // 2))
    checked = check_checkpoint(str(path))
    assert told(checked) == [("block-checksum", "", V1_NAME, offset)]
    assert (set(checked.intact), checked.damaged) == ({"a", "b", "d"}, ("c",))
    change(path, flip(len(path.read_bytes()) - 1))
    checked = check_checkpoint(str(path))
    assert [code for code, *_ in told(checked)] == ["table-footer", "block-checksum"]
    assert set(checked.intact) == {"a", "b", "d"}


def test_missing_shards_of_a_v1_checkpoint_are_told(copied: Callable[[str], Path]) -> None:
    prefix = copied("v1-checkpoint/sharded")
    Path(f"{prefix}-00001-of-00002").unlink()
    checked = check_checkpoint(str(prefix))
    assert [code for code, *_ in told(checked)] == ["missing-shard"]
    assert checked.format == "V1"
    original = values_of(tfa.open(PROJECT / "fixtures/v1-checkpoint/sharded-00000-of-00002"))  # type: ignore[arg-type]
    assert set(checked.intact) | set(checked.damaged) <= set(original)
    assert checked.damaged
