"""Protobuf's wire format: read the fields of a message, splice one without touching the rest.

    message : field*
    field   : tag:varint payload         tag = number << 3 | wire type
    payload : 0 varint | 1 eight bytes | 2 length:varint bytes | 3 group start | 4 group end
            | 5 four bytes

Rules as protobuf's own parsers have them: the last of repeated singular fields wins, repeated
singular messages are merged, a known field of another wire type counts as unknown, numbers may be
packed or not. Source: protobuf.dev/programming-guides/encoding.

Only what lies on the path to a wanted part is looked at: a message is scanned for where its fields
are, and a part is decoded when it is asked for. Offsets in errors are positions in `buffer`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from tfartifacts.errors import FormatError
from tfartifacts.model.values import Buffer

MAX_DEPTH = 100  # levels of messages, the limit of protobuf's parsers

# Fields that a message may have: so many, and one for so many bytes. Where each is takes far more
# room than the two bytes it may consist of.
_FIELDS, BYTES_OF_FIELD = 1 << 18, 8

VARINT, FIXED64, LENGTH_DELIMITED, GROUP_START, GROUP_END, FIXED32 = range(6)

_CONTINUED = bytes(range(0x80, 0x100))
_OVERLONG = re.compile(rb"[\x80-\xff]{10}")

# Where a part of a buffer begins and ends.
Span = tuple[int, int]

# One field: number, wire type, integer value (0 if length-delimited), start of the field,
# start and end of the payload.
Field = tuple[int, int, int, int, int, int]


def read_varint(buffer: Buffer, position: int, end: int) -> tuple[int, int]:
    """An unsigned varint of up to 64 bits, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise FormatError("found the end, expected more of a number", offset=position)
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position
    raise FormatError("found a number of more than 10 bytes", offset=position - 10)


def fields(buffer: Buffer, position: int, end: int) -> Iterator[Field]:
    """The fields of a message, in order; groups are skipped as one field of type GROUP_START."""
    while position < end:
        start = position
        tag = buffer[position]
        position += 1
        if tag >= 0x80:
            tag, position = read_varint(buffer, start, end)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise FormatError(f"found field number {number}, expected 1 to 2^29-1", offset=start)
        value = 0
        payload = position
        if wire_type == LENGTH_DELIMITED:
            length, payload = read_varint(buffer, position, end)
            position = payload + length
        elif wire_type == VARINT:
            value, position = read_varint(buffer, position, end)
        elif wire_type == FIXED32:
            position += 4
        elif wire_type == FIXED64:
            position += 8
        elif wire_type == GROUP_START:
            position = _skip_group(buffer, position, end, number)
        else:
            raise FormatError(f"found wire type {wire_type}, expected 0 to 3 or 5", offset=start)
        if position > end:
            raise FormatError(
                f"found field {number} reaching {position - end} bytes past the end of its "
                "message; the file is truncated or damaged",
                offset=start,
            )
        if wire_type in (FIXED32, FIXED64):
            value = int.from_bytes(buffer[payload:position], "little")
        yield number, wire_type, value, start, payload, position


def _at_most(scanned: Iterator[Field], most: int) -> Iterator[Field]:
    for number, field in enumerate(scanned):
        if number == most:
            raise too_many_fields(most, field[3])
        yield field


def most_fields(start: int, end: int) -> int:
    """How many fields a message of that extent may have."""
    return _FIELDS + (end - start) // BYTES_OF_FIELD


def too_many_fields(most: int, offset: int) -> FormatError:
    return FormatError(f"found more than {most} fields in a message", offset=offset)


def _skip_group(buffer: Buffer, position: int, end: int, number: int) -> int:
    open_groups = [number]
    start = position
    while open_groups:
        if len(open_groups) > MAX_DEPTH:
            raise FormatError(f"found groups nested more than {MAX_DEPTH} deep", offset=start)
        tag, after = read_varint(buffer, position, end)
        if tag & 7 == GROUP_END:
            if tag >> 3 != open_groups.pop():
                raise FormatError("found the end of a group that is not open", offset=position)
            position = after
        elif tag & 7 == GROUP_START:
            open_groups.append(tag >> 3)
            position = after
        else:
            *_, position = next(fields(buffer, position, end))
    return position


class Part(NamedTuple):
    """Where a message is that has not been looked at: one that a reader of its own scans."""

    buffer: Buffer
    start: int
    end: int
    depth: int = 0


class Message:
    """The fields of one message, found by a single scan; each is decoded when asked for.

    `start` and `end` bound it in `buffer`. `depth` counts the messages around it. `scanned` are
    its fields if they are known already, or those that are wanted.
    """

    __slots__ = ("_fields", "buffer", "depth", "end", "start")

    def __init__(
        self,
        buffer: Buffer,
        start: int = 0,
        end: int | None = None,
        depth: int = 0,
        scanned: Iterable[Field] | None = None,
    ) -> None:
        if depth > MAX_DEPTH:
            raise FormatError(f"found messages nested more than {MAX_DEPTH} deep", offset=start)
        self.buffer = buffer
        self.start = start
        self.end = len(buffer) if end is None else end
        self.depth = depth
        found: dict[int, list[Field]] = {}
        if scanned is None:
            scanned = fields(buffer, start, self.end)
            if self.end - start > 2 * _FIELDS:
                scanned = _at_most(scanned, most_fields(start, self.end))
        for field in scanned:
            found.setdefault(field[0], []).append(field)
        self._fields = found

    def __contains__(self, number: int) -> bool:
        return number in self._fields

    def encoded(self) -> bytes:
        return bytes(self.buffer[self.start : self.end])

    def last_set(self, members: Mapping[int, int]) -> int | None:
        """The member of a oneof, given by number with its wire type, that holds: the last."""
        last = None
        last_start = -1
        for number, found in self._fields.items():
            expected = members.get(number)
            for _, wire_type, _, start, *_ in found if expected is not None else ():
                if wire_type == expected and start > last_start:
                    last, last_start = number, start
        return last

    def spans(self, number: int) -> list[tuple[int, int]]:
        """Start and end of each length-delimited payload of that field."""
        return [
            (payload, end)
            for _, wire_type, _, _, payload, end in self._fields.get(number, ())
            if wire_type == LENGTH_DELIMITED
        ]

    def all_bytes(self, number: int) -> list[bytes]:
        return [bytes(self.buffer[start:end]) for start, end in self.spans(number)]

    def raw(self, number: int) -> bytes:
        spans = self.spans(number)
        return bytes(self.buffer[spans[-1][0] : spans[-1][1]]) if spans else b""

    def raw_size(self, number: int) -> int:
        """The length of what `raw` gives."""
        spans = self.spans(number)
        return spans[-1][1] - spans[-1][0] if spans else 0

    def text(self, number: int) -> str:
        """A string field; "" where it is missing. Raises FormatError if it is not UTF-8."""
        spans = self.spans(number)
        return self._decode(*spans[-1]) if spans else ""

    def texts(self, number: int) -> list[str]:
        return [self._decode(start, end) for start, end in self.spans(number)]

    def _decode(self, start: int, end: int) -> str:
        try:
            return str(self.buffer[start:end], "utf-8")
        except UnicodeDecodeError as error:
            raise FormatError(
                f"found the byte 0x{self.buffer[start + error.start]:02x}, expected UTF-8",
                offset=start + error.start,
            ) from None

    def integers(self, number: int) -> list[int]:
        """A repeated integer, enum or bool: packed, unpacked or both; signed 64-bit."""
        values: list[int] = []
        for _, wire_type, value, _, payload, end in self._fields.get(number, ()):
            if wire_type == VARINT:
                values.append(signed(value))
            elif wire_type == LENGTH_DELIMITED:
                position = payload
                while position < end:
                    packed, position = read_varint(self.buffer, position, end)
                    values.append(signed(packed))
        return values

    def num_integers(self, number: int) -> int:
        """How many there are in a repeated field, packed or not. Raises FormatError as those do."""
        count = 0
        for _, wire_type, _, _, payload, end in self._fields.get(number, ()):
            if wire_type == VARINT:
                count += 1
            elif wire_type == LENGTH_DELIMITED:
                packed = bytes(self.buffer[payload:end])
                if match := _OVERLONG.search(packed):
                    raise FormatError(
                        "found a number of more than 10 bytes", offset=payload + match.start()
                    )
                if packed and packed[-1] >= 0x80:
                    raise FormatError("found the end, expected more of a number", offset=end)
                # The last byte of each number is below 128.
                count += len(packed.translate(None, _CONTINUED))
        return count

    def integer(self, number: int, default: int = 0) -> int:
        """An integer, enum or bool field, as a signed 64-bit number."""
        for _, wire_type, value, *_ in reversed(self._fields.get(number, ())):
            if wire_type == VARINT:
                return signed(value)
        return default

    def optional_integer(self, number: int) -> int | None:
        for _, wire_type, value, *_ in reversed(self._fields.get(number, ())):
            if wire_type == VARINT:
                return signed(value)
        return None

    def flag(self, number: int) -> bool:
        return self.integer(number) != 0

    def fixed32(self, number: int) -> int:
        for _, wire_type, value, *_ in reversed(self._fields.get(number, ())):
            if wire_type == FIXED32:
                return value
        return 0

    def float32(self, number: int) -> float:
        value: float = struct.unpack("<f", struct.pack("<I", self.fixed32(number)))[0]
        return value

    def floats(self, number: int, letter: str) -> list[float]:
        """A repeated float ("f") or double ("d"), packed, unpacked or both."""
        packed = self.packed(number, 4 if letter == "f" else 8)
        return list(struct.unpack(f"<{len(packed) // struct.calcsize(letter)}{letter}", packed))

    def packed(self, number: int, size: int) -> bytes:
        """The elements of a repeated fixed-size field, one after the other."""
        wanted = FIXED32 if size == 4 else FIXED64
        pieces = []
        for _, wire_type, _, _, payload, end in self._fields.get(number, ()):
            if wire_type in (wanted, LENGTH_DELIMITED):
                if (end - payload) % size:
                    raise FormatError(
                        f"found {end - payload} bytes, expected numbers of {size}", offset=payload
                    )
                pieces.append(self.buffer[payload:end])
        return b"".join(pieces)

    def message(self, number: int) -> Message | None:
        """A singular message; several of them are merged, as protobuf's parsers do."""
        spans = self.spans(number)
        if not spans:
            return None
        parts = [Message(self.buffer, *span, self.depth + 1) for span in spans]
        if len(parts) == 1:
            return parts[0]
        # Each part is a whole message: one that is cut must not borrow from the next.
        return Message(b"".join(self.all_bytes(number)), depth=self.depth + 1)

    def part(self, number: int) -> Part:
        """As `message`, not scanned; empty where there is none."""
        spans = self.spans(number)
        if len(spans) == 1:
            return Part(self.buffer, *spans[0], self.depth + 1)
        merged = b"".join(self.all_bytes(number))
        return Part(merged, 0, len(merged), self.depth + 1)

    def merged(self, number: int) -> bytes:
        """A singular message as it is encoded; several of them one after the other."""
        return b"".join(self.all_bytes(number))

    def messages(self, number: int) -> list[Message]:
        return [Message(self.buffer, *span, self.depth + 1) for span in self.spans(number)]

    def entries(self, number: int) -> Iterator[tuple[str, Message]]:
        """Key and entry of a map with string keys, in file order; the value is field 2."""
        for entry in self.messages(number):
            yield entry.text(1), entry

    def without(self, *numbers: int) -> bytes:
        """All other fields, encoded as they are: what is not understood is carried."""
        others = [
            (start, end)
            for number, found in self._fields.items()
            if number not in numbers
            for _, _, _, start, _, end in found
        ]
        return b"".join(bytes(self.buffer[start:end]) for start, end in sorted(others))


def signed(value: int) -> int:
    """An unsigned 64-bit number read as two's complement."""
    return value - (1 << 64) if value >= 1 << 63 else value


def int32(value: int) -> int:
    """What a field of 32 bits holds of a number: its low bits, as protobuf's parsers have it."""
    return ((value + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def varint(value: int) -> bytes:
    """A number of up to 64 bits as varint; negative ones as two's complement, ten bytes."""
    if 0 <= value < 0x80:
        return bytes((value,))
    value &= 0xFFFFFFFFFFFFFFFF
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def put_integer(number: int, value: int) -> bytes:
    """An integer, enum or bool field; nothing for 0, as proto3 writes it."""
    return varint(number << 3) + varint(value) if value else b""


def put_always(number: int, value: int) -> bytes:
    """An integer field that is written even if it is 0 (a member of a oneof)."""
    return varint(number << 3) + varint(value)


def put_fixed32(number: int, value: int) -> bytes:
    return varint(number << 3 | FIXED32) + value.to_bytes(4, "little") if value else b""


def put_float32(number: int, value: float) -> bytes:
    return put_fixed32(number, struct.unpack("<I", struct.pack("<f", value))[0])


def put_bytes(number: int, value: Buffer) -> bytes:
    """A length-delimited field, written even if it is empty."""
    return b"".join((varint(number << 3 | LENGTH_DELIMITED), varint(len(value)), value))


def put_text(number: int, value: str) -> bytes:
    """A string field; nothing for "", as proto3 writes it."""
    return put_bytes(number, value.encode()) if value else b""


def put_message(number: int, pieces: Iterable[Buffer]) -> list[Buffer]:
    """A message field from the pieces of its encoding, which are not copied."""
    listed = list(pieces)
    length = sum(len(piece) for piece in listed)
    return [varint(number << 3 | LENGTH_DELIMITED) + varint(length), *listed]


def put_entry(number: int, key: str, value: Buffer) -> bytes:
    """An entry of a map with string keys and message values; both are always written."""
    return put_bytes(number, put_bytes(1, key.encode()) + put_bytes(2, value))
