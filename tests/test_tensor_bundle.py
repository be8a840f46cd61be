"""V2 checkpoints: known bytes, any variables through and back, and TensorFlow as the judge."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tfartifacts as tfa
from tests import strategies
from tests.conftest import PROJECT
from tests.judges.client import Judge, sha256
from tfartifacts.dtypes import STRING, DType, dtype_from_name
from tfartifacts.errors import FormatError, UnsupportedError
from tfartifacts.formats.bundle_entries import (
    data_file,
    encode_entry,
    index_file,
    parse_entry,
    prefix_of_data_file,
)
from tfartifacts.formats.bundle_writing import refuse_unwritable, write_bundle
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.formats.slices import encode_slice_key
from tfartifacts.formats.table import open_table, write_table
from tfartifacts.formats.tensor_bundle import parse_header, read_bundle
from tfartifacts.formats.tensor_data import ArrayTensor, decode_strings, object_array
from tfartifacts.formats.wire import (
    Message,
    put_always,
    put_bytes,
    put_fixed32,
    put_integer,
    read_varint,
    varint,
)
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.graphs import Versions
from tfartifacts.model.values import Location
from tfartifacts.model.variables import Extent, Variable, VariableSlice
from tfartifacts.storage.files import BytesSource

FLOAT = dtype_from_name("float32")
INT = dtype_from_name("int32")

HEADER = bytes.fromhex(
    "0801"  # num_shards: 1
    "1a02"  # version, 2 bytes
    "0801"  # producer: 1
)
ENTRY = bytes.fromhex(
    "0801"  # dtype: DT_FLOAT
    "1208 1202 0803 1202 0802"  # shape: dim {size: 3}, dim {size: 2}
    "2018"  # offset: 24
    "2818"  # size: 24
    "35 78563412"  # crc32c: 0x12345678
)
NO_ELEMENTS = mask(0)


@contextmanager
def create(path: str) -> Iterator[Any]:
    with open(path, "xb") as file:
        yield file


def variable(name: str, array: Any, dtype: DType | None = None) -> Variable:
    array = np.asarray(array)
    dtype = dtype or (STRING if array.dtype == object else dtype_from_name(array.dtype.name))
    return Variable(name, dtype, array.shape, ArrayTensor(dtype, array.shape, array))


def checkpoint_of(*variables: Variable, num_shards: int = 1) -> Checkpoint:
    in_order = sorted(variables, key=lambda v: v.name.encode("utf-8", "surrogateescape"))
    return Checkpoint("memory", "V2", num_shards, {v.name: v for v in in_order})


def bytes_of(prefix: Path | str) -> dict[str, bytes]:
    """Each file of a bundle by what follows the prefix."""
    folder, base = os.path.split(prefix)
    return {
        path.name.removeprefix(base): path.read_bytes()
        for path in sorted(Path(folder).iterdir())
        if path.name.startswith((f"{base}.index", f"{base}.data-"))
    }


def entries_of(prefix: Path) -> dict[bytes, bytes]:
    return dict(open_table(BytesSource("m", Path(f"{prefix}.index").read_bytes())).entries())


def write_raw(prefix: Path, entries: Mapping[bytes, bytes], data: bytes = b"") -> Path:
    """An index with these entries (the header, too, unless given), and one data file."""
    table = {b"": HEADER, **entries}
    Path(f"{prefix}.index").write_bytes(write_table(sorted(table.items())))
    Path(f"{prefix}.data-00000-of-00001").write_bytes(data)
    return prefix


def open_bundle(prefix: Path | str) -> Checkpoint:
    return read_bundle(str(prefix))


def digests(checkpoint: Checkpoint) -> dict[str, str]:
    return {name: sha256(v.read()) for name, v in checkpoint.variables.items()}


# ---------------------------------------------------------------- bytes


def test_header_byte_by_byte(tmp_path: Path) -> None:
    header = parse_header(HEADER)
    assert (header.num_shards, header.byte_order) == (1, "little")
    assert header.versions == Versions(producer=1)
    write_bundle(checkpoint_of(), str(tmp_path / "m"), create)
    assert entries_of(tmp_path / "m") == {b"": HEADER}
    assert (tmp_path / "m.data-00000-of-00001").read_bytes() == b""


def test_entry_byte_by_byte() -> None:
    entry = parse_entry(ENTRY, "w", 1)
    assert (entry.dtype, entry.shape) == (FLOAT, (3, 2))
    assert (entry.shard, entry.offset, entry.size, entry.crc32c) == (0, 24, 24, 0x12345678)
    value = ArrayTensor(FLOAT, (3, 2), np.zeros((3, 2), np.float32))
    assert encode_entry(value, 0, 24, 24, 0x12345678) == ENTRY


def test_scalar_has_an_empty_shape_and_zeros_are_left_out() -> None:
    value = ArrayTensor(INT, (), np.int32(0))
    # dtype: DT_INT32, shape {}, size: 4; no shard, offset or checksum, all of them 0
    assert encode_entry(value, 0, 0, 4, 0) == bytes.fromhex("0803 1200 2804")


def test_files_are_named_by_shard_in_five_digits_or_more() -> None:
    assert index_file("runs/m") == "runs/m.index"
    assert data_file("runs/m", 3, 12) == "runs/m.data-00003-of-00012"
    assert data_file("m", 123456, 200000) == "m.data-123456-of-200000"
    assert prefix_of_data_file("runs/m.data-00003-of-00012") == "runs/m"
    assert prefix_of_data_file("m.data-123456-of-200000") == "m"
    assert prefix_of_data_file("m.data-1-of-2") is None
    assert prefix_of_data_file("m.data-00003-of-00012.tmp") is None


def test_tensors_follow_each_other_in_the_data_file(tmp_path: Path) -> None:
    first, second = (
        variable("a", np.array([1, 2, 3], np.int8)),
        variable("b", np.array([4], np.int16)),
    )
    write_bundle(checkpoint_of(second, first), str(tmp_path / "m"), create)
    assert (tmp_path / "m.data-00000-of-00001").read_bytes() == bytes.fromhex("010203 0400")
    assert entries_of(tmp_path / "m")[b"b"] == bytes.fromhex(
        "0805"  # dtype: DT_INT16
        "1204 1202 0801"  # shape: dim {size: 1}
        "2003"  # offset: 3
        "2802"  # size: 2
        "35" + mask(crc32c(b"\4\0")).to_bytes(4, "little").hex()
    )


def test_partitioned_variable_byte_by_byte(tmp_path: Path) -> None:
    whole = ArrayTensor(dtype_from_name("int8"), (3,), np.array([1, 2, 3], np.int8))
    cut = strategies.partitioned("w", whole, [(Extent(1, 2),), (Extent(0, 1),)])
    write_bundle(checkpoint_of(cut), str(tmp_path / "m"), create)
    entries = entries_of(tmp_path / "m")
    assert entries[b"w"] == bytes.fromhex(
        "0806"  # dtype: DT_INT8
        "1204 1202 0803"  # the full shape: dim {size: 3}
        "3a06 0a04 0801 1002"  # slices: extent {start: 1 length: 2}
        "3a04 0a02 1001"  # slices: extent {length: 1}; a start of 0 is left out
    )
    assert entries[bytes.fromhex("00 77 0001 0101 80 81")] == bytes.fromhex(
        "0806"
        "1204 1202 0801"  # the slice's own shape
        "2002"  # offset: 2, behind the other slice
        "2801"
        "35" + mask(crc32c(b"\1")).to_bytes(4, "little").hex()
    )
    assert len(entries) == 4


# ---------------------------------------------------------------- through and back


@settings(max_examples=60)
@given(strategies.variables(), st.integers(1, 3), st.data())
def test_any_variables_come_back(
    variables: dict[str, Variable], num_shards: int, data: st.DataObject
) -> None:
    def placed(value: ArrayTensor) -> Any:
        return InShard(value, data.draw(st.integers(0, num_shards - 1)))

    spread = {
        name: replace(
            v,
            value=None if v.value is None else placed(v.value),  # type: ignore[arg-type]
            slices=tuple(VariableSlice(s.extents, placed(s.value)) for s in v.slices),  # type: ignore[arg-type]
        )
        for name, v in variables.items()
    }
    checkpoint = Checkpoint("memory", "V2", num_shards, spread)
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "m")
        write_bundle(checkpoint, prefix, create)
        read = read_bundle(prefix)
        assert list(read.variables) == list(variables)
        assert digests(read) == digests(checkpoint)
        assert read.problems == ()
        for name, v in read.variables.items():
            assert (v.dtype, v.shape) == (variables[name].dtype, variables[name].shape)
            assert [str(part) for part in v.slices] == [str(s) for s in variables[name].slices]
            assert v.nbytes == variables[name].nbytes
        # What was read is written the same again.
        again = os.path.join(folder, "again")
        write_bundle(read, again, create)
        assert bytes_of(again) == bytes_of(prefix)


class InShard:
    """A tensor in memory that says it lies in a shard, so that it is written there."""

    def __init__(self, tensor: ArrayTensor, shard: int) -> None:
        self.dtype, self.shape, self.nbytes = tensor.dtype, tensor.shape, tensor.nbytes
        self.read, self.stored = tensor.read, tensor.stored
        self.location = Location("", shard, 0, tensor.nbytes, 0)


INDEXES = sorted(path for path in (PROJECT / "fixtures").rglob("*.index") if path.stem != "empty")


@pytest.mark.parametrize(
    "index", [pytest.param(path, id="/".join(path.parts[-3:])) for path in INDEXES]
)
def test_bundles_of_tensorflow_come_back_byte_for_byte(index: Path, tmp_path: Path) -> None:
    prefix = index.with_suffix("")
    write_bundle(open_bundle(prefix), str(tmp_path / index.stem), create)
    assert bytes_of(tmp_path / index.stem) == bytes_of(prefix)


def test_empty_bundle_has_no_shard_and_comes_back(fixtures: Path, tmp_path: Path) -> None:
    prefix = fixtures / "empty-bundle" / "empty"
    checkpoint = open_bundle(prefix)
    assert (len(checkpoint.variables), checkpoint.num_shards) == (0, 0)
    write_bundle(checkpoint, str(tmp_path / "empty"), create)
    assert bytes_of(tmp_path / "empty") == bytes_of(prefix)


def test_real_bundles_come_back_with_equal_values(shared_artifacts: Path, tmp_path: Path) -> None:
    count = 0
    for index in sorted(shared_artifacts.rglob("*.index")):
        if index.stat().st_size < 48:
            continue  # a link that was copied as text
        source = open_bundle(index.with_suffix(""))
        if any(os.path.getsize(file.path) > 10_000_000 for file in source.files):
            continue
        if source.problems:
            continue
        count += 1
        prefix = str(tmp_path / f"{count}")
        write_bundle(source, prefix, create)
        assert digests(read_bundle(prefix)) == digests(source), index
    assert count > 15


# ---------------------------------------------------------------- TensorFlow reads ours


def every_dtype(dtypes: tuple[DType, ...]) -> list[Variable]:
    made = []
    for dtype in dtypes:
        data = bytes(range(7, 7 + 12 * (dtype.itemsize or 0)))
        vector = strategies.array_of(dtype, (3, 4), data)
        made += [
            variable(f"{dtype}/matrix", vector, dtype),
            variable(f"{dtype}/scalar", vector[1, 2], dtype),
            variable(f"{dtype}/empty", vector[:, :0], dtype),
        ]
    strings = [b"", b"a\0b", b"\xff", b"x" * 127, b"y" * 128, b"z" * 20000]
    made += [
        variable("string/matrix", object_array(strings, (3, 2))),
        variable("string/scalar", object_array([b"hello"], ())),
        variable("string/empty", object_array([], (2, 0))),
    ]
    return made


def compare(judge: Judge, prefix: Path, checkpoint: Checkpoint) -> None:
    """Names, dtypes, shapes and values as TensorFlow reads them."""
    listed = judge.list_checkpoint(prefix)
    assert listed.keys() == set(checkpoint.variables)
    for name, facts in listed.items():
        expected = checkpoint.variables[name]
        assert facts["dtype"] == str(expected.dtype)
        assert facts["shape"] == list(expected.shape)
        assert facts.get("sha256") == sha256(expected.read()), (name, facts)


def test_tensorflow_reads_our_bundle_of_every_dtype(tensorflow_2_21: Judge, tmp_path: Path) -> None:
    checkpoint = checkpoint_of(*every_dtype(strategies.FIXED_DTYPES))
    write_bundle(checkpoint, str(tmp_path / "m"), create)
    compare(tensorflow_2_21, tmp_path / "m", checkpoint)


def test_tensorflow_1_15_reads_our_bundle_of_the_dtypes_it_knows(
    tensorflow_1_15: Judge, tmp_path: Path
) -> None:
    dtypes = tuple(dtype for dtype in strategies.FIXED_DTYPES if dtype.number <= 23)
    checkpoint = checkpoint_of(*every_dtype(dtypes))
    write_bundle(checkpoint, str(tmp_path / "m"), create)
    compare(tensorflow_1_15, tmp_path / "m", checkpoint)


def test_tensorflow_reads_our_variant(
    tensorflow_2_21: Judge, fixtures: Path, tmp_path: Path
) -> None:
    # A variant has no NumPy form: that it is stored as TensorFlow stored it is the proof.
    source = open_bundle(fixtures / "dtypes" / "dtypes").variables["variant/tensor_list"]
    element = source.read().item()
    in_memory = variable("v", object_array([element], ()), source.dtype)
    write_bundle(checkpoint_of(in_memory), str(tmp_path / "m"), create)
    stored = b"".join(
        bytes(p) for p in open_bundle(tmp_path / "m").variables["v"].values[0].stored()
    )
    assert stored == b"".join(bytes(piece) for piece in source.values[0].stored())
    assert tensorflow_2_21.list_checkpoint(tmp_path / "m")["v"]["dtype"] == "variant"


NAMES = ["a", "a/b", "a b", "\u00e9\u65e5", "x" * 300, "..", "/", "a\n", 'q"\\', "\x7f", "\x01"]


def test_tensorflow_reads_our_shards_slices_and_names(tensorflow: Judge, tmp_path: Path) -> None:
    matrix = ArrayTensor(FLOAT, (4, 6), np.arange(24, dtype=np.float32).reshape(4, 6))
    vector = ArrayTensor(INT, (300,), np.arange(300, dtype=np.int32))
    words = ArrayTensor(STRING, (4,), object_array([b"zero", b"one", b"", b"three"], (4,)))
    strings = strategies.partitioned("words", words, [(Extent(0, 1),), (Extent(1, 3),)])
    cut = [
        strategies.partitioned(
            "cut/matrix",
            matrix,
            [(Extent(2, 2), Extent(4, 2)), (Extent(0, 2), Extent()), (Extent(2, 2), Extent(0, 4))],
        ),
        strategies.partitioned("cut/vector", vector, [(Extent(i, 1),) for i in range(300)]),
    ]
    whole = [variable(name, np.int64(i)) for i, name in enumerate(NAMES)]
    spread = [
        replace(v, value=InShard(v.value, i % 3))  # type: ignore[arg-type] # an ArrayTensor
        for i, v in enumerate(whole)
    ]
    cut = [
        replace(
            v,
            slices=tuple(
                VariableSlice(s.extents, InShard(s.value, i % 3))  # type: ignore[arg-type]
                for i, s in enumerate(v.slices)
            ),
        )
        for v in cut
    ]
    checkpoint = checkpoint_of(*spread, *cut, num_shards=3)
    write_bundle(checkpoint, str(tmp_path / "m"), create)
    assert sorted(bytes_of(tmp_path / "m")) == [
        ".data-00000-of-00003",
        ".data-00001-of-00003",
        ".data-00002-of-00003",
        ".index",
    ]
    compare(tensorflow, tmp_path / "m", checkpoint)
    # A slice that lies across the stored ones.
    middle = tensorflow.restore_slice(tmp_path / "m", "cut/matrix", "float32", "4 6 1,2:3,2")
    np.testing.assert_array_equal(middle, matrix.array[1:3, 3:5])
    # It never joins strings, but reads each slice of them.
    write_bundle(checkpoint_of(strings), str(tmp_path / "strings"), create)
    for spec, values in (("4 0,1", [b"zero"]), ("4 1,3", [b"one", b"", b"three"])):
        part = tensorflow.restore_slice(tmp_path / "strings", "words", "string", spec)
        assert part.tolist() == values


def test_tensorflow_reads_our_bundle_without_variables(tensorflow: Judge, tmp_path: Path) -> None:
    write_bundle(checkpoint_of(), str(tmp_path / "m"), create)
    assert tensorflow.list_checkpoint(tmp_path / "m") == {}


def test_our_bundle_is_the_one_tensorflow_writes(tensorflow_2_21: Judge, tmp_path: Path) -> None:
    arrays = {v.name: v for v in every_dtype(strategies.FIXED_DTYPES)}
    # TensorFlow takes them in the order it is given; ours go by name.
    in_order = dict(sorted(arrays.items()))
    tensorflow_2_21.write_bundle(
        tmp_path / "theirs",
        {name: v.read() for name, v in in_order.items()},
        dtypes={name: str(v.dtype) for name, v in in_order.items()},
    )
    write_bundle(checkpoint_of(*in_order.values()), str(tmp_path / "ours"), create)
    assert bytes_of(tmp_path / "ours") == bytes_of(tmp_path / "theirs")


# ---------------------------------------------------------------- big-endian machines


def swap_strings(stored: bytes, elements: list[bytes]) -> tuple[bytes, int]:
    """A string tensor, and its checksum, as a big-endian machine stores it."""
    fixed = b"".join(len(element).to_bytes(4, "big") for element in elements)
    lengths_end = len(stored) - sum(map(len, elements)) - 4
    checksum = mask(crc32c(fixed)).to_bytes(4, "big")
    crc = crc32c(b"".join(elements), crc32c(checksum, crc32c(fixed)))
    return stored[:lengths_end] + checksum + stored[lengths_end + 4 :], mask(crc)


def to_big_endian(source: Path, prefix: Path, skip: tuple[str, ...] = ()) -> None:
    """The bundle that a big-endian machine would have written with the same values."""
    data = Path(f"{source}.data-00000-of-00001").read_bytes()
    entries = entries_of(source)
    swapped = bytearray()
    table = {b"": put_integer(1, 1) + put_integer(2, 1) + put_bytes(3, put_integer(1, 1))}
    for key, entry in entries.items():
        name = key.decode()
        if not key or name.startswith(skip):
            continue
        fields = parse_entry(entry, name, 1)
        stored = data[fields.offset : fields.offset + fields.size]
        if fields.dtype == STRING:
            elements = decode_strings(stored, int(np.prod(fields.shape)), fields.crc32c)
            stored, crc = swap_strings(stored, elements)
        else:
            parts = 2 if fields.dtype.name.startswith("complex") else 1
            width = (fields.dtype.itemsize or 1) // parts
            stored = b"".join(stored[i : i + width][::-1] for i in range(0, len(stored), width))
            crc = mask(crc32c(stored))
        value = ArrayTensor(fields.dtype, fields.shape, None)
        table[key] = encode_entry(value, 0, len(swapped), len(stored), crc)
        swapped += stored
    Path(f"{prefix}.index").write_bytes(write_table(sorted(table.items())))
    Path(f"{prefix}.data-00000-of-00001").write_bytes(swapped)


def test_big_endian_bundle_reads_as_the_little_endian_one(
    tensorflow_2_21: Judge, fixtures: Path, tmp_path: Path
) -> None:
    source = fixtures / "dtypes" / "dtypes"
    to_big_endian(source, tmp_path / "big", skip=("variant",))
    little, big = open_bundle(source), open_bundle(tmp_path / "big")
    assert big.byte_order == "big"
    values = digests(big)
    assert values == {name: digest for name, digest in digests(little).items() if name in values}
    assert len(values) == len(little.variables) - 1
    for v in big.variables.values():
        assert v.read().dtype.isnative
    # TensorFlow swaps the same bytes, but refuses its newest types, which have nothing to swap.
    theirs = tensorflow_2_21.list_checkpoint(tmp_path / "big")
    assert theirs.keys() == values.keys()
    for name, facts in theirs.items():
        if big.variables[name].dtype.number <= 23:
            assert facts["sha256"] == values[name]
        else:
            assert "Byte-swapping not supported" in facts["reader_error"]["text"]


def test_big_endian_bundle_is_written_as_a_little_endian_one(
    fixtures: Path, tmp_path: Path
) -> None:
    source = fixtures / "digits" / "checkpoints" / "my_model-4"
    to_big_endian(source, tmp_path / "big")
    assert (
        bytes_of(tmp_path / "big")[".data-00000-of-00001"]
        != (bytes_of(source)[".data-00000-of-00001"])
    )
    write_bundle(open_bundle(tmp_path / "big"), str(tmp_path / "little"), create)
    assert digests(open_bundle(tmp_path / "little")) == digests(open_bundle(source))
    assert open_bundle(tmp_path / "little").byte_order == "little"


# ---------------------------------------------------------------- old and foreign forms


def test_strings_of_before_2018_are_read(tensorflow_2_21: Judge, shared_artifacts: Path) -> None:
    prefix = shared_artifacts / "real" / "026_tf_old_string_tensors" / "foo"
    checkpoint = open_bundle(prefix)
    assert checkpoint.variables["strs"].read().ravel().tolist()[:2] == [b"hello", b""]
    compare(tensorflow_2_21, prefix, checkpoint)


@pytest.mark.parametrize(
    ("versions", "accepted"),
    [
        # producer, min_consumer, bad_consumers
        (Versions(1), True),
        (Versions(0), True),
        (Versions(2), True),
        (Versions(2**31 - 1), True),
        (Versions(-1), False),
        (Versions(1, 1), True),
        (Versions(1, 2), False),
        (Versions(1, 2**31 - 1), False),
        (Versions(1, -1), True),
        (Versions(1, 0, (1,)), False),
        (Versions(1, 0, (0, 2)), True),
        (Versions(1, 0, (2, 1)), False),
    ],
)
def test_versions_are_accepted_as_tensorflow_accepts_them(
    tensorflow_2_21: Judge, tmp_path: Path, versions: Versions, accepted: bool
) -> None:
    encoded = put_integer(1, versions.producer) + put_integer(2, versions.min_consumer)
    encoded += b"".join(put_always(3, bad) for bad in versions.bad_consumers)
    entry = (
        put_integer(1, 3)
        + put_bytes(2, b"")
        + put_integer(5, 4)
        + put_fixed32(6, mask(crc32c(bytes(4))))
    )
    header = put_integer(1, 1) + put_bytes(3, encoded)
    prefix = write_raw(tmp_path / "m", {b"": header, b"v": entry}, bytes(4))
    listed: Callable[[], object] = lambda: tensorflow_2_21.list_checkpoint(prefix)  # noqa: E731
    if accepted:
        assert open_bundle(prefix).versions == versions
        listed()
    else:
        with pytest.raises(UnsupportedError, match="expected version 1") as caught:
            open_bundle(prefix)
        assert caught.value.path == f"{prefix}.index"
        with pytest.raises(Exception, match=r"(?i)version|consumer"):
            listed()


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (put_integer(1, -1), "-1 shards"),
        (put_integer(1, 2**31), "2147483648 shards"),
        (put_integer(1, 1) + put_integer(2, 2), "endianness 2"),
        (b"\x08", "in the bundle header"),
    ],
)
def test_header_that_no_writer_makes_is_refused(tmp_path: Path, header: bytes, said: str) -> None:
    prefix = write_raw(tmp_path / "m", {b"": header})
    with pytest.raises(FormatError, match=said) as caught:
        open_bundle(prefix)
    assert caught.value.path == f"{prefix}.index"


def test_two_billion_shards_cost_no_time(tmp_path: Path) -> None:
    shards = 2**31 - 1
    entry = put_integer(1, 4) + put_bytes(2, b"") + put_integer(3, shards - 1) + put_integer(5, 1)
    prefix = write_raw(tmp_path / "m", {b"": put_integer(1, shards), b"v": entry})
    checkpoint = open_bundle(prefix)
    (problem,) = checkpoint.problems
    assert problem.path == f"{prefix}.data-2147483646-of-2147483647"


# What every reader here has the same bytes for: int32 [1, 2, 3] at 0.
DATA = np.array([1, 2, 3], np.int32).tobytes()
TAIL = put_integer(5, 12) + put_fixed32(6, mask(crc32c(DATA)))
SHAPE_3 = put_bytes(2, put_bytes(2, put_integer(1, 3)))


@pytest.mark.parametrize(
    "entry",
    [
        put_integer(1, 3) + SHAPE_3 + TAIL,
        # The last of repeated fields holds.
        put_integer(1, 1) + SHAPE_3 + TAIL + put_integer(1, 3),
        put_integer(1, 3)
        + SHAPE_3
        + put_integer(5, 99)
        + put_integer(4, 5)
        + TAIL
        + put_always(4, 0),
        # A shape in two parts is put together.
        put_integer(1, 3) + put_bytes(2, b"") + SHAPE_3 + TAIL,
        # Any order, unknown fields, a shape before the type, overlong numbers.
        TAIL + SHAPE_3 + put_integer(1, 3),
        put_integer(1, 3) + SHAPE_3 + put_bytes(99, b"later") + TAIL + put_integer(77, 1),
        SHAPE_3 + put_integer(1, 3) + TAIL,
        bytes.fromhex("08 838000") + SHAPE_3 + TAIL,
        put_integer(1, 3) + SHAPE_3 + put_integer(3, 2) + put_always(3, 0) + TAIL,
    ],
)
def test_entry_of_any_form_means_what_protobuf_says(
    tensorflow_2_21: Judge, tmp_path: Path, entry: bytes
) -> None:
    # Beside a plain one of another type with the same first bytes: none may stand for the other.
    plain = put_integer(1, 1) + SHAPE_3 + TAIL
    plain_int = put_integer(1, 3) + SHAPE_3 + TAIL
    entries = {b"a": plain, b"b": plain_int, b"c": entry, b"d": plain, b"e": plain_int}
    prefix = write_raw(tmp_path / "m", entries, DATA)
    checkpoint = open_bundle(prefix)
    read = checkpoint.variables["c"]
    assert (read.dtype, read.shape) == (INT, (3,))
    assert read.read().tolist() == [1, 2, 3]
    for listing in (checkpoint.variables.values(), dict(checkpoint.variables.items()).values()):
        assert [str(v.dtype) for v in listing] == ["float32", "int32", "int32", "float32", "int32"]
    # All five lie at the same place, which a reader need not mind.
    (overlap,) = checkpoint.problems
    assert overlap.message.endswith("; 3 more overlap in this file")
    compare(tensorflow_2_21, prefix, checkpoint)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (put_integer(1, 3) + put_bytes(2, b"") + put_integer(5, 8), "found 8 bytes for int32"),
        (put_integer(1, 3) + put_bytes(2, b"") + put_integer(5, 4) + put_integer(3, 1), "shard 1"),
        (
            put_integer(1, 3) + put_bytes(2, b"") + put_integer(5, 4) + put_integer(3, -1),
            "shard -1",
        ),
        (put_integer(1, 3) + put_bytes(2, b"") + put_integer(5, 4) + put_integer(4, -4), "at -4"),
        (put_integer(1, 7) + put_bytes(2, b"") + put_integer(5, -1), "found -1 bytes"),
        (put_integer(1, 3) + put_bytes(2, b"\x18\1") + put_integer(5, 4), "unknown sizes"),
        (put_integer(1, 99) + put_bytes(2, b""), "data type number 99"),
        (put_integer(1, 103) + put_bytes(2, b""), "int32_ref, which no checkpoint can hold"),
        (put_integer(1, 20) + put_bytes(2, b""), "resource, which no checkpoint can hold"),
        (b"", "data type number 0"),
        (b"\x08", "found the end"),
    ],
)
def test_faulty_entry_is_refused_with_its_variable(tmp_path: Path, entry: bytes, said: str) -> None:
    prefix = write_raw(tmp_path / "m", {b"net/w": entry}, bytes(8))
    with pytest.raises(FormatError, match=said) as caught:
        open_bundle(prefix)
    assert "'net/w'" in caught.value.message
    assert caught.value.path == f"{prefix}.index"


def sliced(**changes: Any) -> dict[bytes, bytes]:
    """Entries of `w`, int8 of shape (2,), in two slices, with something changed."""
    part = put_integer(1, 6) + put_bytes(2, put_bytes(2, put_integer(1, 1))) + put_integer(5, 1)
    part += put_fixed32(6, mask(crc32c(b"\0")))
    lists = [put_bytes(7, put_bytes(1, put_integer(1, i) + put_integer(2, 1))) for i in (0, 1)]
    full = put_integer(1, 6) + put_bytes(2, put_bytes(2, put_integer(1, 2)))
    entries = {
        b"w": full + b"".join(lists),
        encode_slice_key(b"w", (Extent(0, 1),)): part,
        encode_slice_key(b"w", (Extent(1, 1),)): part,
    }
    match changes:
        case {"missing": True}:
            entries.popitem()
        case {"part": other}:
            entries[encode_slice_key(b"w", (Extent(1, 1),))] = other
        case {"lists": chosen}:
            entries[b"w"] = full + b"".join(lists[i] for i in chosen)
    return entries


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (sliced(missing=True), "found no entry for slice 1,1"),
        (sliced(lists=[0]), "found slices of 1 elements together, expected 2"),
        (sliced(lists=[0, 0]), "a slice listed twice"),
        (sliced(part=put_integer(1, 4) + SHAPE_3 + put_integer(5, 3)), "uint8 of shape \\(3,\\)"),
    ],
)
def test_slices_that_do_not_fit_are_refused(
    tmp_path: Path, entries: dict[bytes, bytes], said: str
) -> None:
    prefix = write_raw(tmp_path / "m", entries, bytes(2))
    with pytest.raises(FormatError, match=said) as caught:
        open_bundle(prefix)
    assert "'w'" in caught.value.message


def test_slices_are_no_variables_of_their_own(tmp_path: Path) -> None:
    entries = sliced()
    assert list(open_bundle(write_raw(tmp_path / "m", entries, bytes(2))).variables) == ["w"]
    # Nor is one that nobody names; that is worth a note.
    del entries[b"w"]
    checkpoint = open_bundle(write_raw(tmp_path / "n", entries, bytes(2)))
    assert list(checkpoint.variables) == []
    assert "2 stored slices belong to no variable" in checkpoint.notes


def test_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    prefix = write_raw(tmp_path / "m", {b"w\xff\xfe": put_integer(1, 3) + SHAPE_3 + TAIL}, DATA)
    checkpoint = open_bundle(prefix)
    assert list(checkpoint.variables) == ["w\udcff\udcfe"]
    write_bundle(checkpoint, str(tmp_path / "again"), create)
    assert bytes_of(tmp_path / "again") == bytes_of(prefix)


# ---------------------------------------------------------------- what values promise


@pytest.fixture
def partitioned(fixtures: Path) -> Checkpoint:
    return open_bundle(fixtures / "partitioned" / "partitioned")


def test_nothing_of_the_data_is_opened_before_it_is_read(
    fixtures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = os.open

    def recording(path: Any, *arguments: Any, **options: Any) -> int:
        opened.append(os.fspath(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", recording)
    checkpoint = open_bundle(fixtures / "partitioned" / "partitioned")
    assert [os.path.basename(path) for path in opened] == ["partitioned.index"]
    for v in checkpoint.variables.values():
        assert (v.nbytes, v.num_elements) > (0, 0)
        assert all(value.location is not None for value in v.values)
    assert checkpoint.problems == ()
    assert len(opened) == 1
    checkpoint.variables["whole"].read()
    assert [os.path.basename(path) for path in opened[1:]] == ["partitioned.data-00001-of-00002"]


def test_no_file_stays_open(partitioned: Checkpoint) -> None:
    before = set(os.listdir("/proc/self/fd"))
    for v in partitioned.variables.values():
        v.read()
        for value in v.values:
            next(value.stored())
    assert set(os.listdir("/proc/self/fd")) <= before


def test_checkpoints_can_be_pickled(partitioned: Checkpoint) -> None:
    again = pickle.loads(pickle.dumps(partitioned))
    assert digests(again) == digests(partitioned)
    assert again.problems == partitioned.problems
    value = partitioned.variables["whole"].value
    assert pickle.loads(pickle.dumps(value)) == value


def test_values_are_read_from_several_threads(partitioned: Checkpoint) -> None:
    expected = digests(partitioned)
    names = list(partitioned.variables) * 20
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda name: sha256(partitioned.variables[name].read()), names))
    assert read == [expected[name] for name in names]


def test_values_read_are_writable_in_native_order_and_ones_own(fixtures: Path) -> None:
    for prefix in ("dtypes/dtypes", "partitioned/partitioned"):
        for v in open_bundle(fixtures / prefix).variables.values():
            array = v.read()
            assert array.flags.writeable
            assert array.dtype == v.dtype.to_numpy()
            assert array.dtype.isnative
            assert array.shape == v.shape
            before = sha256(array)
            array.fill(0)
            assert sha256(v.read()) == before


def test_variables_are_a_mapping_that_makes_them_when_asked(partitioned: Checkpoint) -> None:
    variables = partitioned.variables
    assert list(variables) == ["cube", "matrix", "vector", "whole", "words"]
    assert "whole" in variables
    assert "whole/" not in variables
    assert "\0cube" not in variables
    assert len(variables) == 5
    with pytest.raises(KeyError):
        variables["nothing"]
    assert variables.get("nothing") is None
    assert variables["whole"] is not variables["whole"]
    assert variables["whole"] == variables["whole"]
    assert [v.name for v in variables.values()] == list(variables)
    assert list(variables.items()) == [(name, variables[name]) for name in variables]


def test_a_slice_of_each_shard_is_in_none_alone(partitioned: Checkpoint) -> None:
    assert partitioned.variables["whole"].shard == 1
    assert partitioned.variables["matrix"].shard is None
    assert [str(part) for part in partitioned.variables["cube"].slices] == ["-:0,1:-", "-:1,2:-"]


def test_missing_and_short_data_files_are_problems_not_errors(
    fixtures: Path, tmp_path: Path
) -> None:
    for path in (fixtures / "partitioned").glob("partitioned.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    shard = tmp_path / "partitioned.data-00000-of-00002"
    os.truncate(shard, shard.stat().st_size - 1)
    (problem,) = open_bundle(tmp_path / "partitioned").problems
    assert (problem.path, problem.offset) == (str(shard), shard.stat().st_size)
    assert "expected 1 more bytes" in problem.message
    shard.unlink()
    checkpoint = open_bundle(tmp_path / "partitioned")
    (problem,) = checkpoint.problems
    assert problem.path == str(shard)
    assert isinstance(problem, tfa.PathNotFoundError)
    assert checkpoint.variables["whole"].read() == 2.5


def at(offset: int, size: int) -> bytes:
    """An entry of that many bytes, all zero, at that offset."""
    shape = put_bytes(2, put_bytes(2, put_integer(1, size)))
    checksum = put_fixed32(6, mask(crc32c(bytes(size))))
    return put_integer(1, 4) + shape + put_integer(4, offset) + put_integer(5, size) + checksum


@pytest.mark.parametrize(
    ("places", "said", "offset"),
    [
        ([(0, 8), (0, 8)], "found 'b' at bytes 0 to 8, of which 'a' holds those up to 8", 0),
        ([(4, 8), (0, 5)], "found 'a' at bytes 4 to 12, of which 'b' holds those up to 5", 4),
        # One inside another, with one that is clear of both between them.
        ([(0, 20), (20, 2), (3, 1)], "found 'c' at bytes 3 to 4, of which 'a' holds", 3),
        # The long one is still in the way when a short one ended before.
        ([(0, 20), (0, 2), (5, 1)], "found 'a' at bytes 0 to 20, of which 'b' holds", 0),
    ],
)
def test_tensors_that_overlap_are_a_problem_and_are_not_written(
    tmp_path: Path, places: list[tuple[int, int]], said: str, offset: int
) -> None:
    entries = {b"%c" % (97 + i): at(*place) for i, place in enumerate(places)}
    prefix = write_raw(tmp_path / "m", entries, bytes(30))
    checkpoint = open_bundle(prefix)
    (problem,) = checkpoint.problems
    assert problem.message.startswith(said)
    assert problem.message.partition("; ")[0].endswith("expected each tensor in bytes of its own")
    assert (problem.path, problem.offset) == (f"{prefix}.data-00000-of-00001", offset)
    assert isinstance(problem, FormatError)
    # What is there can be read all the same.
    assert [v.read().size for v in checkpoint.variables.values()] == [size for _, size in places]
    with pytest.raises(FormatError, match="in bytes of its own"):
        refuse_unwritable(checkpoint)


@pytest.mark.parametrize(
    "places",
    [
        [(0, 8), (8, 8), (16, 14)],
        [(16, 8), (8, 8), (0, 8)],
        # Padding, and empty tensors wherever.
        [(4, 4), (20, 4)],
        [(0, 8), (0, 0), (4, 0), (8, 0), (8, 2), (30, 0)],
    ],
)
def test_tensors_apart_are_no_problem(tmp_path: Path, places: list[tuple[int, int]]) -> None:
    entries = {b"%c" % (97 + i): at(*place) for i, place in enumerate(places)}
    checkpoint = open_bundle(write_raw(tmp_path / "m", entries, bytes(30)))
    assert checkpoint.problems == ()
    refuse_unwritable(checkpoint)


def test_slices_that_share_their_bytes_overlap(tmp_path: Path) -> None:
    (problem,) = open_bundle(write_raw(tmp_path / "m", sliced(), bytes(2))).problems
    assert problem.message.startswith("found 'w' at bytes 0 to 1, of which 'w' holds")


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 4)), max_size=6))
def test_an_overlap_is_found_just_where_a_byte_has_two_owners(
    places: list[tuple[int, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        entries = {b"%d" % i: at(*place) for i, place in enumerate(places)}
        problems = open_bundle(write_raw(Path(folder) / "m", entries, bytes(16))).problems
    owned = [byte for offset, size in places for byte in range(offset, offset + size)]
    assert bool(problems) == (len(set(owned)) < len(owned))


def test_no_bundle_of_tensorflow_has_tensors_that_overlap(
    fixtures: Path, shared_artifacts: Path
) -> None:
    checked = 0
    for index in [*fixtures.rglob("*.index"), *shared_artifacts.rglob("*.index")]:
        try:
            checkpoint = open_bundle(str(index).removesuffix(".index"))
        except FormatError:  # some files are no bundles, or damaged on purpose
            continue
        assert not [p for p in checkpoint.problems if "bytes of its own" in p.message], index
        checked += 1
    assert checked > 5


def test_more_shards_than_tensors_can_fill_are_not_written(tmp_path: Path) -> None:
    header = put_integer(1, 50_000_000) + put_bytes(3, put_integer(1, 1))
    prefix = write_raw(tmp_path / "m", {b"": header, b"v": at(0, 4)})
    checkpoint = open_bundle(prefix)
    said = "found 50000000 shards for 1 stored tensors, expected at most 10001"
    with pytest.raises(FormatError, match=said) as caught:
        write_bundle(checkpoint, str(tmp_path / "new"), create)
    assert caught.value.path == f"{prefix}.index"
    assert sorted(os.listdir(tmp_path)) == ["m.data-00000-of-00001", "m.index"]
    refuse_unwritable(replace(checkpoint, num_shards=10_001))
    with pytest.raises(FormatError, match="found 10002 shards"):
        refuse_unwritable(replace(checkpoint, num_shards=10_002))


def test_data_files_of_another_save_are_noted(fixtures: Path, tmp_path: Path) -> None:
    for path in (fixtures / "partitioned").glob("partitioned.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "partitioned.data-00000-of-00001").write_bytes(b"")
    (tmp_path / "partitioned-2.data-00000-of-00001").write_bytes(b"")
    (note,) = open_bundle(tmp_path / "partitioned").notes
    assert note.startswith("partitioned.data-00000-of-00001 belongs to another save")


@given(st.binary(max_size=30))
def test_any_entry_is_read_or_refused_as_one(data: bytes) -> None:
    try:
        entry = parse_entry(data, "v", 1)
    except FormatError as error:
        assert "'v'" in error.message  # noqa: PT017
    else:
        assert entry.dtype.number == Message(data).integer(1)


def test_varints_of_an_entry_are_the_only_ones(tmp_path: Path) -> None:
    # Offsets of every width, as the fast way through an index sees them.
    offsets = [0, 1, 127, 128, 16383, 16384, 2**35, 2**62]
    entries = {
        b"%02d" % i: put_integer(1, 6)
        + put_bytes(2, put_bytes(2, put_integer(1, 1)))
        + put_integer(4, offset)
        + put_integer(5, 1)
        + put_fixed32(6, i + 1)
        for i, offset in enumerate(offsets)
    }
    checkpoint = open_bundle(write_raw(tmp_path / "m", entries))
    locations = [v.values[0].location for v in checkpoint.variables.values()]
    assert [place.offset for place in locations if place] == offsets
    assert [place.crc32c for place in locations if place] == list(range(1, 9))
    assert read_varint(varint(2**62), 0, 9)[0] == 2**62
