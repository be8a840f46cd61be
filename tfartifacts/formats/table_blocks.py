"""The contents of a table's block: entries whose keys share their beginnings with those before.

The layout is in table, which says what blocks there are.
"""

from __future__ import annotations

import struct
from itertools import islice
from operator import lt

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
    return list(zip(*parse_columns(contents, in_order=in_order), strict=True))


# Keys and values of a block, in order, as many of the one as of the other. Two lists of byte
# strings, which the garbage collector need not look into, take half as long as one of pairs.
Columns = tuple[list[bytes], list[bytes]]


def parse_columns(contents: bytes, *, in_order: bool = True) -> Columns:
    """What parse_block gives, as a list of keys and one of values. Raises as it does."""
    restarts, end = _restarts(contents)
    keys: list[bytes] = []
    values: list[bytes] = []
    try:
        whole_keys = _walk(contents, end, keys, values)
    except FormatError:
        # Of two faults the first is told.
        if in_order:
            _check_order(contents, keys)
        raise
    if in_order:
        _check_order(contents, keys)
    if restarts != whole_keys:
        _check_restarts(restarts, whole_keys)
    return keys, values


def _walk(contents: bytes, end: int, keys: list[bytes], values: list[bytes]) -> list[int]:
    """Append keys and values of the entries before `end`; where those begin that share nothing."""
    add_key, add_value = keys.append, values.append
    whole_keys = []
    room = most_shared(len(contents))
    key = b""
    position = 0
    # Behind the entries stand eight bytes and more: a look three ahead stays inside.
    while position < end:
        # Three lengths below 128 are the rule; the loop spends its time here.
        shared = contents[position]
        unshared = contents[position + 1]
        value_size = contents[position + 2]
        if shared | unshared | value_size < 0x80:
            tail = position + 3
        else:
            shared, tail = read_varint(contents, position, end)
            unshared, tail = read_varint(contents, tail, end)
            value_size, tail = read_varint(contents, tail, end)
            room -= shared
            if room < 0 and shared <= len(key):
                raise FormatError(
                    f"found a block of {len(contents)} bytes with far more bytes of keys",
                    offset=position,
                )
        value = tail + unshared
        after = value + value_size
        if after > end or shared > len(key):
            raise FormatError("found an entry that reaches past its block", offset=position)
        if shared:
            key = key[:shared] + contents[tail:value]
        else:
            key = contents[tail:value]
            whole_keys.append(position)
        add_key(key)
        add_value(contents[value:after])
        position = after
    return whole_keys


def _check_order(contents: bytes, keys: list[bytes]) -> None:
    """Raise FormatError, with where its entry begins, for a key that is not above the last one."""
    if all(map(lt, keys, islice(keys, 1, None))):
        return
    position = 0
    previous: bytes | None = None
    for key in keys:
        if previous is not None and key <= previous:
            raise descending(key, previous, position)
        previous = key
        _, after = read_varint(contents, position, len(contents))
        unshared, after = read_varint(contents, after, len(contents))
        value_size, after = read_varint(contents, after, len(contents))
        position = after + unshared + value_size


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
