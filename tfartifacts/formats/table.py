"""A sorted table of byte strings, cut into blocks: `.index` files and V1 checkpoints.

    table   : data_block* metaindex_block index_block footer
    block   : contents trailer
    trailer : compression:u8 masked_crc32c:u32      compression: 0 none, 1 Snappy
                                                    checksum of the stored contents and that byte
    contents: entry* restart_offset:u32* num_restarts:u32
    entry   : shared:varint32 unshared:varint32 value_size:varint32 key_tail value
              key = the first `shared` bytes of the previous key, then key_tail;
              shared is 0 at each restart (every 16 entries; in the index block at each entry)
    index   : for each data block an entry; its key is not below the block's last key and below
              the next block's first; value = handle
    handle  : offset:varint64 size:varint64         size without the trailer
    footer  : metaindex_handle index_handle, zeros up to 40 bytes, MAGIC:u64

All integers little-endian; keys strictly ascending as unsigned bytes. The metaindex block is
always empty. Sources: tensorflow/core/lib/io/{format,block,table}*.cc, table_format.txt.

TensorFlow checks neither the order of keys, nor the metaindex block, nor that blocks fill the
file; here every byte of the file is accounted for, so that any damage is seen. It looks keys up by
way of the restarts: where one leads into the middle of an entry, it finds what no list shows.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

from tfartifacts.errors import ChecksumError, FormatError, NotThisFormatError, located
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.formats.table_blocks import (
    BlockBuilder,
    Columns,
    descending,
    parse_block,
    parse_columns,
    shared_length,
    shown_key,
)
from tfartifacts.formats.wire import read_varint, varint
from tfartifacts.records import dataclass, field

MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER_SIZE = 48
TRAILER_SIZE = 5
EMPTY_BLOCK = struct.pack("<II", 0, 1)

BLOCK_SIZE = 262144  # bytes; a block is closed when its estimated size reaches this
RESTART_INTERVAL = 16  # entries

MAX_BLOCK_SIZE = 1 << 32  # lengths within a block are 32-bit


class Source(Protocol):
    """A file's bytes by range."""

    @property
    def path(self) -> str: ...

    @property
    def size(self) -> int: ...

    def read(self, offset: int, size: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Handle:
    """Where a block's contents lie; `size` is without the trailer."""

    offset: int
    size: int

    @property
    def end(self) -> int:
        return self.offset + self.size + TRAILER_SIZE

    def encoded(self) -> bytes:
        return varint(self.offset) + varint(self.size)


@dataclass(frozen=True, slots=True)
class Table:
    """An opened table: its index is read and checked, its data blocks are read when needed.

    `index` has the index block's key and the handle of each data block.
    """

    source: Source
    index: tuple[tuple[bytes, Handle], ...]
    _recent: list[tuple[Handle, Mapping[bytes, bytes]]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def __reduce__(self) -> tuple[object, ...]:
        return Table, (self.source, self.index)

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys and values, in order. Raises ChecksumError, FormatError for damage."""
        for keys, values in self.blocks():
            yield from zip(keys, values, strict=True)

    def blocks(self) -> Iterator[Columns]:
        """The keys and the values of each data block, in order. Raises as `entries` does."""
        previous: bytes | None = None
        for block_number, (last_key, handle) in enumerate(self.index):
            with located(self.source.path, handle.offset):
                keys, values = parse_columns(read_block(self.source, handle))
                # Within the block they ascend.
                ends = keys if len(keys) < 2 else (keys[0], keys[-1])
                for fault in order_faults(ends, previous, last_key):
                    raise fault
            if keys:
                # Whoever looks for a key looks by these: the next block is all above it.
                previous = last_key
            elif len(self.index) > 1:
                raise FormatError(
                    f"found no entries in data block {block_number}",
                    path=self.source.path,
                    offset=handle.offset,
                )
            yield keys, values

    def first_entry(self) -> tuple[bytes, bytes] | None:
        """The entry with the smallest key; None in an empty table. Reads one block."""
        if not self.index:
            return None
        handle = self.index[0][1]
        with located(self.source.path, handle.offset):
            entries = parse_block(read_block(self.source, handle))
        return entries[0] if entries else None

    def get(self, key: bytes) -> bytes | None:
        """The value of a key; None where it is missing. Reads one block, unless it just did."""
        from bisect import bisect_left

        position = bisect_left(self.index, key, key=lambda entry: entry[0])
        if position == len(self.index):
            return None
        return self._block(self.index[position][1]).get(key)

    def _block(self, handle: Handle) -> Mapping[bytes, bytes]:
        """A block's entries; those of the last one that was asked for are kept.

        A block may hold thousands of values, which are asked for one by one.
        """
        for known, entries in self._recent:
            if known == handle:
                return entries
        with located(self.source.path, handle.offset):
            # Of equal keys the first one holds, as for TensorFlow.
            block = dict(reversed(parse_block(read_block(self.source, handle))))
        if len(block) > 1:  # a value that has a block of its own is large
            self._recent[:] = [(handle, block)]
        return block


def order_faults(
    keys: Iterable[bytes], previous: bytes | None, last_key: bytes
) -> Iterator[FormatError]:
    """Keys of a block that do not ascend from `previous`, or rise above the index's key."""
    for key in keys:
        if previous is not None and key <= previous:
            yield descending(key, previous, 0)
        previous = key
    if previous is not None and previous > last_key:
        yield FormatError(
            f"found key {shown_key(previous)} above the index block's {shown_key(last_key)}",
            offset=0,
        )


def is_table(tail: bytes) -> bool:
    """Whether a file with these last bytes ends as a table does."""
    return tail[-8:] == MAGIC


def open_table(source: Source) -> Table:
    """Read footer, index block and metaindex block.

    Raises NotThisFormatError if the file does not end in MAGIC, ChecksumError or FormatError
    (with the offset) for anything wrong in those three.
    """
    with located(source.path):
        metaindex, index = read_footer(source)
    with located(source.path, metaindex.offset):
        check_metaindex(source, metaindex)
    with located(source.path, index.offset):
        entries = [
            (key, parse_handle(value)) for key, value in parse_block(read_block(source, index))
        ]
    with located(source.path):
        for fault in layout_faults(entries, metaindex, index, source.size - FOOTER_SIZE):
            raise fault
    return Table(source, tuple(entries))


def read_footer(source: Source) -> tuple[Handle, Handle]:
    """Where the metaindex block and the index block lie. Raises as open_table does."""
    if source.size < FOOTER_SIZE:
        raise NotThisFormatError(
            f"found {source.size} bytes, a table has at least {FOOTER_SIZE}; "
            "the file is truncated or no checkpoint",
            offset=0,
        )
    footer_offset = source.size - FOOTER_SIZE
    footer = source.read(footer_offset, FOOTER_SIZE)
    if footer[-8:] != MAGIC:
        raise NotThisFormatError(
            f"found 0x{footer[-8:].hex()} at the end, expected 0x{MAGIC.hex()}; "
            "the file is truncated or no checkpoint",
            offset=source.size - 8,
        )
    return _parse_footer(footer, footer_offset)


def check_metaindex(source: Source, metaindex: Handle) -> None:
    if read_block(source, metaindex) != EMPTY_BLOCK:
        raise FormatError("found entries in the metaindex block, expected none", offset=0)


def _parse_footer(footer: bytes, footer_offset: int) -> tuple[Handle, Handle]:
    with located(None, footer_offset):
        position = 0
        numbers = []
        for _ in range(4):
            number, position = read_varint(footer, position, 40)
            numbers.append(number)
        if any(footer[position:40]):
            raise FormatError("found bytes other than 0 in the footer's padding", offset=position)
        metaindex, index = Handle(*numbers[:2]), Handle(*numbers[2:])
        # The footer has no checksum: a bit that makes a number longer takes a 0 of the padding.
        if footer[:position] != metaindex.encoded() + index.encoded():
            raise FormatError("found a number longer than it need be in the footer", offset=0)
    return metaindex, index


def parse_handle(value: bytes) -> Handle:
    offset, position = read_varint(value, 0, len(value))
    size, position = read_varint(value, position, len(value))
    if position != len(value):
        raise FormatError("found bytes after a block handle", offset=0)
    return Handle(offset, size)


def layout_faults(
    entries: Sequence[tuple[bytes, Handle]], metaindex: Handle, index: Handle, footer_offset: int
) -> Iterator[FormatError]:
    """Blocks that do not follow each other from the first byte to the footer; keys in disorder."""
    position = 0
    for handle in [*(handle for _, handle in entries), metaindex, index]:
        if handle.offset != position:
            yield FormatError(
                f"found a block at byte {handle.offset}, expected the next one here",
                offset=position,
            )
        position = handle.end
        if position > footer_offset:
            raise FormatError(
                f"found a block of {handle.size} bytes that reaches past the end of the blocks",
                offset=handle.offset,
            )
    if position != footer_offset:
        yield FormatError("found bytes between the last block and the footer", offset=position)
    for (key, _), (following, _) in pairwise(entries):
        if following <= key:
            yield FormatError(
                f"found {shown_key(following)} after {shown_key(key)} in the index block, expected "
                "ascending keys",
                offset=index.offset,
            )


def read_block(source: Source, handle: Handle, end: int | None = None) -> bytes:
    """A block's contents, its checksum checked, unpacked. Offsets in errors count from it.

    `end` is where blocks end, if not where the footer begins.
    """
    if (
        handle.end > (source.size - FOOTER_SIZE if end is None else end)
        or handle.size > MAX_BLOCK_SIZE
    ):
        raise FormatError(
            f"found a block of {handle.size} bytes that reaches past the end of the blocks; "
            "the file is truncated or damaged",
            offset=0,
        )
    stored = source.read(handle.offset, handle.size + TRAILER_SIZE)
    contents = stored[: handle.size]
    compression = stored[handle.size]
    expected = int.from_bytes(stored[handle.size + 1 :], "little")
    computed = mask(crc32c(stored[: handle.size + 1]))
    if computed != expected:
        raise ChecksumError(
            f"found block checksum 0x{expected:08x}, computed 0x{computed:08x}; "
            "the file is damaged",
            offset=0,
        )
    if compression == 0:
        return contents
    if compression == 1:
        from tfartifacts.formats.snappy import decompress

        return decompress(contents)
    raise FormatError(
        f"found compression type {compression}, expected 0 (none) or 1 (Snappy)",
        offset=handle.size,
    )


def write_table(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A table with these entries, byte for byte as TensorFlow writes it.

    The keys must be strictly ascending; ValueError otherwise.
    """
    output = bytearray()
    index = BlockBuilder(restart_interval=1)
    block = BlockBuilder(RESTART_INTERVAL)
    pending: Handle | None = None  # the block just closed; its separator needs the next key
    pending_last = previous = None

    def close() -> None:
        nonlocal block, pending, pending_last
        pending, pending_last = _write_block(output, block.contents()), block.last_key
        block = BlockBuilder(RESTART_INTERVAL)

    for key, value in entries:
        if previous is not None and key <= previous:
            raise ValueError(f"keys are not ascending: {key!r} after {previous!r}")
        previous = key
        # table_builder.cc: a large value starts a block of its own.
        if not block.is_empty and len(key) + len(value) >= 2 * BLOCK_SIZE:
            close()
        if pending is not None and pending_last is not None:
            index.add(separator(pending_last, key), pending.encoded())
            pending = None
        block.add(key, value)
        if block.size >= BLOCK_SIZE:
            close()
    if not block.is_empty:
        close()
    metaindex = _write_block(output, EMPTY_BLOCK)
    if pending is not None and pending_last is not None:
        index.add(successor(pending_last), pending.encoded())
    footer = metaindex.encoded() + _write_block(output, index.contents()).encoded()
    return bytes(output + footer.ljust(FOOTER_SIZE - len(MAGIC), b"\0") + MAGIC)


def _write_block(output: bytearray, contents: bytes) -> Handle:
    handle = Handle(len(output), len(contents))
    covered = contents + b"\0"
    output += covered + mask(crc32c(covered)).to_bytes(4, "little")
    return handle


def separator(last: bytes, following: bytes) -> bytes:
    """A short key not below `last` and below `following`."""
    shared = shared_length(last, following)
    if shared < min(len(last), len(following)):
        byte = last[shared]
        if byte < 0xFF and byte + 1 < following[shared]:
            return last[:shared] + bytes((byte + 1,))
    return last


def successor(last: bytes) -> bytes:
    """A short key not below `last`."""
    for position, byte in enumerate(last):
        if byte != 0xFF:
            return last[:position] + bytes((byte + 1,))
    return last
