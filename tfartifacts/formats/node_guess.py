"""The first nodes of a large graph, without a look at the length of each.

Where a node starts in the middle of a graph is guessed, by what a node begins with. A guess is not
trusted: the nodes before it are checked at once (node_check), which finds them in usual form only
if their last one ends just there. Where no guess holds, or nodes are few or large, the loop over
lengths takes over (node_scan).
"""

from __future__ import annotations

import re

from tfartifacts.formats.node_check import names_and_ops, worth_it
from tfartifacts.formats.wire import LENGTH_DELIMITED, read_varint
from tfartifacts.model.values import Buffer
from tfartifacts.storage.mapping import IN_MEMORY, let_go

_AT_ONCE = 1 << 16  # bytes of nodes; what is made of them fits where the last ones were
_MOST_GUESSES = 4
_SAMPLE = 256  # nodes by which it is told how many there are


def take_nodes(
    buffer: Buffer, start: int, end: int, number: int, names: list[str], ops: list[str]
) -> int:
    """Add names and ops of the nodes at the start of a message; where the others begin."""
    if number > 15 or not worth_it(_estimate(buffer, start, end, number)):
        return start
    tag = re.escape(bytes((number << 3 | LENGTH_DELIMITED,)))
    # A tag, a length of one byte or two, a name that is not empty.
    head = re.compile(tag + rb"(?:[\x08-\x7f]|[\x80-\xff][\x01-\x7f])\x0a[\x01-\x7f]")
    looked_at = start
    while end - start > 2 * _AT_ONCE:
        after = _take(buffer, start, number, head, names, ops)
        if after == start:
            break
        start = after
        if start - looked_at > IN_MEMORY:
            let_go(buffer)
            looked_at = start
    return start


def _take(
    buffer: Buffer,
    start: int,
    number: int,
    head: re.Pattern[bytes],
    names: list[str],
    ops: list[str],
) -> int:
    stretch = bytes(buffer[start : start + 2 * _AT_ONCE])
    for guess, match in enumerate(head.finditer(stretch, _AT_ONCE)):
        if guess == _MOST_GUESSES:
            break
        found = names_and_ops(stretch[: match.start()], number)
        if found is not None:
            names.extend(found[0])
            ops.extend(found[1])
            return start + match.start()
    return start


def _estimate(buffer: Buffer, start: int, end: int, number: int) -> int:
    """How many nodes there are if all are as the first ones; 0 if there are other fields first."""
    position = start
    tag = number << 3 | LENGTH_DELIMITED
    for count in range(_SAMPLE):
        if position + 12 > end or position + 12 > len(buffer):
            return count
        if buffer[position] != tag:
            return 0
        length, payload = read_varint(buffer, position + 1, position + 12)
        position = payload + length
    return _SAMPLE * (end - start) // (position - start)
