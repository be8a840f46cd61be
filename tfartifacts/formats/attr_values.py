"""Values of attributes of nodes, read and written.

    AttrValue: one of 1 list  2 s  3 i  4 f  5 b  6 type  7 shape  8 tensor  9 placeholder  10 func
    list     : 2 s*  3 i*  4 f*  5 b*  6 type*  7 shape*  8 tensor*  9 func*
    func     : 1 name  2 attr (map)

Source: tensorflow/core/framework/attr_value.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from tfartifacts.dtypes import DType, dtype_from_number
from tfartifacts.formats.shapes import read_partial_shape, write_shape
from tfartifacts.formats.tensor_proto import EncodedTensor, encode_constant
from tfartifacts.formats.wire import (
    FIXED32,
    LENGTH_DELIMITED,
    VARINT,
    Message,
    put_always,
    put_bytes,
    put_entry,
    put_text,
)
from tfartifacts.model.graphs import ConstantValue, FunctionCall, TensorShape, UnknownShape
from tfartifacts.model.values import Buffer


def read_attr(message: Message) -> Any:
    """An attribute's value as Python's: see AttrValue in model.graphs."""
    number = message.last_set(_ATTR_WIRE_TYPES)
    if number is None:
        return None
    return _read_list(message) if number == 1 else _ATTR_READERS[number](message)


def _read_shape_attr(message: Message | None) -> TensorShape | UnknownShape:
    shape = read_partial_shape(message)
    return UnknownShape() if shape is None else TensorShape(shape)


def _read_type(number: int) -> DType | None:
    return dtype_from_number(number) if number else None


def _read_function_call(message: Message | None) -> FunctionCall:
    if message is None:
        return FunctionCall("")
    attrs = {}
    for key, entry in message.entries(2):
        value = entry.message(2)
        attrs[key] = None if value is None else read_attr(value)
    return FunctionCall(message.text(1), attrs)


_ATTR_READERS: dict[int, Callable[[Message], Any]] = {
    2: lambda message: message.raw(2),
    3: lambda message: message.integer(3),
    4: lambda message: message.float32(4),
    5: lambda message: message.flag(5),
    6: lambda message: _read_type(message.integer(6)),
    7: lambda message: _read_shape_attr(message.message(7)),
    8: lambda message: EncodedTensor(_tensor(message)),
    9: lambda message: message.text(9),
    10: lambda message: _read_function_call(message.message(10)),
}
_ATTR_WIRE_TYPES = {
    **dict.fromkeys((1, 2, 7, 8, 9, 10), LENGTH_DELIMITED),
    **dict.fromkeys((3, 5, 6), VARINT),
    4: FIXED32,
}


_LARGE = 1 << 16  # bytes


def _tensor(message: Message) -> Buffer:
    """A tensor's encoding: of a large one not a copy, as most who ask want its type and shape."""
    spans = message.spans(8)
    if len(spans) == 1 and spans[0][1] - spans[0][0] > _LARGE:
        return memoryview(message.buffer)[slice(*spans[0])]
    return message.merged(8)


def _read_list(message: Message) -> list[Any]:
    listed = message.message(1)
    if listed is None:
        return []
    values: list[Any] = [*listed.all_bytes(2), *listed.integers(3), *listed.floats(4, "f")]
    values += [value != 0 for value in listed.integers(5)]
    values += [_read_type(number) for number in listed.integers(6)]
    values += [_read_shape_attr(shape) for shape in listed.messages(7)]
    values += [EncodedTensor(tensor) for tensor in listed.all_bytes(8)]
    values += [_read_function_call(call) for call in listed.messages(9)]
    return values


def encode_attr(value: Any) -> bytes:
    """An AttrValue message; the reverse of read_attr."""
    if value is None:
        return b""
    if isinstance(value, list):
        return put_bytes(1, b"".join(_encode_item(item) for item in value))
    if isinstance(value, str):
        return put_bytes(9, value.encode())
    if isinstance(value, FunctionCall):
        return put_bytes(10, _encode_call(value))
    return _encode_item(value)


def _encode_item(value: Any) -> bytes:
    # The numbers of a list's fields are those of the single ones, but for functions.
    match value:
        case bytes():
            return put_bytes(2, value)
        case bool():
            return put_always(5, int(value))
        case int():
            return put_always(3, value)
        case float():
            return b"\x25" + struct.pack("<f", value)
        case None:  # DT_INVALID among types
            return put_always(6, 0)
        case DType():
            return put_always(6, value.number)
        case TensorShape():
            return put_bytes(7, write_shape(value))
        case UnknownShape():
            return put_bytes(7, write_shape(None))
        case FunctionCall():
            return put_bytes(9, _encode_call(value))
        case ConstantValue():
            return put_bytes(8, encode_constant(value))
    raise TypeError(f"no attribute can hold {value!r}")


def _encode_call(call: FunctionCall) -> bytes:
    attrs = b"".join(put_entry(2, key, encode_attr(value)) for key, value in call.attrs.items())
    return put_text(1, call.name) + attrs
