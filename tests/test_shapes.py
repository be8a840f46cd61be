"""TensorShapeProto: known bytes, faults, and protobuf as the judge."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tfartifacts.errors import FormatError
from tfartifacts.formats import schema
from tfartifacts.formats.shapes import read_partial_shape, read_shape, write_shape
from tfartifacts.formats.wire import Message

UNKNOWN_BY_3_BY_0 = bytes.fromhex(
    "12 0b"  # dim, 11 bytes
    "08 ffffffffffffffffff01"  # size: -1
    "12 02"  # dim, 2 bytes
    "08 03"  # size: 3
    "12 00"  # dim, empty: a size of 0 is left out
)


def test_each_size_is_a_dim() -> None:
    assert write_shape((None, 3, 0)) == UNKNOWN_BY_3_BY_0
    assert read_partial_shape(Message(UNKNOWN_BY_3_BY_0)) == (None, 3, 0)


def test_empty_shape_is_a_scalar_not_unknown_rank() -> None:
    assert read_partial_shape(Message(b"")) == ()
    assert read_partial_shape(None) == ()
    assert write_shape(()) == b""
    assert write_shape(None) == bytes.fromhex("1801")  # unknown_rank: true
    assert read_partial_shape(Message(bytes.fromhex("1801"))) is None


def test_names_of_dimensions_are_passed_over() -> None:
    named = bytes.fromhex("12 09 0805 12 05 6261746368")  # dim {size: 5 name: "batch"}
    assert read_shape(Message(named)) == (5,)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (UNKNOWN_BY_3_BY_0, "unknown sizes"),
        (bytes.fromhex("1801"), "unknown sizes"),
        (bytes.fromhex("12 0b 08 feffffffffffffffff01"), "a dimension of -2"),
        (bytes.fromhex("1200") * 255, "found 255 dimensions"),
    ],
)
def test_what_is_no_full_shape_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(FormatError, match=said) as caught:
        read_shape(Message(b"\xff" * 3 + data, 3))
    assert caught.value.offset == 3


def test_254_dimensions_are_the_most() -> None:
    assert read_shape(Message(bytes.fromhex("1200") * 254)) == (0,) * 254


@given(st.none() | st.lists(st.none() | st.integers(0, 2**62), max_size=5).map(tuple))
def test_shapes_are_what_protobuf_reads_and_writes(shape: tuple[int | None, ...] | None) -> None:
    message: Any = schema.message_class("TensorShapeProto").FromString(write_shape(shape))
    sizes = tuple(None if dim.size == -1 else dim.size for dim in message.dim)
    assert (None if message.unknown_rank else sizes) == shape
    assert message.SerializeToString() == write_shape(shape)
    assert read_partial_shape(Message(write_shape(shape))) == shape


@given(strategies.encodings(strategies.shape_protos, unknown=4))
def test_merged_shapes_read_as_protobuf_merges_them(data: bytes) -> None:
    message: Any = schema.message_class("TensorShapeProto").FromString(data)
    expected = tuple(None if dim.size == -1 else dim.size for dim in message.dim)
    assert read_partial_shape(Message(data)) == (None if message.unknown_rank else expected)
