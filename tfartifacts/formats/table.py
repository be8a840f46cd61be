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
from tfartifacts.formats.wire import read_varint, varint
from tfartifacts.records import dataclass, field

MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER_SIZE = 48
TRAILER_SIZE = 5
EMPTY_BLOCK = struct.pack("<II", 0, 1)

BLOCK_SIZE = 262144  # bytes; a block is closed when its estimated size reaches this
RESTART_INTERVAL = 16  # entries

MAX_BLOCK_SIZE = 1 << 32  # lengths within a block are 32-bit

# Bytes that the keys of a block may take from those before them: so many, and so many times the
# block. An entry of 5 bytes may share all of a key of 1 MiB; a genuine key is shorter than 1 KiB.
_SHARED_BYTES, _SHARED_TIMES = 1 << 20, 64


def most_shared(size: int) -> int:
    """Bytes that the keys of a block of that size may take from those before them."""
    return _SHARED_BYTES + _SHARED_TIMES * size


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
        previous: bytes | None = None
        for block_number, (last_key, handle) in enumerate(self.index):
            with located(self.source.path, handle.offset):
                entries = parse_block(read_block(self.source, handle))
                for fault in order_faults(entries, previous, last_key):
                    raise fault
            if entries:
                # Whoever looks for a key looks by these: the next block is all above it.
                previous = last_key
            elif len(self.index) > 1:
                raise FormatError(
                    f"found no entries in data block {block_number}",
                    path=self.source.path,
                    offset=handle.offset,
                )
            yield from entries

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
    entries: list[tuple[bytes, bytes]], previous: bytes | None, last_key: bytes
) -> Iterator[FormatError]:
    """Keys of a block that do not ascend from `previous`, or rise above the index's key."""
    for key, _ in entries:
        if previous is not None and key <= previous:
            yield _descending(key, previous, 0)
        previous = key
    if previous is not None and previous > last_key:
        yield FormatError(
            f"found key {_shown(previous)} above the index block's {_shown(last_key)}", offset=0
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
                f"found {_shown(following)} after {_shown(key)} in the index block, expected "
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


def parse_block(contents: bytes, *, in_order: bool = True) -> list[tuple[bytes, bytes]]:
    """Keys and values of a block's contents, in order.

    Raises FormatError for keys that do not ascend (unless not `in_order`), for restarts that are
    none, and for small blocks of very large keys.
    """
    restarts, end = _restarts(contents)
    entries: list[tuple[bytes, bytes]] = []
    append = entries.append
    whole_keys = []  # where entries begin that share nothing
    room = most_shared(len(contents))
    key = b""
    position = 0
    while position < end:
        start = position
        # Three lengths below 128 are the rule; the loop spends its time here.
        shared, unshared, value_size = contents[position : position + 3]
        if shared < 0x80 and unshared < 0x80 and value_size < 0x80:
            position += 3
        else:
            shared, position = read_varint(contents, position, end)
            unshared, position = read_varint(contents, position, end)
            value_size, position = read_varint(contents, position, end)
            room -= shared
            if room < 0 and shared <= len(key):
                raise FormatError(
                    f"found a block of {len(contents)} bytes with far more bytes of keys",
                    offset=start,
                )
        tail = position + unshared
        position = tail + value_size
        if shared > len(key) or position > end:
            raise FormatError("found an entry that reaches past its block", offset=start)
        previous = key
        if shared:
            key = key[:shared] + contents[tail - unshared : tail]
        else:
            key = contents[tail - unshared : tail]
            whole_keys.append(start)
        if key <= previous and start and in_order:
            raise _descending(key, previous, start)
        append((key, contents[tail:position]))
    if restarts != whole_keys:
        _check_restarts(restarts, whole_keys)
    return entries


def _descending(key: bytes, previous: bytes, offset: int) -> FormatError:
    return FormatError(
        f"found key {_shown(key)} after {_shown(previous)}, expected ascending keys", offset=offset
    )


def _shown(key: bytes) -> str:
    """A key as it is told; of a long one, which a hostile file may have, the ends."""
    return repr(key) if len(key) <= 200 else f"{key[:100]!r}...{key[-60:]!r}"


def _restarts(contents: bytes) -> tuple[list[int], int]:
    """The restarts of a block, and where its entries end."""
    if len(contents) < 4:
        raise FormatError(f"found a block of {len(contents)} bytes, expected 8 or more", offset=0)
    num_restarts = int.from_bytes(contents[-4:], "little")
    end = len(contents) - 4 - 4 * num_restarts
    if end < 0:
        raise FormatError(
            f"found {num_restarts} restarts, more than the block has room for",
            offset=len(contents) - 4,
        )
    if num_restarts == 0:
        raise FormatError("found no restart, expected one or more", offset=len(contents) - 4)
    # Each entry takes 3 bytes, so with a restart array behind it a slice of 3 is always there.
    return list(struct.unpack_from(f"<{num_restarts}I", contents, end)), end


def _check_restarts(restarts: list[int], whole_keys: list[int]) -> None:
    """That a search by way of the restarts, in which each is an entry's begin, ends as a walk.

    Not every entry that shares nothing is a restart; in an empty block there is one at 0.
    """
    known = {0, *whole_keys}
    previous = -1
    for restart in restarts:
        if restart <= previous or restart not in known or (previous < 0 and restart):
            raise FormatError(
                f"found a restart at {restart} after {max(previous, 0)}, expected the beginning of "
                "an entry with its whole key",
                offset=0,
            )
        previous = restart


class BlockBuilder:
    """Collects the entries of one block."""

    def __init__(self, restart_interval: int) -> None:
        self._interval = restart_interval
        self._buffer = bytearray()
        self._restarts = [0]
        self._since_restart = 0
        self.last_key = b""

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self._since_restart < self._interval:
            shared = _shared_length(self.last_key, key)
        else:
            self._restarts.append(len(self._buffer))
            self._since_restart = 0
        self._buffer += varint(shared) + varint(len(key) - shared) + varint(len(value))
        self._buffer += key[shared:]
        self._buffer += value
        self.last_key = key
        self._since_restart += 1

    @property
    def is_empty(self) -> bool:
        return not self._buffer

    @property
    def size(self) -> int:
        return len(self._buffer) + 4 * len(self._restarts) + 4

    def contents(self) -> bytes:
        restarts = struct.pack(f"<{len(self._restarts)}I", *self._restarts)
        return bytes(self._buffer) + restarts + struct.pack("<I", len(self._restarts))


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


def _shared_length(first: bytes, second: bytes) -> int:
    most = min(len(first), len(second))
    if first[:most] == second[:most]:
        return most
    return next(i for i in range(most) if first[i] != second[i])


def separator(last: bytes, following: bytes) -> bytes:
    """A short key not below `last` and below `following`."""
    shared = _shared_length(last, following)
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
