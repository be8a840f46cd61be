"""Values for placeholders, as they are typed: JSON; for strings also the text itself.

What is stored is what was typed, rounded to the type: nothing that overflows it, or becomes 0.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any

from tfartifacts.dtypes import STRING, DType
from tfartifacts.errors import ConversionError

_FORMATS = {"float16": "e", "float32": "f", "float64": "d", "complex64": "f", "complex128": "d"}
# From here on values round to infinity, or past the largest that there is.
_TOO_LARGE = {
    "bfloat16": (2 - 2**-8) * 2.0**127,
    "float8_e5m2": 61440.0,
    "float8_e5m2fnuz": 61440.0,
    "float8_e4m3fn": 464.0,
    "float8_e4m3fnuz": 248.0,
    "float8_e4m3b11fnuz": 31.0,
    "float4_e2m1fn": 7.0,
}
_MOST_DIMENSIONS = 254  # tensor_shape.h, MaxDimensions
_MOST_SHOWN = 60


def parse_value(name: str, dtype: DType, text: str) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """Elements and shape of a value as it is typed for a placeholder.

    Raises ConversionError for what the type cannot hold.
    """
    lowered = text.strip().lower()
    try:
        value = json.loads(lowered if lowered in ("true", "false") else text, parse_float=_finite)
        elements, shape = _flat(name, value)
        if len(shape) > _MOST_DIMENSIONS:
            raise ValueError(text)
    except (ValueError, RecursionError):
        if dtype != STRING:
            raise _unfit(
                name, dtype, text, ": a number, true, false, or a list such as [1, 2]"
            ) from None
        value, elements, shape = text, [text], ()
    if dtype == STRING and not isinstance(value, list | str):
        elements = [text]
    return tuple(_element(name, dtype, item, text) for item in elements), shape


def _finite(text: str) -> float:
    """A number with a fraction or exponent; Infinity is written out where it is meant."""
    value = float(text)
    if math.isinf(value):
        raise ValueError(text)
    return value


def _flat(name: str, value: Any) -> tuple[list[Any], tuple[int, ...]]:
    if not isinstance(value, list):
        return [value], ()
    parts = [_flat(name, item) for item in value]
    shapes = {shape for _, shape in parts}
    if len(shapes) > 1:
        raise ConversionError(f"found rows of different lengths for {name!r}, expected the same")
    inner = shapes.pop() if shapes else ()
    return [item for elements, _ in parts for item in elements], (len(parts), *inner)


def _element(name: str, dtype: DType, value: Any, text: str) -> Any:
    kind = dtype.name
    if dtype == STRING:
        return _string(name, value, text)
    if kind == "bool" and isinstance(value, bool):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unfit(name, dtype, text)
    if kind.startswith(("float", "bfloat", "complex")):
        if _rounds_to_another(kind, value):
            raise _unfit(name, dtype, text, ", which would hold another value")
        return value
    is_whole = isinstance(value, int) or value.is_integer()
    if is_whole and "int" in kind and dtype.bits is not None:
        signed = not kind.startswith(("uint", "quint"))
        low = -(1 << (dtype.bits - 1)) if signed else 0
        high = (1 << (dtype.bits - signed)) - 1
        if low <= value <= high:
            return int(value)
    raise _unfit(name, dtype, text)


def _string(name: str, value: Any, text: str) -> bytes:
    if not isinstance(value, str):
        hint = ': a list of strings, such as ["a", "b"]; a text that begins as one in quotes: "[1]"'
        raise _unfit(name, STRING, text, hint)
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise _unfit(name, STRING, text, " in UTF-8") from None


def _rounds_to_another(kind: str, value: float) -> bool:
    """Whether a number that is not 0 becomes 0, or a finite one infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return False
    limit = _TOO_LARGE.get(kind)
    if limit is not None:
        return not -limit < value < limit
    code = "<" + _FORMATS.get(kind, "d")
    try:
        (stored,) = struct.unpack(code, struct.pack(code, float(value)))
    except OverflowError:
        return True
    return value != 0 and stored == 0


def _unfit(name: str, dtype: DType, text: str, hint: str = "") -> ConversionError:
    shown = text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."
    return ConversionError(f"found {shown!r} for {name!r}, expected {dtype}{hint}")
