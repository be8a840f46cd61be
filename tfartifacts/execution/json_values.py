"""JSON -> arrays: never evaluated, only parsed.

    0.5  [[1, 2], [3, 4]]  true  "text"      nested lists of one length each
    NaN  Infinity  "NaN"  "Infinity"         floats that JSON has no number for, as JSON or as text
    [1.5, -2]                                a complex number, one dimension more than the input has
    {"base64": "/wA="}                       a string that is not UTF-8

What `run --json` writes is read back to the same bits.
"""

from __future__ import annotations

import base64
import json
import math
import os
from typing import Any

from tfartifacts.errors import ConversionError
from tfartifacts.model.graphs import TensorInfo
from tfartifacts.storage.files import opened, read_file

_MOST_BYTES = 256 << 20  # each takes some ten as Python's objects
_MOST_DIMENSIONS = 32  # as many as every NumPy has
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def read_json(path: str, info: TensorInfo) -> Any:
    """The array that a .json file holds, for an input. Errors as parse_json."""
    with opened(path) as descriptor:
        size = os.fstat(descriptor).st_size
    if size > _MOST_BYTES:
        raise ConversionError(
            f"found {size} bytes of JSON, expected at most {_MOST_BYTES}; save the array as .npy",
            path=path,
        )
    try:
        text = read_file(path, _MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConversionError(f"found no UTF-8 ({error}), expected JSON", path=path) from None
    return parse_json(text, info, path)


def parse_json(text: str, info: TensorInfo, path: str | None = None) -> Any:
    """The array that a text holds, for an input: of whatever type its elements have.

    Raises ConversionError for what is no JSON, or no number, bool or string in lists of one length.
    """
    try:
        value = json.loads(text, parse_float=_finite)
    except RecursionError:
        raise ConversionError(
            f"found lists nested too deep, expected at most {_MOST_DIMENSIONS}", path=path
        ) from None
    except ValueError as error:
        found = "no JSON" if path is not None else repr(shortened(text))
        raise ConversionError(
            f"found {found}, expected a number, true, false, a list of them as in JSON, or a file "
            f"(.npy, .npz, .json, .png, .jpg): {error}",
            path=path,
        ) from None
    elements, shape = _flat(value, text, path)
    if info.dtype is not None and info.dtype.name == "string":
        return _strings(elements, text, path).reshape(shape)
    return _numbers(elements, shape, info, text, path)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{shortened(digits)} is too large for a number of 64 bits")
    return number


def _flat(
    value: Any, text: str, path: str | None, depth: int = 0
) -> tuple[list[Any], tuple[int, ...]]:
    """The elements in row-major order, and the shape of the lists they were in."""
    if not isinstance(value, list):
        return [value], ()
    if depth >= _MOST_DIMENSIONS:
        raise ConversionError(
            f"found lists nested too deep, expected at most {_MOST_DIMENSIONS}", path=path
        )
    if not any(isinstance(item, list) for item in value):
        return value, (len(value),)
    parts = [_flat(item, text, path, depth + 1) for item in value]
    shapes = {shape for _, shape in parts}
    if len(shapes) > 1:
        raise _not("numbers, in lists of one length", text, path)
    return [element for elements, _ in parts for element in elements], (len(parts), *shapes.pop())


def _not(expected: str, text: str, path: str | None) -> ConversionError:
    found = "others" if path is not None else repr(shortened(text))
    return ConversionError(f"found {found}, expected {expected}", path=path)


def _strings(elements: list[Any], text: str, path: str | None) -> Any:
    import numpy as np

    array = np.empty(len(elements), object)
    for position, element in enumerate(elements):
        array[position] = _string(element, text, path)
    return array


def _string(element: Any, text: str, path: str | None) -> bytes:
    if isinstance(element, str):
        try:
            # A byte that is not UTF-8 is half of a pair, in what --json writes and on the
            # command line.
            return element.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise ConversionError(f"found a string that is no text: {error}", path=path) from None
    if isinstance(element, dict) and list(element) in (["base64"], ["b64"]):
        try:
            return base64.b64decode(next(iter(element.values())), validate=True)
        except (ValueError, TypeError) as error:
            raise ConversionError(f"found no base64: {error}", path=path) from None
    raise _not("strings", text, path)


def _numbers(
    elements: list[Any], shape: tuple[int, ...], info: TensorInfo, text: str, path: str | None
) -> Any:
    import numpy as np

    kinds = set(map(type, elements))
    if str in kinds and all(e in _NOT_FINITE for e in elements if isinstance(e, str)):
        elements = [_NOT_FINITE[e] if isinstance(e, str) else e for e in elements]
        kinds = {*kinds, float} - {str}
    if not kinds:
        wanted = None if info.dtype is None else info.dtype.base.to_numpy()
        return np.empty(shape, np.float32 if wanted is None else wanted)
    if kinds == {bool}:
        return np.array(elements, np.bool_).reshape(shape)
    if kinds == {int} and _is_whole(info):
        return _integers(elements, text, path).reshape(shape)
    if not kinds <= {int, float}:
        raise _not("numbers, in lists of one length", text, path)
    try:
        numbers = np.array([float(element) for element in elements], np.float64)
    except OverflowError:
        raise _not("numbers that 64 bits can hold", text, path) from None
    if _is_paired(shape, info):
        pairs = numbers.reshape(-1, 2)
        # Made of parts: inf * 1j would be a NaN.
        whole = np.empty(len(pairs), np.complex128)
        whole.real, whole.imag = pairs[:, 0], pairs[:, 1]
        return whole.reshape(shape[:-1])
    return numbers.reshape(shape)


def _is_whole(info: TensorInfo) -> bool:
    """Whether integers are to stay what they are: for inputs that are none, floats do."""
    name = "int64" if info.dtype is None else info.dtype.base.name
    return not name.startswith(("float", "bfloat", "complex"))


def _is_paired(shape: tuple[int, ...], info: TensorInfo) -> bool:
    """Whether the last dimension is that of real and imaginary parts."""
    return (
        info.dtype is not None
        and info.dtype.base.name.startswith("complex")
        and info.shape is not None
        and len(shape) == len(info.shape) + 1
        and shape[-1] == 2
    )


def _integers(elements: list[int], text: str, path: str | None) -> Any:
    import numpy as np

    low, high = min(elements), max(elements)
    if low >= -(1 << 63) and high < 1 << 63:
        return np.array(elements, np.int64)
    if low >= 0 and high < 1 << 64:
        return np.array(elements, np.uint64)
    raise _not("integers of 64 bits", text, path)


def shortened(text: str) -> str:
    """The text, or the beginning of a long one."""
    return text if len(text) <= 60 else text[:57] + "..."
