"""Snappy blocks, as a table's data and index blocks may be packed with; decoding only.

    stream  : uncompressed_size:varint32 element*
    element : literal  tag xxxxxx00, x = length-1 (60..63: that many minus 59 length bytes follow)
            | copy     tag lllooo01 o8   length l+4, offset o (11 bits)
            | copy     tag llllll10 o16  length l+1, offset 16 bits
            | copy     tag llllll11 o32  length l+1, offset 32 bits

A copy may overlap what it produces. Source: google/snappy format_description.txt. TensorFlow's own
writers never compress; other tools' do.
"""

from __future__ import annotations

from tfartifacts.errors import FormatError

MAX_UNCOMPRESSED = 1 << 26  # bytes; a block is flushed at 256 KiB unless one value is larger


def decompress(packed: bytes) -> bytes:
    """The block's contents.

    Raises FormatError for a stream that breaks its rules, or claims more than 64 MiB, or more
    than the densest stream of its length could hold (64 bytes from 3).
    """
    expected, position = _read_length(packed)
    if expected > min(MAX_UNCOMPRESSED, 22 * len(packed)):
        raise FormatError(
            f"found {expected} bytes packed into {len(packed)}, more than Snappy can", offset=0
        )
    output = bytearray()
    size = len(packed)
    while position < size:
        start = position
        tag = packed[position]
        position += 1
        kind = tag & 3
        if kind == 0:
            length = (tag >> 2) + 1
            if length > 60:
                extra = length - 60
                length = int.from_bytes(packed[position : position + extra], "little") + 1
                position += extra
            if position + length > size:
                raise FormatError("found the end of a Snappy literal missing", offset=start)
            output += packed[position : position + length]
            position += length
        else:
            if kind == 1:
                length = ((tag >> 2) & 7) + 4
                extra = 1
                offset = (tag >> 5) << 8
            else:
                length = (tag >> 2) + 1
                extra = 2 if kind == 2 else 4
                offset = 0
            if position + extra > size:
                raise FormatError("found the end of a Snappy copy missing", offset=start)
            offset |= int.from_bytes(packed[position : position + extra], "little")
            position += extra
            _copy(output, offset, length, start)
        if len(output) > expected:
            raise FormatError(f"found more than the {expected} bytes announced", offset=start)
    if len(output) != expected:
        raise FormatError(f"found {len(output)} unpacked bytes, expected {expected}", offset=0)
    return bytes(output)


def _copy(output: bytearray, offset: int, length: int, start: int) -> None:
    if not 0 < offset <= len(output):
        raise FormatError(f"found a Snappy copy from {offset} bytes back", offset=start)
    source = len(output) - offset
    if offset >= length:
        output += output[source : source + length]
    else:  # the copy repeats what it produces
        pattern = bytes(output[source:])
        output += (pattern * (length // offset + 1))[:length]


def _read_length(packed: bytes) -> tuple[int, int]:
    length = 0
    for position in range(min(5, len(packed))):
        length |= (packed[position] & 0x7F) << (7 * position)
        if packed[position] < 0x80:
            return length, position + 1
    raise FormatError("found no length at the head of a Snappy block", offset=0)
