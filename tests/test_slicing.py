"""`variable[10:20]` is what NumPy makes of the whole, and reads no more than its rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

import tfartifacts as tfa
from tests import strategies
from tests.judges.client import Judge, sha256
from tests.test_blocks import doubled, in_memory, saved
from tfartifacts.dtypes import STRING, dtype_from_name
from tfartifacts.errors import ChecksumError, FormatError, UnsupportedError
from tfartifacts.formats import tensor_data
from tfartifacts.formats.tensor_data import ArrayTensor, StoredTensor, object_array
from tfartifacts.model.slicing import read_elements
from tfartifacts.model.variables import Extent, Variable, Variables
from tfartifacts.storage import files
from tfartifacts.weights.values import ArrayValue, MergedValue

ROWS = np.arange(60, dtype=np.int32).reshape(5, 4, 3)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Offset and size of each range that is read whole."""
    ranges: list[tuple[int, int]] = []

    def read_range(path: str, offset: int, size: int) -> bytes:
        ranges.append((offset, size))
        return files.read_range(path, offset, size)

    monkeypatch.setattr(tensor_data, "read_range", read_range)
    return ranges


def same(found: Any, expected: Any) -> bool:
    found, expected = np.asarray(found), np.asarray(expected)
    return bool(found.shape == expected.shape and found.tolist() == expected.tolist())


KEYS = [
    3,
    -1,
    np.int64(2),
    slice(1, 3),
    slice(None),
    slice(4, 0, -2),
    slice(None, None, -1),
    slice(3, 1),
    slice(-2, 100),
    slice(1, None, 3),
    Ellipsis,
    None,
    (),
    (..., 0),
    (1, ..., 0),
    (slice(1, 3), 2, slice(None, None, -1)),
    (None, 2, None, slice(1, 2)),
    (..., slice(1, 3), 0, 0),
    (slice(0, 2), ...),
    (2, 1, 0),
    (2, 1, 0, ...),
    [0, 2],
    (slice(1, 3), [0, 2]),
    np.array([True, False, True, False, True]),
    True,
    np.array(2),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
@pytest.mark.parametrize("form", ["whole", "rows", "columns", "in memory", "merged", "of blocks"])
def test_a_part_is_what_numpy_gives(key: Any, form: str, tmp_path: Path) -> None:
    variable = in_memory("v", ROWS)
    if form == "rows":
        tiles = [(Extent(a, n), Extent(), Extent()) for a, n in ((3, 2), (0, 1), (1, 2))]
        variable = saved(in_memory("v", ROWS, *tiles), tmp_path)
    elif form in ("columns", "merged"):
        tiles = [(Extent(), Extent(0, 1), Extent()), (Extent(), Extent(1, 3), Extent())]
        variable = saved(in_memory("v", ROWS, *tiles), tmp_path)
        if form == "merged":
            variable = replace(variable, value=MergedValue(variable), slices=())
    elif form == "whole":
        variable = saved(variable, tmp_path)
    expected: Any = ROWS
    if form == "of blocks":
        value = doubled()
        variable, expected = Variable("d", value.dtype, value.shape, value), value.read()
        try:
            expected[key]
        except IndexError:
            with pytest.raises(IndexError):
                variable[key]
            return
    assert same(variable[key], expected[key])


@given(strategies.variables(strategies.FIXED_DTYPES), st.data())
def test_any_part_of_any_variable(variables: dict[str, Variable], data: st.DataObject) -> None:
    for variable in variables.values():
        key = data.draw(numpy_strategies.basic_indices(variable.shape, allow_newaxis=True))
        expected: Any = variable.read()[key]
        found = variable[key]
        assert np.shape(found) == np.shape(expected)
        assert sha256(found) == sha256(expected)
        if isinstance(found, np.ndarray):
            found[...] = found  # its own, to be written to


def test_only_the_rows_that_are_needed_are_read(
    tmp_path: Path, reads: list[tuple[int, int]]
) -> None:
    variable = saved(in_memory("v", ROWS), tmp_path)
    reads.clear()
    row = 4 * 3 * 4
    for key, wanted in [
        (slice(1, 3), (row, 2 * row)),
        (3, (3 * row, row)),
        ((..., 0), (0, 5 * row)),
        ((4, 1), (4 * row, row)),
        (slice(4, 1, -2), (2 * row, 3 * row)),
    ]:
        variable[key]
        assert reads == [wanted], key
        reads.clear()


def test_only_the_slices_concerned_are_read(tmp_path: Path, reads: list[tuple[int, int]]) -> None:
    tiles = [(Extent(start, 1), Extent(), Extent()) for start in range(5)]
    variable = saved(in_memory("v", ROWS, *tiles), tmp_path)
    reads.clear()
    assert same(variable[1:3], ROWS[1:3])
    assert reads == [(48, 48), (96, 48)]


def test_a_part_is_not_checked_and_the_whole_is(tmp_path: Path) -> None:
    variable = saved(in_memory("v", ROWS), tmp_path)
    location = variable.values[0].location
    assert location is not None
    with open(location.file, "r+b") as file:
        file.seek(location.offset)
        file.write(b"\xff")
    assert same(variable[1:], ROWS[1:])
    for key in (slice(None), slice(0, 5), [0]):
        with pytest.raises(ChecksumError):
            variable[key]
    with pytest.raises(ChecksumError):
        list(variable)
    with pytest.raises(ChecksumError):
        np.asarray(variable)


def test_a_part_beyond_the_end_of_the_file_is_told(tmp_path: Path) -> None:
    variable = saved(in_memory("v", ROWS), tmp_path)
    location = variable.values[0].location
    assert location is not None
    with open(location.file, "r+b") as file:
        file.truncate(100)
    assert same(variable[:2], ROWS[:2])
    with pytest.raises(FormatError, match="expected 44 more bytes"):
        variable[2]


def test_what_is_out_of_range_is_refused_before_anything_is_read(
    tmp_path: Path, reads: list[tuple[int, int]]
) -> None:
    variable = saved(in_memory("v", ROWS), tmp_path)
    reads.clear()
    for key in (5, -6, (0, 4), (0, 0, 0, 0), (..., ...), (slice(2), -5)):
        with pytest.raises(IndexError):
            variable[key]
    with pytest.raises(IndexError):
        variable["a"]
    with pytest.raises(IndexError):
        in_memory("s", np.float32(1).reshape(()))[0]
    assert all(size == ROWS.nbytes for _, size in reads)  # "a" is for NumPy to refuse


def test_parts_of_a_shape_that_the_file_does_not_hold_are_not_allocated() -> None:
    value = replace(doubled(), shape=(1 << 40, 1 << 20))
    variable = Variable("v", value.dtype, value.shape, value)
    with pytest.raises((UnsupportedError, FormatError)):
        variable[:-1]


def test_a_missing_slice_is_told() -> None:
    tiles = [(Extent(a, 1), Extent(), Extent()) for a in range(5)]
    variable = in_memory("v", ROWS, *tiles)
    variable = replace(variable, slices=variable.slices[:-1])
    assert same(variable[:4], ROWS[:4])
    for read in (lambda: variable[3:5], variable.read, lambda: np.asarray(variable)):
        with pytest.raises(FormatError, match="the others are in a shard that is missing"):
            read()


def test_strings_are_cut_too(tmp_path: Path) -> None:
    array = object_array([b"a", b"bc", b""], (3,))
    variable = saved(Variable("s", STRING, (3,), ArrayTensor(STRING, (3,), array)), tmp_path)
    assert variable[0:2].tolist() == [b"a", b"bc"]
    assert variable[1] == b"bc"
    assert list(variable) == [b"a", b"bc", b""]
    assert read_elements(variable.values[0], 1, 2).tolist() == [b"bc", b""]
    assert np.asarray(variable).tolist() == [b"a", b"bc", b""]


def test_parts_of_big_endian_and_v1_values(fixtures: Path, tmp_path: Path) -> None:
    opened = tfa.open(fixtures / "v1-checkpoint" / "sharded")
    assert isinstance(opened, tfa.Checkpoint)
    for variable in opened.variables.values():
        if variable.shape:
            assert same(variable[:1], variable.read()[:1])
    (tmp_path / "m").write_bytes(np.arange(6, dtype=">f8").tobytes())
    value = StoredTensor(dtype_from_name("float64"), (6,), str(tmp_path / "m"), 0, 0, 48, 0, "big")
    assert Variable("v", value.dtype, (6,), value)[2:5].tolist() == [2, 3, 4]


# ---------------------------------------------------------------- as an array


def test_a_variable_is_an_array_for_numpy(tmp_path: Path) -> None:
    variable = saved(in_memory("v", ROWS), tmp_path)
    assert same(np.asarray(variable), ROWS)
    assert np.asarray(variable).dtype == np.int32
    assert np.asarray(variable, np.float64).dtype == np.float64
    assert same(np.add(variable, 1), ROWS + 1)
    assert same(variable.__array__(np.int64), ROWS)
    assert same(variable.__array__(copy=True), ROWS)
    with pytest.raises(ValueError, match="never without a copy"):
        variable.__array__(copy=False)
    assert len(variable) == 5
    assert bool(variable)


def test_a_scalar_is_an_array_without_length(tmp_path: Path) -> None:
    variable = saved(in_memory("s", np.array(7, np.int64)), tmp_path)
    assert np.asarray(variable).item() == 7
    assert variable[()] == 7
    assert variable[None].tolist() == [7]
    assert bool(variable)
    with pytest.raises(TypeError, match="scalar"):
        len(variable)
    with pytest.raises(TypeError, match="scalar"):
        iter(variable)


def test_an_empty_variable_is_there() -> None:
    variable = in_memory("e", np.zeros((0, 3), np.float32))
    assert len(variable) == 0
    assert bool(variable)
    assert list(variable) == []


@given(strategies.variables())
def test_rows_come_one_after_the_other(variables: dict[str, Variable]) -> None:
    for variable in variables.values():
        if variable.shape:
            found = list(variable)
            expected: Any = variable.read()
            assert [sha256(row) for row in found] == [sha256(row) for row in expected]


def test_rows_are_read_some_at_a_time(tmp_path: Path, reads: list[tuple[int, int]]) -> None:
    array = np.arange(1 << 20, dtype=np.int32).reshape(-1, 16)
    variable = saved(in_memory("v", array), tmp_path)
    reads.clear()
    rows = iter(variable)
    first, second = next(rows), next(rows)
    assert same(first, array[0])
    assert same(second, array[1])
    assert first.base.nbytes <= 1 << 19
    assert not reads
    assert sum(1 for _ in rows) == len(array) - 2


def test_parts_are_those_tensorflow_restores(tensorflow: Judge, fixtures: Path) -> None:
    prefix = fixtures / "digits" / "checkpoints" / "my_model-4"
    opened = tfa.open(f"{prefix}.index")
    assert isinstance(opened, tfa.Checkpoint)
    variable = opened.variables["dense/kernel"]
    assert variable.shape == (36, 32)
    found = tensorflow.restore_slice(prefix, "dense/kernel", "float32", "36 32 10,7:-")
    assert sha256(variable[10:17]) == sha256(found)


# ---------------------------------------------------------------- notebooks


def test_a_notebook_shows_the_first_variables(fixtures: Path) -> None:
    opened = tfa.open(fixtures / "digits" / "checkpoints" / "my_model-4.index")
    assert isinstance(opened, tfa.Checkpoint)
    page = opened._repr_html_()
    assert "V2, 1 shard, step 4; 32 variables, 8,492 parameters" in page
    assert page.count("<tr>") == 21
    assert "... 12 more" in page
    cells = ("beta1_power", "float32", "()", "1", "4", "whole")
    assert "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>" in page
    assert opened.variables._repr_html_() in page  # type: ignore[attr-defined]  # Mapping has none
    assert "<td>dense/kernel</td>" in opened.variables["dense/kernel"]._repr_html_()


def test_nothing_in_a_name_is_markup() -> None:
    name = "<script>alert('1')</script>&\"\x1b[31m\u202e\udcff"
    variable = in_memory(name, np.zeros(3, np.float32), (Extent(0, 1),), (Extent(1, 2),))
    checkpoint = tfa.Checkpoint("<b>/x&y", "V2", 2, Variables({name: variable}))
    page = checkpoint._repr_html_()
    assert "<script" not in page
    assert "<b>/" not in page
    assert "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;&amp;&quot;" in page
    assert r"\x1b[31m\u202e\xff" in page
    assert "<td>2 slices</td>" in page
    assert page.isascii()


def test_showing_reads_no_value(fixtures: Path) -> None:
    opened = tfa.open(fixtures / "v1-checkpoint" / "all_forms")
    assert isinstance(opened, tfa.Checkpoint)
    page = opened.variables._repr_html_()  # type: ignore[attr-defined]  # Mapping has none
    assert page.count("<tr>") == min(21, 1 + len(opened.variables))


def test_an_empty_checkpoint_is_shown(fixtures: Path) -> None:
    opened = tfa.open(fixtures / "empty-bundle" / "empty")
    assert isinstance(opened, tfa.Checkpoint)
    assert "0 variables" in opened._repr_html_()
    assert ArrayValue(STRING, (), np.array(b"", object)).location is None
