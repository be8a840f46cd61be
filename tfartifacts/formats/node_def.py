"""One node of a graph, as it is stored.

    NodeDef  : 1 name  2 op  3 input*  4 device  5 attr (map)  6 debug info  7 full type

Source: tensorflow/core/framework/node_def.proto.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from tfartifacts.dtypes import DType, dtype_from_number
from tfartifacts.errors import FormatError, TfArtifactsError, place
from tfartifacts.formats.attr_values import encode_attr, read_attr
from tfartifacts.formats.tensor_proto import EncodedTensor
from tfartifacts.formats.wire import (
    Message,
    Span,
    fields,
    put_bytes,
    put_entry,
    put_text,
    read_varint,
    varint,
)
from tfartifacts.model.graphs import Node
from tfartifacts.model.values import Buffer
from tfartifacts.records import replace


class EncodedAttrs(Mapping[str, Any]):
    """A node's attributes; where they are is found, and a value decoded, when it is asked for.

    `where` is the span of each of the map's entries; or the span of all of them, tags included, and
    of what follows in a node in usual form (node_check).
    """

    __slots__ = ("_base", "_buffer", "_index", "_path", "_where")

    def __init__(
        self,
        buffer: Buffer,
        where: Sequence[Span] | Span,
        path: str | None = None,
        base: int = 0,
    ) -> None:
        self._buffer = buffer
        self._where = where
        self._path = path  # for errors: they are met long after the file was opened
        self._base = base  # where the buffer begins in the file
        self._index: dict[str, Span | Message] | None = None

    @property
    def _spans(self) -> Sequence[Span]:
        where = self._where
        if where and isinstance(where[0], int):
            start, end = where
            return _entry_spans(self._buffer, start, end)  # type: ignore[arg-type]  # a Span
        return where  # type: ignore[return-value]  # of several

    def _values(self) -> dict[str, Span | Message]:
        """Where the value of each attribute is; an entry that is out of the ordinary is itself."""
        index = self._index
        if index is None:
            buffer = self._buffer
            index = {}
            try:
                for start, end in self._spans:
                    name, value = _read_entry(buffer, start, end)
                    index[name] = value
            except FormatError as error:
                place(error, self._path, self._base)
                raise
            self._index = index
        return index

    def __getitem__(self, name: str) -> Any:
        found = self._values()[name]
        try:
            encoded: Message | None
            if isinstance(found, tuple):
                start, end = found
                buffer = self._buffer
                if _is_plain(buffer, start, end):
                    return _read_plain(buffer, start, end)
                if _is_one_text(buffer, start, end):
                    return [bytes(buffer[start + 4 : end])]
                encoded = Message(buffer, start, end, 1)  # in an entry
            else:
                encoded = found.message(2)
            value = None if encoded is None else read_attr(encoded)
        except TfArtifactsError as error:
            place(error, self._path, self._base)
            raise
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

    def lists_and_calls(self) -> Iterator[str]:
        """The names of attributes, without those that hold a single type, number or text."""
        for name, found in self._values().items():
            if not isinstance(found, tuple) or not _is_plain(self._buffer, *found):
                yield name

    def only(self, names: Collection[str]) -> EncodedAttrs:
        """The attributes of these names; the others are left out."""
        entries = ((Message(self._buffer, *span).text(1), span) for span in self._spans)
        spans = [span for name, span in entries if name in names]
        return EncodedAttrs(self._buffer, spans, self._path, self._base)

    def encoded(self) -> list[Buffer]:
        """The map's entries, as they stand in the file."""
        pieces: list[Buffer] = []
        for start, end in self._spans:
            pieces += [b"\x2a" + varint(end - start), memoryview(self._buffer)[start:end]]
        return pieces


_LIST, _TEXT, _INTEGER, _FLAG, _TYPE = (
    0x0A,
    0x12,
    0x18,
    0x28,
    0x30,
)  # tags of the values most attributes have


def _is_plain(buffer: Buffer, start: int, end: int) -> bool:
    """Whether a value is nothing but a short text, or a number, flag or type of one byte."""
    if end - start < 2 or buffer[start + 1] >= 0x80:
        return False
    if buffer[start] == _TEXT:
        return buffer[start + 1] == end - start - 2
    return end - start == 2 and buffer[start] in (_INTEGER, _FLAG, _TYPE)


def _is_one_text(buffer: Buffer, start: int, end: int) -> bool:
    """Whether a value is a list of one short text, as every colocation (`_class`) is."""
    if end - start < 4 or buffer[start] != _LIST or buffer[start + 1] != end - start - 2:
        return False
    return buffer[start + 2] == _TEXT and buffer[start + 3] == end - start - 4 < 0x80 - 2


def _read_plain(buffer: Buffer, start: int, end: int) -> bytes | int | bool | DType | None:
    """As read_attr, which takes ten times as long, of what most attributes hold."""
    tag, number = buffer[start], buffer[start + 1]
    if tag == _TEXT:
        return bytes(buffer[start + 2 : end])
    if tag == _TYPE:
        return dtype_from_number(number) if number else None
    return number != 0 if tag == _FLAG else number


def _entry_spans(buffer: Buffer, start: int, end: int) -> list[Span]:
    """Where the entries are, fields 5 at the start of a part of a node."""
    spans = []
    while start < end and buffer[start] == 0x2A:
        payload = start + 2
        length = buffer[start + 1]
        if length >= 0x80:
            length, payload = read_varint(buffer, start + 1, end)
        start = payload + length
        spans.append((payload, start))
    return spans


def _read_entry(buffer: Buffer, start: int, end: int) -> tuple[str, Span | Message]:
    """An attribute's name, and where its value is; a Message where it is not written as usual."""
    key_end = start + 2 + buffer[start + 1] if end - start > 2 else end
    value = key_end + 2
    if key_end + 1 < end and buffer[start] == 0x0A and buffer[key_end] == 0x12:
        length = buffer[key_end + 1]
        if length >= 0x80:
            length, value = read_varint(buffer, key_end + 1, end)
        if buffer[start + 1] < 0x80 and value + length == end:
            try:
                return str(buffer[start + 2 : key_end], "utf-8"), (value, end)
            except UnicodeDecodeError:
                pass  # told by the message's reader
    entry = Message(buffer, start, end)
    return entry.text(1), entry


class NodeFields:
    """The fields of one NodeDef, found by a single scan.

    `is_usual`: fields 1 to 5 alone, in their order, name, op and device at most once; `read_tail`
    then finds the same. Raises FormatError with its offset in the buffer.
    """

    __slots__ = ("attrs", "device", "inputs", "is_usual", "name", "op", "unknown")

    def __init__(self, buffer: Buffer, start: int, end: int) -> None:
        self.name = self.op = self.device = ""
        self.inputs: list[str] = []
        self.attrs: list[Span] = []
        self.unknown: list[bytes] = []
        self.is_usual = True
        position = start
        before = 0
        try:
            while position < end:
                # Fields 1 to 5 with a length below 128 are the rule.
                tag = buffer[position]
                length = buffer[position + 1]
                if tag in _NODE_TAGS and length < 0x80:
                    payload = position + 2
                    field_end = payload + length
                    if field_end > end:
                        raise FormatError(
                            "found a field that reaches past its node", offset=position
                        )
                else:
                    number, wire_type, _, field_start, payload, field_end = next(
                        fields(buffer, position, end)
                    )
                    # A tag can be written in more bytes than it needs.
                    self.is_usual = self.is_usual and tag in _NODE_TAGS
                    tag = number << 3 | wire_type
                    if tag not in _NODE_TAGS:
                        self.unknown.append(bytes(buffer[field_start:field_end]))
                        self.is_usual = False
                        position = field_end
                        continue
                if tag <= before and (tag < before or tag not in _REPEATED_TAGS):
                    self.is_usual = False
                before = tag
                if tag == 0x2A:
                    self.attrs.append((payload, field_end))
                else:
                    text = str(buffer[payload:field_end], "utf-8")
                    if tag == 0x0A:
                        self.name = text
                    elif tag == 0x12:
                        self.op = text
                    elif tag == 0x1A:
                        self.inputs.append(text)
                    else:
                        self.device = text
                position = field_end
        except UnicodeDecodeError as error:
            raise FormatError(
                "found a name that is not UTF-8 in a node", offset=payload + error.start
            ) from None
        except IndexError:
            raise FormatError("found the end, expected more of a node", offset=position) from None


_NODE_TAGS = frozenset((0x0A, 0x12, 0x1A, 0x22, 0x2A))
_REPEATED_TAGS = frozenset((0x1A, 0x2A))
_TAIL_TAGS = frozenset((0x1A, 0x22))


def read_node(buffer: Buffer, start: int, end: int, path: str | None = None) -> Node:
    """One NodeDef; `path` is for errors of its attributes.

    Raises FormatError with its offset in the buffer.
    """
    found = NodeFields(buffer, start, end)
    attrs = EncodedAttrs(buffer, found.attrs, path)
    unknown = b"".join(found.unknown)
    return Node(found.name, found.op, tuple(found.inputs), found.device, attrs, unknown)


def read_tail(buffer: Buffer, start: int, end: int) -> tuple[tuple[str, ...], str, int]:
    """Inputs, device and where what follows starts, of a node in usual form (node_check)."""
    position = _after(buffer, _after(buffer, start))
    inputs: list[str] = []
    device = ""
    while position < end and (tag := buffer[position]) in _TAIL_TAGS:
        payload = position + 2
        length = buffer[position + 1]
        if length >= 0x80:
            length, payload = read_varint(buffer, position + 1, end)
        position = payload + length
        text = str(buffer[payload:position], "utf-8")
        if tag == 0x1A:
            inputs.append(text)
        else:
            device = text
    return tuple(inputs), device, position


def read_device(buffer: Buffer, start: int, end: int) -> str:
    """The device of a node in usual form, without its inputs."""
    position = _after(buffer, _after(buffer, start))
    while position < end and buffer[position] == 0x1A:
        position = _after(buffer, position)
    if position == end or buffer[position] != 0x22:
        return ""
    length, payload = read_varint(buffer, position + 1, end)
    return str(buffer[payload : payload + length], "utf-8")


def _after(buffer: Buffer, position: int) -> int:
    """Where a length-delimited field with a tag of one byte ends."""
    length = buffer[position + 1]
    if length < 0x80:
        return position + 2 + length
    length, payload = read_varint(buffer, position + 1, len(buffer))
    return payload + length


def encode_node(node: Node) -> Sequence[Buffer]:
    """A NodeDef, in pieces; one that was read is written as it was, and so are attributes."""
    if node.source is not None:
        source, position = node.source
        return (source.encoded_node(position),)
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
