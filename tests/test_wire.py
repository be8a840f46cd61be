"""Protobuf's wire format: known bytes, and protobuf itself as the judge of what they mean."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tfartifacts.errors import FormatError
from tfartifacts.formats import schema, wire
from tfartifacts.formats.wire import (
    Message,
    fields,
    put_always,
    put_bytes,
    put_entry,
    put_fixed32,
    put_float32,
    put_integer,
    put_message,
    put_text,
    read_varint,
    signed,
    varint,
)

MESSAGE = bytes.fromhex(
    "08 9601"  # field 1, varint: 150
    "12 02 6869"  # field 2, length-delimited: "hi"
    "1d 0000803f"  # field 3, four bytes: 1.0
    "21 0000000000000080"  # field 4, eight bytes: 2^63
    "2b 0807 2c"  # field 5, a group {1: 7}
)


def parse(name: str, data: bytes) -> Any:
    return schema.message_class(name).FromString(data)


def test_each_wire_type_has_its_place() -> None:
    found = list(fields(MESSAGE, 0, len(MESSAGE)))
    assert found == [
        (1, wire.VARINT, 150, 0, 1, 3),
        (2, wire.LENGTH_DELIMITED, 0, 3, 5, 7),
        (3, wire.FIXED32, 0x3F800000, 7, 8, 12),
        (4, wire.FIXED64, 1 << 63, 12, 13, 21),
        (5, wire.GROUP_START, 0, 21, 22, 25),
    ]
    message = Message(MESSAGE)
    assert message.integer(1) == 150
    assert message.text(2) == "hi"
    assert message.float32(3) == 1.0
    assert message.packed(4, 8) == bytes.fromhex("0000000000000080")


def test_what_is_missing_has_its_default() -> None:
    message = Message(b"")
    assert (message.integer(1), message.flag(1), message.fixed32(1)) == (0, False, 0)
    assert (message.text(1), message.raw(1), message.float32(1)) == ("", b"", 0.0)
    assert message.message(1) is None
    assert message.optional_integer(1) is None
    assert (message.integers(1), message.texts(1), message.messages(1)) == ([], [], [])
    assert 1 not in message


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (300, "ac02"),
        (2**63 - 1, "ffffffffffffffff7f"),
        (2**64 - 1, "ffffffffffffffffff01"),
        (-1, "ffffffffffffffffff01"),
        (-(2**63), "80808080808080808001"),
    ],
)
def test_varint_takes_seven_bits_a_byte_and_negative_numbers_ten(value: int, encoded: str) -> None:
    assert varint(value).hex() == encoded
    read, position = read_varint(bytes.fromhex(encoded), 0, len(encoded) // 2)
    assert read == value % 2**64
    assert position == len(encoded) // 2
    if value < 2**63:
        assert signed(read) == value


@given(strategies.int64s)
def test_integers_are_encoded_as_protobuf_does(value: int) -> None:
    dim = strategies.new_message("TensorShapeProto.Dim", size=value)
    assert put_integer(1, value) == dim.SerializeToString()
    assert Message(dim.SerializeToString()).integer(1) == value


@given(st.floats(width=32), strategies.texts, st.integers(0, 2**32 - 1))
def test_other_fields_are_encoded_as_protobuf_does(number: float, text: str, crc: int) -> None:
    saver = strategies.new_message(
        "SaverDef", keep_checkpoint_every_n_hours=number, restore_op_name=text
    )
    encoded = put_text(3, text) + put_float32(6, number)
    assert encoded == saver.SerializeToString()
    read = Message(encoded)
    assert read.text(3) == text
    assert struct.pack("<f", read.float32(6)) == struct.pack("<f", number)
    entry = strategies.new_message("BundleEntryProto", crc32c=crc)
    assert put_fixed32(6, crc) == entry.SerializeToString()
    assert Message(entry.SerializeToString()).fixed32(6) == crc


def test_zero_is_left_out_but_in_a_oneof() -> None:
    assert put_integer(1, 0) == put_text(1, "") == put_fixed32(1, 0) == b""
    assert put_always(1, 0) == bytes.fromhex("0800")
    assert put_bytes(1, b"") == bytes.fromhex("0a00")
    assert put_entry(5, "k", b"") == bytes.fromhex("2a 05 0a016b 1200")


def test_pieces_of_a_message_are_not_copied() -> None:
    piece = memoryview(b"x" * 300)
    head, *rest = put_message(2, [piece, b"y"])
    assert head == bytes.fromhex("12 ad02")  # field 2, 301 bytes
    assert rest[0] is piece


def test_last_of_repeated_singular_fields_holds() -> None:
    message = Message(put_always(1, 1) + put_bytes(2, b"a") + put_always(1, 2) + put_bytes(2, b"b"))
    assert message.integer(1) == 2
    assert message.text(2) == "b"
    assert message.texts(2) == ["a", "b"]


def test_repeated_singular_messages_are_merged() -> None:
    message = Message(put_bytes(3, put_always(1, 1)) + put_bytes(3, put_always(2, 5)))
    merged = message.message(3)
    assert merged is not None
    assert (merged.integer(1), merged.integer(2)) == (1, 5)
    assert message.merged(3) == put_always(1, 1) + put_always(2, 5)


def test_part_of_a_message_that_is_cut_does_not_borrow_from_the_next() -> None:
    # The tag of field 1 without its number, then a number without its tag.
    message = Message(put_bytes(3, b"\x08") + put_bytes(3, b"\x05"))
    with pytest.raises(FormatError, match="found the end") as caught:
        message.message(3)
    assert caught.value.offset == 3


def test_numbers_are_read_packed_or_not() -> None:
    packed = put_bytes(3, varint(5) + varint(-1))
    message = Message(put_always(3, 4) + packed + put_always(3, 6))
    assert message.integers(3) == [4, 5, -1, 6]
    floats = bytes.fromhex("0d 0000803f") + put_bytes(1, struct.pack("<2f", 2, 3))
    assert Message(floats).floats(1, "f") == [1.0, 2.0, 3.0]


def test_known_field_of_another_wire_type_is_unknown() -> None:
    message = Message(put_bytes(1, b"x") + put_always(2, 7))
    assert message.integer(1) == 0
    assert message.text(2) == ""
    assert message.last_set({1: wire.VARINT, 2: wire.LENGTH_DELIMITED}) is None


def test_member_of_a_oneof_that_was_set_last_holds() -> None:
    members = {2: wire.LENGTH_DELIMITED, 3: wire.VARINT}
    number_first = put_always(3, 1) + put_bytes(2, b"s")
    assert Message(number_first).last_set(members) == 2
    assert Message(number_first + put_always(3, 2)).last_set(members) == 3


def test_without_keeps_all_other_fields_in_order() -> None:
    first, second, third = put_always(9, 1), put_bytes(2, b"x"), put_always(1, 3)
    assert Message(first + second + third).without(2) == first + third
    assert Message(MESSAGE).without() == MESSAGE


def test_part_of_a_buffer_is_read_in_place() -> None:
    buffer = b"\xff" * 4 + MESSAGE + b"\xff" * 4
    message = Message(buffer, 4, 4 + len(MESSAGE))
    assert message.text(2) == "hi"
    assert message.spans(2) == [(9, 11)]
    assert message.encoded() == MESSAGE


@pytest.mark.parametrize(
    ("data", "offset", "said"),
    [
        ("08", 1, "found the end"),
        ("0880", 2, "found the end"),
        ("08" + "80" * 10 + "01", 1, "more than 10 bytes"),
        ("0801 0001", 2, "field number 0"),
        ("0801 0c", 2, "wire type 4"),
        ("0801 0e", 2, "wire type 6"),
        ("0801 1205 6161", 2, "3 bytes past the end"),
        ("0801 15 000000", 2, "1 bytes past the end"),
        ("0801 11 00000000", 2, "4 bytes past the end"),
        ("0801 13 0801", 5, "found the end"),
        ("0801 13 1c", 3, "end of a group that is not open"),
        ("80808080808001 00", 0, "field number"),
    ],
)
def test_what_protobuf_refuses_is_refused_with_its_offset(
    data: str, offset: int, said: str
) -> None:
    encoded = bytes.fromhex(data)
    with pytest.raises(FormatError, match=said) as caught:
        Message(encoded)
    assert caught.value.offset == offset
    with pytest.raises(DecodeError):
        parse("BundleEntryProto", encoded)


def test_text_that_is_not_utf8_is_told_with_its_byte() -> None:
    message = Message(bytes.fromhex("0a 03 61ff62"))
    with pytest.raises(FormatError, match="0xff") as caught:
        message.text(1)
    assert caught.value.offset == 3


def test_packed_numbers_that_do_not_fill_their_field_are_told() -> None:
    with pytest.raises(FormatError, match="found 3 bytes") as caught:
        Message(bytes.fromhex("0a 03 000000")).floats(1, "f")
    assert caught.value.offset == 2
    with pytest.raises(FormatError, match="found the end") as caught:
        Message(bytes.fromhex("0a 01 80 08 01")).integers(1)
    assert caught.value.offset == 3


def test_messages_nest_as_deep_as_protobuf_lets_them() -> None:
    def nested(levels: int) -> bytes:
        data = b""
        for _ in range(levels):
            data = put_bytes(1, data)
        return data

    def depth(data: bytes) -> int:
        message: Message | None = Message(data)
        levels = 0
        while message is not None and (message := message.message(1)) is not None:
            levels += 1
        return levels

    assert depth(nested(100)) == 100
    with pytest.raises(FormatError, match="nested more than 100 deep"):
        depth(nested(101))


def test_groups_that_nest_without_end_are_refused() -> None:
    assert Message(b"\x0b" * 100 + b"\x0c" * 100).raw(1) == b""
    with pytest.raises(FormatError, match="nested more than 100 deep"):
        Message(b"\x0b" * 1_000_000)


def facts_of_entry(message: Message) -> dict[str, Any]:
    """A BundleEntryProto's fields, those that protobuf cuts to 32 bits cut the same way."""
    shape = message.message(2)
    return {
        "dtype": message.integer(1) % 2**32,
        "dims": []
        if shape is None
        else [(dim.integer(1), dim.text(2)) for dim in shape.messages(2)],
        "unknown_rank": shape is not None and shape.flag(3),
        "shard_id": message.integer(3) % 2**32,
        "offset": message.integer(4),
        "size": message.integer(5),
        "crc32c": message.fixed32(6),
        "extents": [
            [(extent.integer(1), extent.optional_integer(2)) for extent in part.messages(1)]
            for part in message.messages(7)
        ],
    }


def facts_by_protobuf(entry: Any) -> dict[str, Any]:
    return {
        "dtype": entry.dtype % 2**32,
        "dims": [(dim.size, dim.name) for dim in entry.shape.dim],
        "unknown_rank": entry.shape.unknown_rank,
        "shard_id": entry.shard_id % 2**32,
        "offset": entry.offset,
        "size": entry.size,
        "crc32c": entry.crc32c,
        "extents": [
            [
                (extent.start, extent.length if extent.HasField("length") else None)
                for extent in part.extent
            ]
            for part in entry.slices
        ],
    }


@given(st.lists(strategies.raw_fields(range(1, 10)), max_size=6).map(b"".join))
def test_any_sequence_of_fields_means_what_protobuf_says(data: bytes) -> None:
    try:
        expected = facts_by_protobuf(parse("BundleEntryProto", data))
    except DecodeError:
        with pytest.raises(FormatError):
            facts_of_entry(Message(data))
    else:
        assert facts_of_entry(Message(data)) == expected


@given(st.binary(max_size=24))
def test_any_bytes_are_refused_where_protobuf_refuses_them(data: bytes) -> None:
    # In a message without known fields only their structure counts.
    try:
        Empty.FromString(data)
    except DecodeError:
        with pytest.raises(FormatError) as caught:
            Message(data)
        assert caught.value.offset is not None
        assert 0 <= caught.value.offset <= len(data)
    else:
        try:
            Message(data)
        except FormatError as error:
            # Protobuf's parser in C++, TensorFlow's, refuses these; the one in Python does not.
            assert "found field number" in error.message  # noqa: PT017


def test_a_message_of_two_byte_fields_is_not_let_grow() -> None:
    with pytest.raises(FormatError, match="found more than 524288 fields") as caught:
        Message(b"\x08\x01" * (1 << 20))
    assert caught.value.offset == 2 * 524288


def test_many_fields_of_a_usual_size_are_read() -> None:
    assert len(Message(b"\x0a\x07usually" * 500_000).spans(1)) == 500_000
