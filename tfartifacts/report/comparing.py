"""Numbers and attributes as comparing shows them: short, and still the right ones."""

from __future__ import annotations

from typing import Any

from tfartifacts.dtypes import DType
from tfartifacts.errors import TfArtifactsError
from tfartifacts.model.graphs import ConstantValue, FunctionCall, TensorShape
from tfartifacts.report.units import shape

_LONGEST = 60  # characters
_MOST_ELEMENTS = 8


def number(value: float | None) -> str:
    """Four digits; `-` for none. Integers of up to nine digits are whole."""
    if value is None:
        return "-"
    if isinstance(value, int) and abs(value) < 1_000_000_000:
        return str(value)
    return f"{float(value):.4g}"


def attr_text(value: Any) -> str:
    """The value of a node's attribute, or its inputs, on a short line; `none` for no value."""
    if value is None:
        return "none"
    if isinstance(value, tuple) and not isinstance(value, TensorShape):
        value = list(value)
    if isinstance(value, list):
        shown = ", ".join(_item(item) for item in value[:_MOST_ELEMENTS])
        return _short(f"[{shown}{', ...' if len(value) > _MOST_ELEMENTS else ''}]")
    return _short(_item(value))


def _item(value: Any) -> str:
    match value:
        case bytes():
            return repr(value.decode("utf-8", "surrogateescape"))
        case "":
            return "none"
        case TensorShape():
            return shape(value)
        case DType():
            return value.name
        case FunctionCall():
            return f"function {value.name}"
        case float():
            return f"{value:.9g}"
    return _constant(value) if isinstance(value, ConstantValue) else str(value)


def _constant(value: ConstantValue) -> str:
    try:
        text = f"{value.dtype} {shape(value.shape)}"
        if all(0 <= size <= _MOST_ELEMENTS for size in value.shape) and len(value.shape) < 2:
            elements = value.read().reshape(-1).tolist()
            shown = ", ".join(_item(element) for element in elements)
            return f"{text} {shown}" if not value.shape else f"{text} [{shown}]"
    except TfArtifactsError as error:
        return f"not readable: {error.message}"
    return text


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
