"""The nodes of a graph or function where they stand in the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from tfartifacts.errors import located
from tfartifacts.formats.node_def import EncodedAttrs, NodeFields, read_device, read_tail
from tfartifacts.formats.node_scan import NodeTable, Run, payload_of, positions_in
from tfartifacts.formats.wire import LENGTH_DELIMITED, Span, varint
from tfartifacts.model.graphs import Node
from tfartifacts.model.unread import unread_node, unread_nodes
from tfartifacts.model.values import Buffer


class EncodedNodes(Sequence[Node]):
    """Nodes that were checked, but only whose names and ops were kept.

    A Node is made when it is asked for, and again when it is asked for again; it reads the rest
    from here. A graph of a million nodes takes the room of its encoding and of its names.
    """

    __slots__ = ("_base", "_buffer", "_found", "_path", "_table")

    def __init__(
        self, buffer: Buffer, table: NodeTable, path: str | None = None, base: int = 0
    ) -> None:
        self._buffer = buffer
        self._table = table
        self._path = path  # for errors of attributes
        self._base = base  # where the buffer begins in the file
        self._found: Sequence[int] | None = None

    @property
    def _positions(self) -> Sequence[int]:
        """Where the field of each node starts."""
        if self._found is None:
            self._found = positions_in(self._buffer, self._table)
        return self._found

    def __len__(self) -> int:
        return len(self._table)

    @overload
    def __getitem__(self, position: int) -> Node: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[Node]: ...
    def __getitem__(self, position: int | slice) -> Node | Sequence[Node]:
        table = self._table
        if isinstance(position, slice):
            part = NodeTable(
                self._positions[position],
                table.names[position],
                table.ops[position],
                table.usual[position],
            )
            return EncodedNodes(self._buffer, part, self._path, self._base)
        position = range(len(table))[position]
        return unread_node(Node, table.names[position], table.ops[position], self, position)

    def __iter__(self) -> Iterator[Node]:
        return unread_nodes(Node, self._table.names, self._table.ops, self)

    @property
    def names(self) -> Sequence[str]:
        return self._table.names

    @property
    def ops(self) -> Sequence[str]:
        return self._table.ops

    def tail(self, position: int) -> tuple[tuple[str, ...], str, EncodedAttrs]:
        buffer, table = self._buffer, self._table
        start, end = payload_of(buffer, self._positions[position])
        if table.usual[position]:
            inputs, device, first = read_tail(buffer, start, end)
            return inputs, device, EncodedAttrs(buffer, (first, end), self._path, self._base)
        with located(self._path, self._base):
            node = NodeFields(buffer, start, end)
        attrs = EncodedAttrs(buffer, node.attrs, self._path, self._base)
        return tuple(node.inputs), node.device, attrs

    def all_inputs(self) -> Iterator[tuple[str, ...]]:
        """The inputs of each node, in order."""
        buffer, table = self._buffer, self._table
        for position, usual in zip(self._positions, table.usual, strict=True):
            start, end = payload_of(buffer, position)
            yield (
                read_tail(buffer, start, end)[0]
                if usual
                else tuple(NodeFields(buffer, start, end).inputs)
            )

    def all_devices(self) -> Iterator[str]:
        """The device of each node, in order."""
        buffer, table = self._buffer, self._table
        for position, usual in zip(self._positions, table.usual, strict=True):
            start, end = payload_of(buffer, position)
            read = read_device if usual else _device_of
            yield read(buffer, start, end)

    def encoded_node(self, position: int) -> Buffer:
        start, end = payload_of(self._buffer, self._positions[position])
        return memoryview(self._buffer)[start:end]

    def unknown_fields(self, position: int) -> bytes:
        start, end = payload_of(self._buffer, self._positions[position])
        with located(self._path, self._base):
            return b"".join(NodeFields(self._buffer, start, end).unknown)

    def encoded(self, number: int) -> list[Buffer]:
        """The nodes as fields of that number."""
        table = self._table
        view = memoryview(self._buffer)
        if table.number == number:
            return [view[start:end] for start, end in _joined(table.runs)]
        tag = varint(number << 3 | LENGTH_DELIMITED)
        pieces: list[Buffer] = []
        for position in self._positions:
            start, end = payload_of(self._buffer, position)
            pieces += [tag + varint(end - start), view[start:end]]
        return pieces

    def __reduce__(self) -> tuple[object, ...]:
        # The buffer is the whole file's: nodes are pickled with their own part of it.
        table = self._table
        first = min(self._positions, default=0)
        last = payload_of(self._buffer, max(self._positions))[1] if self._positions else 0
        positions = [position - first for position in self._positions]
        own = NodeTable(positions, table.names, table.ops, table.usual)
        buffer = bytes(self._buffer[first:last])
        return EncodedNodes, (buffer, own, self._path, self._base + first)


def _device_of(buffer: Buffer, start: int, end: int) -> str:
    return NodeFields(buffer, start, end).device


def _joined(runs: Iterable[Run]) -> list[Span]:
    """Where the runs are, those that touch as one."""
    spans: list[Span] = []
    for _, _, start, end in runs:
        if spans and spans[-1][1] == start:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans
