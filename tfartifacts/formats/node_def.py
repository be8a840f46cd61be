"""One node of a graph, as it is stored.

    NodeDef  : 1 name  2 op  3 input*  4 device  5 attr (map)  6 debug info  7 full type

Source: tensorflow/core/framework/node_def.proto.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from tfartifacts.errors import FormatError, located
from tfartifacts.formats.attr_values import encode_attr, read_attr
from tfartifacts.formats.tensor_proto import EncodedTensor
from tfartifacts.formats.wire import (
    Message,
    fields,
    put_bytes,
    put_entry,
    put_text,
    varint,
)
from tfartifacts.model.graphs import Node
from tfartifacts.model.values import Buffer
from tfartifacts.records import replace

Span = tuple[int, int]


class EncodedAttrs(Mapping[str, Any]):
    """A node's attributes; a value is decoded when it is asked for."""

    __slots__ = ("_base", "_buffer", "_index", "_path", "_spans")

    def __init__(
        self, buffer: Buffer, spans: Sequence[Span], path: str | None = None, base: int = 0
    ) -> None:
        self._buffer = buffer
        self._spans = spans
        self._path = path  # for errors: they are met long after the file was opened
        self._base = base  # where the buffer begins in the file
        self._index: dict[str, Message] | None = None

    def _values(self) -> dict[str, Message]:
        if self._index is None:
            entries = (Message(self._buffer, *span) for span in self._spans)
            with located(self._path, self._base):
                self._index = {entry.text(1): entry for entry in entries}
        return self._index

    def __getitem__(self, name: str) -> Any:
        entry = self._values()[name]
        with located(self._path, self._base):
            encoded = entry.message(2)
            value = None if encoded is None else read_attr(encoded)
        # A tensor is decoded later still.
        return replace(value, path=self._path) if isinstance(value, EncodedTensor) else value

    def __contains__(self, name: object) -> bool:
        return name in self._values()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())

    def __repr__(self) -> str:
        return f"EncodedAttrs({dict(self)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        # The buffer is the whole file's: one node is pickled with its own part of it.
        spans = self._spans
        first = min((start for start, _ in spans), default=0)
        last = max((end for _, end in spans), default=0)
        own = [(start - first, end - first) for start, end in spans]
        buffer = bytes(self._buffer[first:last])
        return EncodedAttrs, (buffer, own, self._path, self._base + first)

    def only(self, names: Collection[str]) -> EncodedAttrs:
        """The attributes of these names; the others are left out."""
        spans = [span for name, span in self._entries() if name in names]
        return EncodedAttrs(self._buffer, spans, self._path, self._base)

    def _entries(self) -> Iterator[tuple[str, Span]]:
        return ((Message(self._buffer, *span).text(1), span) for span in self._spans)

    def encoded(self) -> list[Buffer]:
        """The map's entries, as they stand in the file."""
        pieces: list[Buffer] = []
        for start, end in self._spans:
            pieces += [b"\x2a" + varint(end - start), memoryview(self._buffer)[start:end]]
        return pieces


def read_node(buffer: Buffer, start: int, end: int, path: str | None = None) -> Node:
    """One NodeDef; `path` is for errors of its attributes.

    Raises FormatError with its offset in the buffer.
    """
    name = op = device = ""
    inputs: list[str] = []
    attrs: list[Span] = []
    unknown: list[bytes] = []
    position = start
    try:
        while position < end:
            # Fields 1 to 5 with a length below 128 are the rule; the loop spends its time here.
            tag = buffer[position]
            length = buffer[position + 1]
            if tag in _NODE_TAGS and length < 0x80:
                payload = position + 2
                field_end = payload + length
                if field_end > end:
                    raise FormatError("found a field that reaches past its node", offset=position)
            else:
                number, wire_type, _, field_start, payload, field_end = next(
                    fields(buffer, position, end)
                )
                tag = number << 3 | wire_type
                if tag not in _NODE_TAGS:
                    unknown.append(bytes(buffer[field_start:field_end]))
                    position = field_end
                    continue
            if tag == 0x2A:
                attrs.append((payload, field_end))
            else:
                text = str(buffer[payload:field_end], "utf-8")
                if tag == 0x0A:
                    name = text
                elif tag == 0x12:
                    op = text
                elif tag == 0x1A:
                    inputs.append(text)
                else:
                    device = text
            position = field_end
    except UnicodeDecodeError as error:
        raise FormatError(
            "found a name that is not UTF-8 in a node", offset=payload + error.start
        ) from None
    except IndexError:
        raise FormatError("found the end, expected more of a node", offset=position) from None
    return Node(
        name, op, tuple(inputs), device, EncodedAttrs(buffer, attrs, path), b"".join(unknown)
    )


_NODE_TAGS = frozenset((0x0A, 0x12, 0x1A, 0x22, 0x2A))


def encode_node(node: Node) -> list[Buffer]:
    """A NodeDef, in pieces; attributes that were read are written as they were."""
    head = put_text(1, node.name) + put_text(2, node.op)
    head += b"".join(put_bytes(3, name.encode()) for name in node.inputs)
    pieces: list[Buffer] = [head + put_text(4, node.device)]
    if isinstance(node.attrs, EncodedAttrs):
        pieces += node.attrs.encoded()
    else:
        pieces += [put_entry(5, key, encode_attr(value)) for key, value in node.attrs.items()]
    if node.unknown_fields:
        pieces.append(node.unknown_fields)
    return pieces
