"""TensorShapeProto: sizes of dimensions, some of which may be unknown.

    TensorShapeProto : 2 dim*  3 unknown_rank      Dim : 1 size (-1: unknown)  2 name

Source: tensorflow/core/framework/tensor_shape.proto.
"""

from __future__ import annotations

from collections.abc import Sequence

from tfartifacts.errors import FormatError
from tfartifacts.formats.tensor_data import MAX_RANK
from tfartifacts.formats.wire import Message, put_bytes, put_integer
from tfartifacts.model.values import PartialShape, Shape


def read_partial_shape(proto: Message | None) -> PartialShape:
    """A shape that may have unknown sizes (None) or an unknown rank (None as a whole).

    A missing message is a scalar, as in proto3.
    """
    if proto is None:
        return ()
    if proto.flag(3):
        return None
    rank = len(proto.spans(2))
    if rank > MAX_RANK:
        raise FormatError(
            f"found {rank} dimensions, expected at most {MAX_RANK}", offset=proto.start
        )
    sizes = [dim.integer(1) for dim in proto.messages(2)]
    for size in sizes:
        if size < -1:
            raise FormatError(
                f"found a dimension of {size}, expected -1 or more", offset=proto.start
            )
    return tuple(None if size == -1 else size for size in sizes)


def read_shape(proto: Message | None) -> Shape:
    """A fully known shape. Raises FormatError if a size or the rank is unknown."""
    shape = read_partial_shape(proto)
    if shape is None or None in shape:
        raise FormatError(
            "found a shape with unknown sizes, expected a fully known one",
            offset=None if proto is None else proto.start,
        )
    return tuple(size for size in shape if size is not None)


def write_shape(shape: Sequence[int | None] | None) -> bytes:
    """An encoded TensorShapeProto; empty for a scalar."""
    if shape is None:
        return put_integer(3, 1)
    return b"".join(put_bytes(2, put_integer(1, -1 if size is None else size)) for size in shape)
