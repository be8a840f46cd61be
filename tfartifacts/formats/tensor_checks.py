"""Whether a tensor's bytes fit its checksum; pulled in parts, so that none need be read whole.

The layouts, and what the checksums cover, are in tensor_data. Reading and verifying both go
through here. Offsets in errors count from the tensor's first byte.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tfartifacts.errors import ChecksumError, FormatError, located
from tfartifacts.formats.checksums import crc32c, mask, unmask
from tfartifacts.formats.wire import read_varint
from tfartifacts.model.values import Buffer

if TYPE_CHECKING:
    from tfartifacts.formats.tensor_data import ByteOrder

PART = 1 << 19  # bytes pulled at a time: what a processor's cache holds
_LENGTHS = 1 << 16  # of them, bytes of strings' lengths
_LONGEST_VARINT = 10
_UINT32 = 0xFFFFFFFF

# Gives that many bytes of a tensor, from a position in it; valid until the next call.
ReadPart = Callable[[int, int], Buffer]


def parts_of(data: Buffer) -> ReadPart:
    """A tensor that is in memory, by parts."""
    view = memoryview(data)
    return lambda position, size: view[position : position + size]


def require_checksum(computed: int, expected: int) -> None:
    """Raise ChecksumError unless the masked checksum of a tensor's bytes is the index's."""
    if computed != expected:
        raise ChecksumError(
            f"found tensor bytes with checksum 0x{computed:08x}, expected 0x{expected:08x}; the "
            "data is damaged, or belongs to another save than its index",
            offset=0,
        )


def check_fixed(read: ReadPart, size: int, expected_crc: int) -> None:
    """Check a tensor of a fixed-size type. Raises ChecksumError."""
    require_checksum(mask(_crc_of(read, 0, size, 0)), expected_crc)


def crc_of(read: ReadPart, size: int) -> int:
    """The checksum of that many bytes, not masked."""
    return _crc_of(read, 0, size, 0)


def check_strings(
    read: ReadPart,
    size: int,
    num_elements: int,
    expected_crc: int,
    byte_order: ByteOrder = "little",
    lengths: list[int] | None = None,
) -> None:
    """Check a tensor of strings; `lengths` gets their lengths, if given.

    Raises ChecksumError and FormatError.
    """
    if num_elements == 0 and size == 0:
        return
    # Each element takes a byte for its length: a bound before anything is allocated.
    if num_elements > size - 4:
        raise FormatError(
            f"found {size} bytes for {num_elements} strings, expected {num_elements + 4} or more",
            offset=0,
        )
    crc, total, position = _check_lengths(read, size - 4, num_elements, byte_order, lengths)
    stored = bytes(read(position, 4))
    if unmask(int.from_bytes(stored, byte_order)) != crc:
        raise ChecksumError(
            "found string lengths that do not fit their checksum; the data is damaged, or "
            "belongs to another save than its index",
            offset=position,
        )
    position += 4
    if position + total != size:
        raise FormatError(
            f"found strings of {total} bytes, expected {size - position}", offset=position
        )
    if mask(_crc_of(read, position, size, crc32c(stored, crc))) != expected_crc:
        raise ChecksumError(
            "found strings that do not fit their checksum; the data is damaged, or belongs to "
            "another save than its index",
            offset=position,
        )


def _check_lengths(
    read: ReadPart, end: int, num_elements: int, byte_order: ByteOrder, lengths: list[int] | None
) -> tuple[int, int, int]:
    """The lengths' checksum and sum, and where they end."""
    crc = total = position = 0
    left = num_elements
    while left:
        part = bytes(read(position, min(_LENGTHS, end - position)))
        with located(None, position):
            found, used = _lengths_in(part, left, is_last=position + len(part) == end)
        crc = crc32c(_fixed_width(found, byte_order), crc)
        total += sum(found)
        position += used
        left -= len(found)
        if lengths is not None:
            lengths.extend(found)
    return crc, total, position


def _lengths_in(part: bytes, most: int, *, is_last: bool) -> tuple[bytes | list[int], int]:
    """Lengths at the head of a part, at most so many, and the bytes they take.

    One that the end of the part may cut is left for the next part.
    """
    if part.isascii() and part:
        return part[:most], min(most, len(part))  # each byte is one
    found: list[int] = []
    position = 0
    safe = len(part) if is_last else len(part) - _LONGEST_VARINT
    while len(found) < most and (position < safe or is_last):
        length, position = read_varint(part, position, len(part))
        found.append(length)
        if is_last and position == len(part):
            break
    return found, position


def _fixed_width(lengths: bytes | list[int], byte_order: ByteOrder) -> bytes:
    # Lengths enter the checksum as u32, though stored as varints: old readers did so.
    if isinstance(lengths, bytes):
        fixed = bytearray(4 * len(lengths))
        fixed[0 if byte_order == "little" else 3 :: 4] = lengths
        return bytes(fixed)
    return b"".join(
        length.to_bytes(4 if length <= _UINT32 else 8, byte_order) for length in lengths
    )


def lengths_crc(lengths: list[int], byte_order: ByteOrder) -> int:
    """The checksum of strings' lengths, not masked."""
    return crc32c(_fixed_width(lengths, byte_order))


def check_variants(
    read: ReadPart,
    size: int,
    num_elements: int,
    expected_crc: int,
    byte_order: ByteOrder = "little",
    elements: list[bytes] | None = None,
) -> None:
    """Check a tensor of variants; `elements` gets their encoded messages, if given.

    Raises ChecksumError and FormatError.
    """
    position = crc = 0
    for _ in range(num_elements):
        start = position
        head = bytes(read(position, min(_LONGEST_VARINT, size - position)))
        with located(None, start):
            length, used = read_varint(head, 0, len(head))
        position += used
        end = position + length
        if end + 4 > size:
            raise FormatError("found a variant that reaches past its tensor", offset=start)
        crc = crc32c(length.to_bytes(8, byte_order), crc)
        if elements is None:
            crc = _crc_of(read, position, end, crc)
        else:
            elements.append(bytes(read(position, length)))
            crc = crc32c(elements[-1], crc)
        stored = bytes(read(end, 4))
        if int.from_bytes(stored, byte_order) != mask(crc):
            raise ChecksumError(
                "found a variant that does not fit its checksum; the data is damaged",
                offset=start,
            )
        crc = crc32c(stored, crc)
        position = end + 4
    if position != size:
        raise FormatError(f"found {size - position} bytes after the last variant", offset=0)
    if mask(crc) != expected_crc:
        raise ChecksumError(
            "found variants that do not fit their checksum; the data is damaged", offset=0
        )


def _crc_of(read: ReadPart, position: int, end: int, crc: int) -> int:
    while position < end:
        part = read(position, min(PART, end - position))
        crc = crc32c(part, crc)
        position += len(part)
    return crc
