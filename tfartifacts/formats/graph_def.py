"""GraphDef: nodes and a library of functions.

    GraphDef : 1 node*  2 library  3 version (until 2015)  4 versions  5 debug_info
    NodeDef  : 1 name  2 op  3 input*  4 device  5 attr (map)  6 debug info  7 full type
    library  : 1 function*  2 gradient* {1 function_name 2 gradient_func}  3 registered_gradients*
    function : 1 signature (OpDef)  3 node*  4 ret (map)  5 attr (map)  ...
    OpDef    : 1 name  2 input_arg*  3 output_arg*  ...
    ArgDef   : 1 name  3 type  4 type_attr  5 number_attr  6 type_list_attr  16 is_ref
    AttrValue: one of 1 list  2 s  3 i  4 f  5 b  6 type  7 shape  8 tensor  9 placeholder  10 func

Names, ops, inputs and devices of nodes are read when the graph is opened, attributes when they are
asked for; what is not changed is written as it was read.
Source: tensorflow/core/framework/{graph,node_def,attr_value,function,op_def}.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, overload

from tfartifacts.dtypes import DType, dtype_from_number
from tfartifacts.errors import FormatError, located
from tfartifacts.formats.shapes import read_partial_shape, write_shape
from tfartifacts.formats.tensor_proto import EncodedTensor, encode_constant
from tfartifacts.formats.versions import read_versions, write_versions
from tfartifacts.formats.wire import (
    FIXED32,
    LENGTH_DELIMITED,
    VARINT,
    Message,
    fields,
    put_always,
    put_bytes,
    put_entry,
    put_message,
    put_text,
    varint,
)
from tfartifacts.model.graphs import (
    Argument,
    ConstantValue,
    Function,
    FunctionCall,
    Graph,
    Node,
    OpDef,
    TensorShape,
    UnknownShape,
)
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


class EncodedNodes(Sequence[Node]):
    """The nodes of a graph or function where they stand in the file.

    A Node is made when it is asked for, and again when it is asked for again: a graph of a
    million nodes takes the room of its encoding.
    """

    __slots__ = ("_buffer", "_path", "_spans")

    def __init__(self, buffer: Buffer, spans: Sequence[Span], path: str | None = None) -> None:
        self._buffer = buffer
        self._spans = spans
        self._path = path

    def __len__(self) -> int:
        return len(self._spans)

    @overload
    def __getitem__(self, position: int) -> Node: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[Node]: ...
    def __getitem__(self, position: int | slice) -> Node | Sequence[Node]:
        if isinstance(position, slice):
            return EncodedNodes(self._buffer, self._spans[position], self._path)
        return read_node(self._buffer, *self._spans[position], self._path)

    def __iter__(self) -> Iterator[Node]:
        buffer, path = self._buffer, self._path
        return (read_node(buffer, start, end, path) for start, end in self._spans)

    def encoded(self, number: int) -> list[Buffer]:
        """The nodes as fields of that number."""
        view = memoryview(self._buffer)
        tag = varint(number << 3 | LENGTH_DELIMITED)
        pieces: list[Buffer] = []
        for start, end in self._spans:
            pieces += [tag + varint(end - start), view[start:end]]
        return pieces


class EncodedFunctions(Mapping[str, Function]):
    """The functions of a library by name, in file order; decoded when asked for."""

    __slots__ = ("_buffer", "_path", "_spans")

    def __init__(self, buffer: Buffer, spans: dict[str, Span], path: str | None = None) -> None:
        self._buffer = buffer
        self._spans = spans
        self._path = path

    def __getitem__(self, name: str) -> Function:
        span = self._spans[name]
        with located(self._path):
            return read_function(Message(self._buffer, *span), self._path)

    def __contains__(self, name: object) -> bool:
        return name in self._spans

    def __iter__(self) -> Iterator[str]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)

    def only(self, names: Collection[str]) -> EncodedFunctions:
        """The functions of these names; the others are left out."""
        spans = {name: span for name, span in self._spans.items() if name in names}
        return EncodedFunctions(self._buffer, spans, self._path)

    def encoded(self) -> list[Buffer]:
        pieces: list[Buffer] = []
        for start, end in self._spans.values():
            pieces += put_message(1, [memoryview(self._buffer)[start:end]])
        return pieces


class EncodedOpDefs(Mapping[str, OpDef]):
    """The op signatures of a meta graph by name; decoded when asked for."""

    __slots__ = ("_index", "_message", "_path")

    def __init__(self, message: Message, path: str | None = None) -> None:
        self._message = message
        self._path = path
        self._index: dict[str, Span] | None = None

    def only(self, names: Collection[str]) -> EncodedOpDefs:
        """The signatures of these ops; the others are left out."""
        spans = {name: span for name, span in self._spans().items() if name in names}
        buffer = self._message.buffer
        pieces = [put_bytes(1, memoryview(buffer)[start:end]) for start, end in spans.values()]
        return EncodedOpDefs(Message(b"".join(pieces)), self._path)

    def _spans(self) -> dict[str, Span]:
        if self._index is None:
            buffer = self._message.buffer
            spans = self._message.spans(1)
            with located(self._path):
                self._index = {Message(buffer, *span).text(1): span for span in spans}
        return self._index

    def __getitem__(self, name: str) -> OpDef:
        span = self._spans()[name]
        with located(self._path):
            return read_op_def(Message(self._message.buffer, *span))

    def __contains__(self, name: object) -> bool:
        return name in self._spans()

    def __iter__(self) -> Iterator[str]:
        return iter(self._spans())

    def __len__(self) -> int:
        return len(self._spans())

    def encoded(self) -> bytes:
        return self._message.encoded()


def read_graph(
    message: Message,
    op_defs: Mapping[str, OpDef] | None = None,
    path: str | None = None,
    notes: tuple[str, ...] = (),
) -> Graph:
    """The graph of a GraphDef message.

    Every node's name, op, inputs and device is read once, so that they cannot fail later.
    Raises FormatError with the byte offset.
    """
    spans = message.spans(1)
    buffer = message.buffer
    for start, end in spans:
        node = read_node(buffer, start, end)
        if not node.name or not node.op:
            missing = "an op" if node.name else "a name"
            raise FormatError(f"found a node {node.name!r} without {missing}", offset=start)
    library = message.message(2)
    functions: Mapping[str, Function] = {}
    gradients: dict[str, str] = {}
    repeated: list[str] = []
    if library is not None:
        functions = EncodedFunctions(library.buffer, _function_spans(library, repeated), path)
        gradients = {entry.text(1): entry.text(2) for entry in library.messages(2)}
    return Graph(
        nodes=EncodedNodes(buffer, spans, path),
        functions=functions,
        versions=read_versions(message.message(4)),
        op_defs={} if op_defs is None else op_defs,
        path=path,
        notes=notes,
        gradients=gradients,
        unknown_fields=message.without(1, 2, 4),
        library_unknown_fields=b"" if library is None else library.without(1, 2),
        repeated_functions=tuple(repeated),
    )


def _function_spans(library: Message, repeated: list[str]) -> dict[str, Span]:
    """Where the functions are, by name; names of several that differ are added to `repeated`."""
    spans: dict[str, Span] = {}
    view = memoryview(library.buffer)
    for start, end in library.spans(1):
        function = Message(library.buffer, start, end, library.depth + 1)
        signature = function.message(1)
        if signature is None or not signature.text(1):
            raise FormatError("found a function without a name", offset=start)
        for node_span in function.spans(3):
            read_node(library.buffer, *node_span)
        name = signature.text(1)
        if name in spans and view[slice(*spans[name])] != view[start:end]:
            repeated.append(name)
        spans[name] = (start, end)
    return spans


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


def read_function(message: Message, path: str | None = None) -> Function:
    signature = read_op_def(message.message(1) or Message(b""))
    return Function(
        name=signature.name,
        inputs=signature.inputs,
        outputs=signature.outputs,
        nodes=EncodedNodes(message.buffer, message.spans(3), path),
        returns={key: entry.text(2) for key, entry in message.entries(4)},
        encoded=message.without(3),
    )


def read_op_def(message: Message) -> OpDef:
    return OpDef(
        message.text(1),
        tuple(_read_argument(argument) for argument in message.messages(2)),
        tuple(_read_argument(argument) for argument in message.messages(3)),
    )


def _read_argument(message: Message) -> Argument:
    number = message.integer(3)
    return Argument(
        message.text(1),
        dtype_from_number(number) if number else None,
        message.text(4),
        message.text(5),
        message.text(6),
        message.flag(16),
    )


def read_attr(message: Message) -> Any:
    """An attribute's value as Python's: see AttrValue in model.graphs."""
    number = message.last_set(_ATTR_WIRE_TYPES)
    if number is None:
        return None
    return _read_list(message) if number == 1 else _ATTR_READERS[number](message)


def _read_shape_attr(message: Message | None) -> TensorShape | UnknownShape:
    shape = read_partial_shape(message)
    return UnknownShape() if shape is None else TensorShape(shape)


def _read_type(number: int) -> DType | None:
    return dtype_from_number(number) if number else None


def _read_function_call(message: Message | None) -> FunctionCall:
    if message is None:
        return FunctionCall("")
    attrs = {}
    for key, entry in message.entries(2):
        value = entry.message(2)
        attrs[key] = None if value is None else read_attr(value)
    return FunctionCall(message.text(1), attrs)


_ATTR_READERS: dict[int, Callable[[Message], Any]] = {
    2: lambda message: message.raw(2),
    3: lambda message: message.integer(3),
    4: lambda message: message.float32(4),
    5: lambda message: message.flag(5),
    6: lambda message: _read_type(message.integer(6)),
    7: lambda message: _read_shape_attr(message.message(7)),
    8: lambda message: EncodedTensor(message.merged(8)),
    9: lambda message: message.text(9),
    10: lambda message: _read_function_call(message.message(10)),
}
_ATTR_WIRE_TYPES = {
    **dict.fromkeys((1, 2, 7, 8, 9, 10), LENGTH_DELIMITED),
    **dict.fromkeys((3, 5, 6), VARINT),
    4: FIXED32,
}


def _read_list(message: Message) -> list[Any]:
    listed = message.message(1)
    if listed is None:
        return []
    values: list[Any] = [*listed.all_bytes(2), *listed.integers(3), *listed.floats(4, "f")]
    values += [value != 0 for value in listed.integers(5)]
    values += [_read_type(number) for number in listed.integers(6)]
    values += [_read_shape_attr(shape) for shape in listed.messages(7)]
    values += [EncodedTensor(tensor) for tensor in listed.all_bytes(8)]
    values += [_read_function_call(call) for call in listed.messages(9)]
    return values


def encode_attr(value: Any) -> bytes:
    """An AttrValue message; the reverse of read_attr."""
    if value is None:
        return b""
    if isinstance(value, list):
        return put_bytes(1, b"".join(_encode_item(item) for item in value))
    if isinstance(value, str):
        return put_bytes(9, value.encode())
    if isinstance(value, FunctionCall):
        return put_bytes(10, _encode_call(value))
    return _encode_item(value)


def _encode_item(value: Any) -> bytes:
    # The numbers of a list's fields are those of the single ones, but for functions.
    match value:
        case bytes():
            return put_bytes(2, value)
        case bool():
            return put_always(5, int(value))
        case int():
            return put_always(3, value)
        case float():
            return b"\x25" + struct.pack("<f", value)
        case None:  # DT_INVALID among types
            return put_always(6, 0)
        case DType():
            return put_always(6, value.number)
        case TensorShape():
            return put_bytes(7, write_shape(value))
        case UnknownShape():
            return put_bytes(7, write_shape(None))
        case FunctionCall():
            return put_bytes(9, _encode_call(value))
        case ConstantValue():
            return put_bytes(8, encode_constant(value))
    raise TypeError(f"no attribute can hold {value!r}")


def _encode_call(call: FunctionCall) -> bytes:
    attrs = b"".join(put_entry(2, key, encode_attr(value)) for key, value in call.attrs.items())
    return put_text(1, call.name) + attrs


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


def _encode_nodes(number: int, nodes: Sequence[Node]) -> list[Buffer]:
    if isinstance(nodes, EncodedNodes):
        return nodes.encoded(number)
    return [piece for node in nodes for piece in put_message(number, encode_node(node))]


def encode_graph(graph: Graph) -> list[Buffer]:
    """A GraphDef, in pieces that are not copied where nothing changed."""
    pieces = _encode_nodes(1, graph.nodes)
    library: list[Buffer] = []
    if isinstance(graph.functions, EncodedFunctions):
        library += graph.functions.encoded()
    else:
        for function in graph.functions.values():
            encoded = [function.encoded, *_encode_nodes(3, function.nodes)]
            library += put_message(1, encoded)
    for function_name, gradient in graph.gradients.items():
        library.append(put_bytes(2, put_text(1, function_name) + put_text(2, gradient)))
    if graph.library_unknown_fields:
        library.append(graph.library_unknown_fields)
    # A library that was read is written even if it is empty: TensorFlow writes such ones.
    if library or isinstance(graph.functions, EncodedFunctions):
        pieces += put_message(2, library)
    if versions := write_versions(graph.versions):
        pieces.append(put_bytes(4, versions))
    if graph.unknown_fields:
        pieces.append(graph.unknown_fields)
    return pieces
