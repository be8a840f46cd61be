"""Where the nodes of a graph or function lie, with their names and ops.

A graph may have a million nodes: they are told apart by one loop over their lengths, and checked a
run at a time (node_check) or one by one. What is large in a node, its constant, is not looked at.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections.abc import Sequence

from tfartifacts.errors import FormatError
from tfartifacts.formats.node_def import NodeFields
from tfartifacts.formats.wire import (
    BYTES_OF_FIELD,
    LENGTH_DELIMITED,
    Field,
    Message,
    Span,
    fields,
    most_fields,
    read_varint,
    too_many_fields,
)
from tfartifacts.model.collecting import not_collecting
from tfartifacts.model.values import Buffer
from tfartifacts.storage.mapping import IN_MEMORY, let_go

_AT_ONCE = 1 << 16  # bytes of nodes; what is made of them fits where the last ones were
LARGE = 1 << 18  # bytes; what is smaller has not so many nodes that they were checked at once
_FEW = 32  # nodes; a run of fewer is looked at one by one


# Nodes whose fields touch: the first, the one after the last; the start and end of all.
Run = tuple[int, int, int, int]


class NodeTable:
    """Where the field of each node starts, what it is called, which are in usual form.

    Positions are in an array of numbers of 64 bits: a list of spans would take twenty times the
    room. They lack those of nodes that were guessed right (node_guess), which lie in `guessed`: see
    `positions_in`. The runs hold all nodes, in order; `number` is that of the fields.
    """

    # No dataclass: Python makes those anew in each process, in a thousandth of a second.
    __slots__ = ("guessed", "names", "number", "ops", "positions", "runs", "usual")

    def __init__(
        self,
        positions: Sequence[int],
        names: list[str],
        ops: list[str],
        usual: bytearray,
        runs: tuple[Run, ...] = (),
        number: int = 0,
        guessed: Span = (0, 0),
    ) -> None:
        self.positions = positions
        self.names = names
        self.ops = ops
        self.usual = usual
        self.runs = runs
        self.number = number
        self.guessed = guessed

    def __len__(self) -> int:
        return len(self.names)


def scan_nodes(
    buffer: Buffer, start: int, end: int, number: int, depth: int = 0, *, many: bool = False
) -> tuple[NodeTable, Message]:
    """The nodes of a message, fields of that number, and the message of its other fields.

    `many`: it is one of those that together hold many nodes. Raises FormatError with the byte
    offset for a node that is damaged or lacks a name or an op.
    """
    with not_collecting():
        names: list[str] = []
        ops: list[str] = []
        begun = start
        if end - start > LARGE:
            # What small graphs do not need is not imported for them.
            from tfartifacts.formats.node_guess import take_nodes

            begun = take_nodes(buffer, start, end, number, names, ops)
        usual = bytearray(b"\1") * len(names)
        guessed: Run = (0, len(names), start, begun)
        found = _Finder(buffer, begun, end, number)
        found.find()
        positions, runs = found.positions, tuple(found.runs)
        rest = NodeTable(positions, [], [], bytearray(len(positions)), runs, number)
        if many or end - start > LARGE:
            _check_at_once(buffer, rest, many, len(names))
        else:
            _check_each(buffer, range(len(rest.positions)), rest)
        if names:
            names += rest.names
            ops += rest.ops
            usual += rest.usual
            rest = NodeTable(positions, names, ops, usual, (guessed, *runs), number, (start, begun))
    return rest, Message(buffer, start, end, depth, found.others)


def positions_in(buffer: Buffer, table: NodeTable) -> Sequence[int]:
    """Where the field of each node of a table starts."""
    start, end = table.guessed
    if start == end:
        return table.positions
    found = _Finder(buffer, start, end, table.number)
    with not_collecting():
        found.find()
    found.positions.extend(table.positions)
    return found.positions


def payload_of(buffer: Buffer, position: int) -> Span:
    """Where the payload of the length-delimited field is that starts there, and was checked."""
    length = buffer[position + 1]
    if buffer[position] < 0x80:
        if length < 0x80:
            return position + 2, position + 2 + length
        length, payload = read_varint(buffer, position + 1, len(buffer))
        return payload, payload + length
    *_, payload, end = next(fields(buffer, position, len(buffer)))
    return payload, end


class _Finder:
    """Tells a message's fields of one number, in runs without a gap, from its others."""

    def __init__(self, buffer: Buffer, start: int, end: int, number: int) -> None:
        self.buffer = buffer
        self.start = start
        self.end = end
        self.number = number
        self.positions: array[int] = array("Q")
        self.runs: list[Run] = []
        self.others: list[Field] = []

    def find(self) -> None:
        position, end = self.start, self.end
        # Where the head of a field fits: no node is as short as what is left then.
        head_end = min(end, len(self.buffer) - 2)
        while position < end:
            begun, run_start = len(self.positions), position
            position = self._find_run(position, min(head_end, position + IN_MEMORY))
            self._add_run(begun, run_start, position)
            if position - run_start >= IN_MEMORY:
                let_go(self.buffer)
            elif position < end:
                position = self._find_other(position)

    def _find_run(self, position: int, end: int) -> int:
        """Nodes up to the end, or to a field that is out of the ordinary; where that starts."""
        buffer, last = self.buffer, self.end
        add = self.positions.append
        usual_tag = self.number << 3 | LENGTH_DELIMITED
        while position < end:
            # Tags of one byte and lengths of one or two are the rule; the loop has to be quick.
            length = buffer[position + 1]
            if length < 0x80:
                after = position + length + 2
            elif (high := buffer[position + 2]) < 0x80:
                after = position + length + (high << 7) - 125
            else:
                break
            if after > last or length < BYTES_OF_FIELD or buffer[position] != usual_tag:
                break
            add(position)
            position = after
        return position

    def _find_other(self, position: int) -> int:
        """A field that is out of the ordinary: a large or tiny node, or none. Returns its end."""
        field = next(fields(self.buffer, position, self.end))
        number, wire_type, _, start, _, after = field
        most = most_fields(self.start, self.end)
        if len(self.positions) + len(self.others) == most:
            raise too_many_fields(most, start)
        if (number, wire_type) == (self.number, LENGTH_DELIMITED):
            self.positions.append(start)
            self._add_run(len(self.positions) - 1, start, after)
        else:
            self.others.append(field)
        return after

    def _add_run(self, first: int, start: int, end: int) -> None:
        if end > start:
            self.runs.append((first, len(self.positions), start, end))


def _check_at_once(buffer: Buffer, table: NodeTable, many: bool, others: int) -> None:
    """Look at the nodes, and note their names and ops; there are `others` besides."""
    from tfartifacts.formats.node_check import names_and_ops, worth_it

    at_once = many or worth_it(others + len(table.positions))
    looked_at = 0
    for first, last, run_start, run_end in table.runs:
        if not at_once or last - first < _FEW:
            _check_each(buffer, range(first, last), table)
            continue
        position, start = first, run_start
        while position < last:
            after = bisect_right(table.positions, start + _AT_ONCE, position + 1, last)
            end = run_end if after == last else table.positions[after]
            found = names_and_ops(bytes(buffer[start:end]), table.number)
            if found is None:
                _check_each(buffer, range(position, after), table)
            else:
                table.names.extend(found[0])
                table.ops.extend(found[1])
                table.usual[position:after] = b"\1" * (after - position)
            position, start = after, end
            if start >= looked_at:
                let_go(buffer)
                looked_at = start + IN_MEMORY


def _check_each(buffer: Buffer, positions: range, table: NodeTable) -> None:
    for position in positions:
        start, end = payload_of(buffer, table.positions[position])
        node = NodeFields(buffer, start, end)
        if not node.name or not node.op:
            missing = "an op" if node.name else "a name"
            raise FormatError(f"found a node {node.name!r} without {missing}", offset=start)
        table.names.append(node.name)
        table.ops.append(sys.intern(node.op))
        table.usual[position] = node.is_usual
