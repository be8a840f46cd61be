"""Protocol buffers by hand: enough for graphs, and nothing is held that is not being written.

Fields are (number << 3 | wire type) and a varint, or a length and bytes; see
protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

FLOAT, INT32, STRING = 1, 3, 7  # DataType of types.proto


def varint(value: int) -> bytes:
    """Negative numbers take ten bytes, as protobuf's int64."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def head(field: int, size: int) -> bytes:
    """What comes before `size` bytes of a string, a message, or bytes."""
    return varint(field << 3 | 2) + varint(size)


def chunk(field: int, *parts: bytes | str) -> bytes:
    """A string, bytes, or a message made of encoded fields."""
    body = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    return head(field, len(body)) + body


def node(name: str, op: str, inputs: Iterable[str] = (), attrs: bytes = b"") -> bytes:
    """A NodeDef (node_def.proto) without its field in GraphDef."""
    return b"".join([chunk(1, name), chunk(2, op), *(chunk(3, one) for one in inputs), attrs])


def attr(key: str, *value: bytes) -> bytes:
    """An entry of NodeDef.attr; `value` are fields of AttrValue (attr_value.proto)."""
    return chunk(5, chunk(1, key), chunk(2, *value))


def type_attr(key: str, dtype: int) -> bytes:
    return attr(key, number(6, dtype))


def shape(sizes: Sequence[int]) -> bytes:
    """The fields of a TensorShapeProto; -1 is a size that is not known."""
    return b"".join(chunk(2, number(1, size)) for size in sizes)


def shape_attr(key: str, sizes: Sequence[int]) -> bytes:
    return attr(key, chunk(7, shape(sizes)))


def float_const(name: str, values: Sequence[float]) -> bytes:
    """A Const node with those values."""
    content = struct.pack(f"<{len(values)}f", *values)
    tensor = number(1, FLOAT) + chunk(2, shape([len(values)])) + chunk(4, content)
    return node(name, "Const", (), type_attr("dtype", FLOAT) + attr("value", chunk(8, tensor)))


VERSIONS = chunk(4, number(1, 27))  # GraphDef.versions: what TensorFlow 1.12 writes
META_INFO = chunk(1, chunk(4, "train"), chunk(5, "1.12.3"))  # MetaGraphDef.meta_info_def
