"""The contents of a table's block: entries whose keys share their beginnings with those before.

The layout is in table, which says what blocks there are.
"""

from __future__ import annotations

import struct

from tfartifacts.errors import FormatError
from tfartifacts.formats.wire import read_varint, varint

# Bytes that the keys of a block may take from those before them: so many, and so many times the
# block. An entry of 5 bytes may share all of a key of 1 MiB; a genuine key is shorter than 1 KiB.
_SHARED_BYTES, _SHARED_TIMES = 1 << 20, 64


def most_shared(size: int) -> int:
    """Bytes that the keys of a block of that size may take from those before them."""
    return _SHARED_BYTES + _SHARED_TIMES * size


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
            raise descending(key, previous, start)
        append((key, contents[tail:position]))
    if restarts != whole_keys:
        _check_restarts(restarts, whole_keys)
    return entries


def descending(key: bytes, previous: bytes, offset: int) -> FormatError:
    return FormatError(
        f"found key {shown_key(key)} after {shown_key(previous)}, expected ascending keys",
        offset=offset,
    )


def shown_key(key: bytes) -> str:
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
            shared = shared_length(self.last_key, key)
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


def shared_length(first: bytes, second: bytes) -> int:
    most = min(len(first), len(second))
    if first[:most] == second[:most]:
        return most
    return next(i for i in range(most) if first[i] != second[i])
