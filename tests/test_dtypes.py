"""Data types: numbers, names and sizes as TensorFlow has them."""

from __future__ import annotations

import pytest

from tests.judges.client import Judge
from tfartifacts.dtypes import DType, all_dtypes, dtype_from_name, dtype_from_number
from tfartifacts.errors import FormatError


def test_numbers_are_those_of_tensorflow(tensorflow: Judge) -> None:
    declared = tensorflow.descriptors()["enums"]["tensorflow.DataType"]
    # TensorFlow's names are DT_FLOAT, DT_DOUBLE, DT_HALF in its schema, float32 ... in Python.
    in_schema = {"float32": "float", "float64": "double", "float16": "half"}
    for name, number in declared.items():
        if name == "DT_INVALID" or "Placeholder" in name:
            continue
        dtype = dtype_from_number(number)
        expected = "DT_" + in_schema.get(dtype.base.name, dtype.base.name).upper()
        assert name == expected + ("_REF" if dtype.is_reference else "")


def test_all_that_tensorflow_knows_are_there(tensorflow_2_21: Judge) -> None:
    declared = tensorflow_2_21.descriptors()["enums"]["tensorflow.DataType"]
    ours = {dtype.number for dtype in all_dtypes()}
    assert ours == {number for number in declared.values() if 0 < number < 100}


@pytest.mark.parametrize("dtype", all_dtypes(), ids=str)
def test_sizes_are_those_of_numpy(dtype: DType) -> None:
    if dtype.itemsize is None:
        assert dtype.to_numpy().kind == "O"
        assert dtype.bits is None
    else:
        # Types of less than a byte take one each in a checkpoint, and in memory.
        assert dtype.to_numpy().itemsize == dtype.itemsize
        digits = "".join(filter(str.isdigit, dtype.name.split("_")[0]))
        if digits:
            assert dtype.bits == int(digits)
            assert dtype.itemsize == max(1, int(digits) // 8)


def test_a_reference_is_its_base_plus_100() -> None:
    reference = dtype_from_number(101)
    assert str(reference) == "float32_ref"
    assert reference.is_reference
    assert reference.base is dtype_from_name("float32")
    assert reference.base.base is reference.base
    assert reference.itemsize == 4
    assert dtype_from_name("float32_ref") is reference


def test_old_names_are_understood() -> None:
    assert dtype_from_name("half") is dtype_from_number(19)
    assert dtype_from_name("float") is dtype_from_number(1)
    assert dtype_from_name("double") is dtype_from_number(2)


def test_what_tensorflow_does_not_know_is_refused() -> None:
    for number in (0, 34, 100, 134, -1):
        with pytest.raises(FormatError, match=f"number {number}"):
            dtype_from_number(number)
    with pytest.raises(FormatError, match="'float8'"):
        dtype_from_name("float8")


def test_types_show_themselves_by_name() -> None:
    assert repr(dtype_from_name("bfloat16")) == "<DType bfloat16>"
    assert f"{dtype_from_name('int4')}" == "int4"
