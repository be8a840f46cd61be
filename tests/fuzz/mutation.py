"""Changes to bytes that leave checksums, lengths and offsets right.

A change of a random byte of a table is noticed by a checksum; one inside a nested message breaks
the lengths around it. What lies behind those checks is reached by changing a part on its own and
putting the whole together again.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.fuzz.target import Mutate
from tfartifacts.errors import FormatError
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.formats.table import FOOTER_SIZE, MAGIC, Handle, open_table, write_table
from tfartifacts.formats.table_blocks import BlockBuilder, parse_block
from tfartifacts.formats.wire import (
    LENGTH_DELIMITED,
    VARINT,
    Field,
    fields,
    put_always,
    put_bytes,
    read_varint,
    varint,
)
from tfartifacts.storage.files import BytesSource

Change = Callable[[bytes, Mutate, random.Random, int], bytes]

# Numbers at the edges of what formats bound.
_NUMBERS = (
    *(0, 1, 2, 127, 128, 255, 1 << 14, (1 << 31) - 1, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63),
    *((1 << 64) - 1, (1 << 64) - 2),
)


# ---------------------------------------------------------------- any bytes, without a fuzzer


def scramble(source: random.Random) -> Mutate:
    """The smallest steps where no fuzzer gives them."""

    def mutate(data: bytes, most: int) -> bytes:
        changed = bytearray(data)
        for _ in range(source.choice((1, 1, 1, 2, 4))):
            position = source.randrange(len(changed) + 1)
            end = min(len(changed), position + source.choice((1, 1, 2, 4, 16, 64)))
            match source.randrange(6):
                case 0 if position < len(changed):
                    changed[position] ^= 1 << source.randrange(8)
                case 1 if position < len(changed):
                    changed[position] = source.choice(
                        (0, 1, 0x7F, 0x80, 0xFF, source.randrange(256))
                    )
                case 2:
                    del changed[position:end]
                case 3:
                    changed[position:position] = source.randbytes(end - position + 1)
                case 4:
                    elsewhere = source.randrange(len(changed) + 1)
                    changed[elsewhere:elsewhere] = changed[position:end]
                case _:
                    changed[position:end] = varint(source.choice(_NUMBERS))
        return bytes(changed[:most])

    return mutate


# ---------------------------------------------------------------- protobuf messages


def change_message(data: bytes, mutate: Mutate, source: random.Random, most: int) -> bytes:
    """A change somewhere in a tree of messages; the lengths around it follow."""
    room = max(1, most - len(data) - 20)  # lengths may take more bytes
    changed = _change_fields(data, mutate, source, room, 0)
    return changed if len(changed) <= most else mutate(data, most)


def _change_fields(
    data: bytes, mutate: Mutate, source: random.Random, room: int, depth: int
) -> bytes:
    parts = _fields_of(data)
    if not parts or source.random() < 0.05:
        return mutate(data, len(data) + room)
    number, wire_type, value, start, payload, end = parts[source.randrange(len(parts))]
    field = data[start:end]
    match source.randrange(16):
        case 0:
            field = b""
        case 1:
            field = field * 2 if len(field) <= room else b""
        case 2:
            other = parts[source.randrange(len(parts))]
            return _without(data, other) + field + data[other[3] : other[5]][:room]
        case 3:
            number = source.choice((number + 1, max(1, number - 1), source.randrange(1, 20)))
            kind = source.choice((wire_type, VARINT, LENGTH_DELIMITED))
            inner = data[payload:end] if wire_type == LENGTH_DELIMITED else varint(value)
            field = put_always(number, value) if kind == VARINT else put_bytes(number, inner)
        case 4:
            field += put_always(source.randrange(1, 20), source.choice(_NUMBERS))
        case 5:
            field += put_bytes(source.randrange(1, 20), mutate(data[payload:end], 16))
        case _ if wire_type == LENGTH_DELIMITED:
            inner = data[payload:end]
            if depth < 100 and _fields_of(inner) and source.random() < 0.9:
                inner = _change_fields(inner, mutate, source, room, depth + 1)
            else:
                inner = mutate(inner, len(inner) + room)
            field = put_bytes(number, inner)
        case 6 | 7 | 8 | 9 if wire_type == VARINT:
            near = value + source.choice((-1, 1, 2, -2))
            number_now = near if source.random() < 0.4 else source.choice(_NUMBERS)
            field = put_always(number, number_now)
        case _:
            field = mutate(field, len(field) + 8)
    return data[:start] + field + data[end:]


def _without(data: bytes, part: Field) -> bytes:
    return data[: part[3]] + data[part[5] :]


def _fields_of(data: bytes) -> list[Field]:
    """The fields of a message; none of what is no message."""
    try:
        return list(fields(data, 0, len(data)))
    except FormatError:
        return []


# ---------------------------------------------------------------- tables


def table_changes(change_value: Change) -> Change:
    """Changes of a table whose values are changed in that way."""

    def change(data: bytes, mutate: Mutate, source: random.Random, most: int) -> bytes:
        changed = b""
        match source.randrange(10):
            case 0:
                return mutate(data, most)
            case 1 | 2 | 3:
                return repaired(mutate(data, most))
            case 4 | 5:
                changed = _change_block(data, mutate, source, most)
            case _:
                changed = _change_entry(data, change_value, mutate, source, most)
        # Of bytes that are no table, or that grew too much.
        return changed if 0 < len(changed) <= most else repaired(mutate(data, most))

    return change


def repaired(data: bytes) -> bytes:
    """The table with fresh checksums for every block that can be found."""
    if len(data) < FOOTER_SIZE:
        return data
    fixed = bytearray(data)
    fixed[-8:] = MAGIC
    footer, position, numbers = data[-FOOTER_SIZE:], 0, []
    try:
        for _ in range(4):
            number, position = read_varint(footer, position, 40)
            numbers.append(number)
        metaindex, index = Handle(*numbers[:2]), Handle(*numbers[2:])
        _stamp(fixed, metaindex)
        _stamp(fixed, index)
        for _, value in parse_block(bytes(fixed[index.offset : index.offset + index.size])):
            offset, position = read_varint(value, 0, len(value))
            size, _ = read_varint(value, position, len(value))
            _stamp(fixed, Handle(offset, size))
    except FormatError:
        pass
    return bytes(fixed)


def _stamp(table: bytearray, handle: Handle) -> None:
    if handle.end <= len(table) - FOOTER_SIZE:
        end = handle.end - 4
        table[end : handle.end] = mask(crc32c(table[handle.offset : end])).to_bytes(4, "little")


def _change_block(data: bytes, mutate: Mutate, source: random.Random, most: int) -> bytes:
    """One block's contents, the packed ones of a packed block, or its compression."""
    try:
        table = open_table(BytesSource("", data))
    except FormatError:
        return b""
    keys = [key for key, _ in table.index] + [b"", b""]
    blocks = []
    handles = [handle for _, handle in table.index]
    position = handles[-1].end if handles else 0
    metaindex = _block_at(data, position)
    for handle in [*handles, metaindex, _block_at(data, metaindex.end)]:
        blocks.append((data[handle.offset : handle.offset + handle.size], data[handle.end - 5]))
    chosen = source.randrange(len(blocks))
    contents, compression = blocks[chosen]
    if source.random() < 0.1:
        compression = source.choice((0, 1, 2))
    else:
        contents = mutate(contents, max(1, most - len(data) + len(contents)))
    blocks[chosen] = contents, compression
    return assembled(blocks, keys, keep_index=chosen == len(blocks) - 1)


def _block_at(data: bytes, offset: int) -> Handle:
    """The metaindex or index block, where the footer says it is."""
    footer, position, numbers = data[-FOOTER_SIZE:], 0, []
    for _ in range(4):
        number, position = read_varint(footer, position, 40)
        numbers.append(number)
    first, second = Handle(*numbers[:2]), Handle(*numbers[2:])
    return first if first.offset == offset else second


def assembled(
    blocks: list[tuple[bytes, int]], keys: list[bytes], *, keep_index: bool = False
) -> bytes:
    """A table of these blocks: data, metaindex, index, each with its compression.

    The index is made anew, with these keys, unless it is to stay as it is.
    """
    output = bytearray()
    index = BlockBuilder(1)
    footer = b""
    for number, (contents, compression) in enumerate(blocks):
        if number == len(blocks) - 1 and not keep_index:
            contents, compression = index.contents(), 0  # noqa: PLW2901
        handle = Handle(len(output), len(contents))
        covered = contents + bytes((compression,))
        output += covered + mask(crc32c(covered)).to_bytes(4, "little")
        if number < len(blocks) - 2:
            index.add(keys[number], handle.encoded())
        else:
            footer += handle.encoded()
    return bytes(output + footer.ljust(FOOTER_SIZE - len(MAGIC), b"\0") + MAGIC)


def _change_entry(
    data: bytes, change_value: Change, mutate: Mutate, source: random.Random, most: int
) -> bytes:
    """A key, a value, or which entries there are."""
    try:
        entries = dict(open_table(BytesSource("", data)).entries())
    except FormatError:
        return b""
    key = source.choice(list(entries)) if entries else b""
    value = entries.get(key, b"")
    room = max(1, most - len(data))
    match source.randrange(10):
        case 0:
            entries.pop(key, None)
        case 1:
            entries[mutate(key, len(key) + room // 2)] = value
        case 2:
            entries.pop(key, None)
            entries[mutate(key, len(key) + room)] = value
        case 3:
            entries[key] = entries[source.choice(list(entries))] if entries else b""
        case _:
            entries[key] = change_value(value, mutate, source, len(value) + room)
    return write_table(sorted(entries.items()))
