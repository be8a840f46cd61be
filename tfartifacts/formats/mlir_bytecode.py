"""MLIR bytecode, as far as its strings: what StableHLO modules are stored as.

    file    : "ML\\xefR" version:varint producer:text\\0 section*
    section : id:byte (bit 7: aligned) length:varint [alignment:varint padding*] payload
    strings : section 0: count:varint (length:varint)*count in reverse, characters, each text\\0
    varint  : MLIR's own: the number of trailing zero bits of the first byte, plus one, is the
              number of bytes; 0x00 is followed by eight

Every name in a module is among its strings: of ops (custom_call_v1), of attributes, of targets.
Source: mlir/docs/BytecodeFormat.md.
"""

from __future__ import annotations

from tfartifacts.errors import FormatError

MAGIC = b"ML\xefR"
_STRINGS = 0


def bytecode_strings(data: bytes) -> list[bytes]:
    """The strings of a module. Raises FormatError with the offset in `data`."""
    if not data.startswith(MAGIC):
        raise FormatError("found no MLIR bytecode", offset=0)
    _, position = _varint(data, len(MAGIC))
    end = data.find(b"\0", position)
    if end < 0:
        raise FormatError("found no end of the producer's name", offset=position)
    position = end + 1
    while position < len(data):
        start = position
        kind = data[position]
        length, position = _varint(data, position + 1)
        if kind & 0x80:
            alignment, position = _varint(data, position)
            while alignment and position % alignment and data[position : position + 1] == b"\xcb":
                position += 1
        if length > len(data) - position:
            raise FormatError(
                f"found a section of {length} bytes where {len(data) - position} are left",
                offset=start,
            )
        if kind & 0x7F == _STRINGS:
            return _strings(data, position, position + length)
        position += length
    raise FormatError("found no section of strings", offset=position)


def _strings(data: bytes, position: int, end: int) -> list[bytes]:
    count, position = _varint(data, position)
    if count > end - position:
        raise FormatError(f"found {count} strings in {end - position} bytes", offset=position)
    lengths = []
    for _ in range(count):
        length, position = _varint(data, position)
        lengths.append(length)
    if sum(lengths) > end - position:
        raise FormatError("found strings that reach past their section", offset=position)
    strings = []
    for length in reversed(lengths):
        strings.append(data[position : position + length].removesuffix(b"\0"))
        position += length
    return strings


def _varint(data: bytes, position: int) -> tuple[int, int]:
    if position >= len(data):
        raise FormatError("found the end, expected more of a number", offset=position)
    first = data[position]
    size = 9 if first == 0 else (first & -first).bit_length()
    if position + size > len(data):
        raise FormatError("found the end, expected more of a number", offset=position)
    if first == 0:
        return int.from_bytes(data[position + 1 : position + 9], "little"), position + 9
    return int.from_bytes(data[position : position + size], "little") >> size, position + size
