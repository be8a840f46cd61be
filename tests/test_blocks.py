"""Elements in blocks are those of `read`, in row-major order, however they are stored."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tfartifacts as tfa
from tests import strategies
from tests.judges.client import Judge, sha256
from tfartifacts.dtypes import STRING, VARIANT, DType, dtype_from_name
from tfartifacts.errors import ChecksumError, FormatError, UnsupportedError
from tfartifacts.formats.tensor_data import ArrayTensor, encode_fixed, object_array
from tfartifacts.model.row_major import BLOCK, cut
from tfartifacts.model.values import Buffer
from tfartifacts.model.variables import Extent, Variable
from tfartifacts.weights.blocks import blocks, variable_blocks
from tfartifacts.weights.values import ArrayValue, BlockValue, MergedValue

FLOAT32 = dtype_from_name("float32")
UINT8 = dtype_from_name("uint8")
INT4 = dtype_from_name("int4")


def joined(found: Iterator[Any], dtype: DType) -> Any:
    """All blocks as one array, copied while each was valid."""
    parts = [block.copy() for block in found]
    return np.concatenate(parts) if parts else np.empty(0, dtype.to_numpy())


def in_memory(name: str, array: Any, *tiles: tuple[Extent, ...]) -> Variable:
    dtype = dtype_from_name(str(array.dtype))
    value = ArrayTensor(dtype, array.shape, array)
    if tiles:
        return strategies.partitioned(name, value, tiles)
    return Variable(name, dtype, array.shape, value)


def saved(variable: Variable, folder: Path) -> Variable:
    """The variable in a file."""
    checkpoint = tfa.Checkpoint("m", "V2", 1, {variable.name: variable})
    tfa.save(checkpoint, folder / "m")
    opened = tfa.open(folder / "m.index")
    assert isinstance(opened, tfa.Checkpoint)
    return opened.variables[variable.name]


# ---------------------------------------------------------------- pieces into blocks


@given(strategies.tensors(strategies.FIXED_DTYPES), st.integers(1, 30), st.data())
def test_blocks_do_not_depend_on_where_pieces_end(
    tensor: ArrayTensor, most: int, data: st.DataObject
) -> None:
    stored = encode_fixed(tensor.array, tensor.dtype)
    ends = sorted(data.draw(st.sets(st.integers(0, len(stored)), max_size=5)))
    pieces = [stored[a:b] for a, b in zip([0, *ends], [*ends, len(stored)], strict=True)]
    size = tensor.array.size
    found = [block.copy() for block in cut(pieces, tensor.dtype, size, most)]
    assert [block.size for block in found] == [
        min(most, size - start) for start in range(0, size, most)
    ]
    assert all(block.dtype == tensor.dtype.to_numpy() and block.ndim == 1 for block in found)
    assert b"".join(encode_fixed(block, tensor.dtype) for block in found) == stored


def test_a_piece_that_is_reused_does_not_change_the_block_that_began_in_it() -> None:
    def pieces() -> Iterator[Buffer]:
        buffer = bytearray(3)
        for start in range(0, 12, 3):
            buffer[:] = bytes(range(start, start + 3))
            yield memoryview(buffer)

    found = [block.tolist() for block in cut(pieces(), dtype_from_name("uint16"), 6, 2)]
    assert found == [[0x0100, 0x0302], [0x0504, 0x0706], [0x0908, 0x0B0A]]


def test_blocks_cannot_be_written_to(fixtures: Path) -> None:
    checkpoint = tfa.open(fixtures / "digits" / "checkpoints" / "my_model-4.index")
    assert isinstance(checkpoint, tfa.Checkpoint)
    for variable in checkpoint.variables.values():
        assert not any(block.flags.writeable for block in variable_blocks(variable, 5))


@pytest.mark.parametrize("stored", [bytes(11), bytes(13), b"", bytes(16)])
def test_more_or_fewer_bytes_than_elements_are_refused(stored: bytes) -> None:
    with pytest.raises(FormatError, match=r"found (more|\d+ bytes fewer)"):
        list(cut([stored], FLOAT32, 3, 2))


def test_bits_above_those_of_the_type_are_refused() -> None:
    with pytest.raises(FormatError, match="above the 4 bits of int4"):
        list(cut([b"\x0f\x10"], INT4, 2, 10))


def test_strings_have_no_blocks() -> None:
    for dtype in (STRING, VARIANT):
        value = ArrayValue(dtype, (1,), object_array([b"a"], (1,)))
        with pytest.raises(UnsupportedError, match="expected a type of a fixed size"):
            blocks(value)
        with pytest.raises(UnsupportedError, match="expected a type of a fixed size"):
            variable_blocks(Variable("s", dtype, (1,), value))


# ---------------------------------------------------------------- variables


@given(strategies.variables(strategies.FIXED_DTYPES), st.integers(1, 30))
def test_blocks_of_any_variable_are_its_elements(variables: dict[str, Variable], most: int) -> None:
    for variable in variables.values():
        read = variable.read()
        found = joined(variable_blocks(variable, most), variable.dtype)
        assert sha256(found) == sha256(read.reshape(-1))


@pytest.mark.parametrize(
    "shape",
    [(3, 4), (1, 300_000), (2, 3, 100_000), (2, 200_000, 2), (70_000, 3), (1, 1, 5), (4, 0, 3)],
)
def test_slices_of_every_axis_come_in_row_major_order(shape: tuple[int, ...]) -> None:
    array = np.arange(prod(shape), dtype=np.int32).reshape(shape)
    tiles: list[tuple[Extent, ...]] = [()]
    for size in shape:
        half = [Extent(0, size // 2), Extent(size // 2, size - size // 2)] if size > 1 else None
        tiles = [(*tile, extent) for tile in tiles for extent in half or [Extent()]]
    variable = in_memory("v", array, *reversed(tiles))
    found = [block.copy() for block in variable_blocks(variable)]
    assert all(block.size == BLOCK for block in found[:-1])
    assert np.array_equal(joined(iter(found), variable.dtype), array.reshape(-1))


def test_a_partitioned_variable_is_compared_with_a_whole_one_block_by_block(
    tmp_path: Path,
) -> None:
    array = np.arange(600_000, dtype=np.float64).reshape(3, -1)
    (tmp_path / "parts").mkdir()
    (tmp_path / "whole").mkdir()
    parts = saved(
        in_memory("v", array, (Extent(), Extent(0, 1)), (Extent(), Extent(1, 199_999))),
        tmp_path / "parts",
    )
    whole = saved(in_memory("v", array), tmp_path / "whole")
    pairs = zip(variable_blocks(parts), variable_blocks(whole), strict=True)
    assert all(np.array_equal(ours, theirs) for ours, theirs in pairs)


def test_slices_that_tensorflow_wrote(tensorflow: Judge, tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.float32).reshape(4, 6)
    arrays = {"a": array[:2, :3], "b": array[2:, :3], "c": array[:, 3:]}
    specs = {"a": "4 6 0,2:0,3", "b": "4 6 2,2:0,3", "c": "4 6 -:3,3"}
    tensorflow.write_bundle(
        tmp_path / "m", arrays, names=dict.fromkeys(arrays, "v"), shape_and_slices=specs
    )
    checkpoint = tfa.open(tmp_path / "m.index")
    assert isinstance(checkpoint, tfa.Checkpoint)
    variable = checkpoint.variables["v"]
    assert joined(variable_blocks(variable, 5), FLOAT32).tolist() == list(range(24))


def test_a_missing_slice_is_told() -> None:
    array = np.zeros((4, 2), np.float32)
    tiles = ((Extent(0, 2), Extent()), (Extent(2, 2), Extent()))
    variable = in_memory("v", array, *tiles)
    with pytest.raises(FormatError, match=r"found 4 of 8 elements of 'v'"):
        variable_blocks(replace(variable, slices=variable.slices[:1]))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("damaged", [0, 1])
def test_damage_of_any_slice_is_told(axis: int, damaged: int, tmp_path: Path) -> None:
    tiles = [(Extent(0, 2), Extent(2, 2)), (Extent(), Extent())]
    extents = [(cut, Extent())[:: 1 - 2 * axis] for cut in tiles[0]]
    variable = saved(in_memory("v", np.ones((4, 4), np.float32), *extents), tmp_path)
    location = variable.slices[damaged].value.location
    assert location is not None
    with open(location.file, "r+b") as file:
        file.seek(location.offset + 3)
        file.write(b"\xff")
    with pytest.raises(ChecksumError):
        list(variable_blocks(variable))
    with pytest.raises(ChecksumError):
        list(blocks(MergedValue(variable)))


def test_memory_does_not_grow_with_the_variable(tmp_path: Path) -> None:
    array = np.zeros((16, 1 << 20), np.float32)
    (tmp_path / "whole").mkdir()
    whole = saved(in_memory("v", array), tmp_path / "whole")
    columns = [(Extent(), Extent(start, 1 << 18)) for start in range(0, 1 << 20, 1 << 18)]
    parts = saved(in_memory("v", array, *columns), tmp_path)
    for variable in (whole, parts):
        next(variable_blocks(variable, 10))  # the first loads what is imported
        tracemalloc.start()
        assert not any(block.any() for block in variable_blocks(variable))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 << 20, variable.values  # of 64 MiB


# ---------------------------------------------------------------- values that are made


@dataclass(frozen=True, slots=True)
class Doubled(BlockValue):
    dtype: DType
    shape: tuple[int, ...]
    source: Variable
    most: int = 4

    def blocks(self) -> Iterator[Any]:
        for block in variable_blocks(self.source, self.most):
            yield block * 2


def doubled(shape: tuple[int, ...] = (3, 5)) -> Doubled:
    array = np.arange(15, dtype=np.float32)
    return Doubled(FLOAT32, shape, in_memory("v", array))


def test_a_value_of_blocks_keeps_what_a_value_promises(tmp_path: Path) -> None:
    value = doubled()
    expected = np.arange(0, 30, 2, dtype=np.float32).reshape(3, 5)
    assert (value.nbytes, value.location) == (60, None)
    assert np.array_equal(value.read(), expected)
    assert value.read().flags.writeable
    assert b"".join(map(bytes, value.stored())) == expected.tobytes()
    assert value.read_elements(3, 6).tolist() == expected.reshape(-1)[3:9].tolist()
    assert value.read_elements(14, 1).tolist() == [28]
    assert value.read_elements(4, 0).size == 0
    assert joined(blocks(value, 7), FLOAT32).tolist() == expected.reshape(-1).tolist()
    assert np.array_equal(pickle.loads(pickle.dumps(value)).read(), expected)
    variable = saved(Variable("w", FLOAT32, (3, 5), value), tmp_path)
    assert np.array_equal(variable.read(), expected)


@pytest.mark.parametrize(("shape", "said"), [((3, 4), "more elements"), ((3, 6), "fewer elements")])
def test_blocks_that_do_not_fill_the_shape_are_refused(
    shape: tuple[int, int], said: str, tmp_path: Path
) -> None:
    value = doubled(shape)
    for use in (value.read, lambda: list(value.stored())):
        with pytest.raises(FormatError, match=said):
            use()
    checkpoint = tfa.Checkpoint("m", "V2", 1, {"w": Variable("w", FLOAT32, shape, value)})
    with pytest.raises(FormatError, match=said):
        tfa.save(checkpoint, tmp_path / "w")
    assert not list(tmp_path.iterdir())


def test_blocks_of_another_type_are_refused() -> None:
    value = Doubled(UINT8, (15,), doubled().source)
    with pytest.raises(FormatError, match="found a block of float32, expected uint8"):
        value.read()


def test_what_has_no_room_is_refused_not_allocated() -> None:
    value = Doubled(FLOAT32, (1 << 40, 1 << 20), doubled().source)
    with pytest.raises(UnsupportedError, match="no room"):
        value.read()


@pytest.mark.parametrize("layout", ["plain", "transposed", "strided", "reversed"])
def test_arrays_of_any_layout_are_streamed_in_row_major_order(layout: str) -> None:
    array: Any = np.arange(3 << 18, dtype=np.int64).reshape(3, 1 << 18)
    array = {
        "plain": array,
        "transposed": array.T,
        "strided": array[:, ::3],
        "reversed": array[::-1, ::-1],
    }[layout]
    value = ArrayValue(dtype_from_name("int64"), array.shape, array)
    pieces = [bytes(piece) for piece in value.stored()]
    assert max(map(len, pieces)) <= 1 << 20
    assert b"".join(pieces) == np.ascontiguousarray(array).tobytes()
    assert value.read_elements(7, 5).tolist() == array.reshape(-1)[7:12].tolist()


def test_strings_in_memory_have_the_size_they_will_take() -> None:
    for elements in ([], [b""], [b"x" * 127, b"y" * 128, b"z" * (1 << 14)]):
        for dtype in (STRING, VARIANT):
            array = object_array(elements, (len(elements),))
            value = ArrayValue(dtype, array.shape, array)
            stored = ArrayTensor(dtype, array.shape, array).stored()
            assert value.nbytes == sum(len(piece) for piece in stored)
            assert list(value.stored()) == elements


@given(strategies.variables())
def test_a_merged_value_is_the_whole_variable(variables: dict[str, Variable]) -> None:
    for variable in variables.values():
        merged = MergedValue(variable)
        read = variable.read()
        assert (merged.dtype, merged.shape, merged.location) == (
            variable.dtype,
            variable.shape,
            None,
        )
        assert sha256(merged.read()) == sha256(read)
        whole = ArrayTensor(variable.dtype, variable.shape, read)
        assert merged.nbytes == whole.nbytes
        if variable.dtype == STRING:
            assert list(merged.stored()) == read.ravel().tolist()
        else:
            assert b"".join(map(bytes, merged.stored())) == b"".join(map(bytes, whole.stored()))


def test_a_merged_variable_is_read_by_tensorflow(
    tensorflow: Judge, fixtures: Path, tmp_path: Path
) -> None:
    source = tfa.open(fixtures / "partitioned" / "partitioned.index")
    assert isinstance(source, tfa.Checkpoint)
    merged = {
        name: Variable(name, variable.dtype, variable.shape, MergedValue(variable))
        for name, variable in source.variables.items()
    }
    tfa.save(replace(source, variables=merged), tmp_path / "merged")
    found = tensorflow.read_checkpoint(tmp_path / "merged")
    assert found.keys() == source.variables.keys()
    for name, array in found.items():
        assert sha256(array) == sha256(source.variables[name].read()), name
    opened = tfa.open(tmp_path / "merged.index")
    assert isinstance(opened, tfa.Checkpoint)
    assert not any(variable.slices for variable in opened.variables.values())
