"""GraphDef: nodes and a library of functions.

    GraphDef : 1 node*  2 library  3 version (until 2015)  4 versions  5 debug_info
    library  : 1 function*  2 gradient* {1 function_name 2 gradient_func}  3 registered_gradients*
    function : 1 signature (OpDef)  3 node*  4 ret (map)  5 attr (map)  ...

Names, ops, inputs and devices of nodes are read when the graph is opened, attributes when they are
asked for; what is not changed is written as it was read.
Source: tensorflow/core/framework/{graph,function}.proto.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from tfartifacts.errors import FormatError, located
from tfartifacts.formats.encoded_nodes import EncodedNodes
from tfartifacts.formats.node_def import encode_node
from tfartifacts.formats.node_scan import scan_nodes
from tfartifacts.formats.op_defs import read_op_def
from tfartifacts.formats.versions import read_versions, write_versions
from tfartifacts.formats.wire import (
    Message,
    Part,
    Span,
    put_bytes,
    put_message,
    put_text,
)
from tfartifacts.model.graphs import Function, Graph, Node, OpDef
from tfartifacts.model.values import Buffer


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
            return read_function(Part(self._buffer, *span), self._path)

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


def read_graph(
    part: Message | Part,
    op_defs: Mapping[str, OpDef] | None = None,
    path: str | None = None,
    notes: tuple[str, ...] = (),
) -> Graph:
    """The graph of a GraphDef message.

    Every node is looked at once, so that its name, op, inputs and device cannot fail later.
    Raises FormatError with the byte offset.
    """
    table, message = scan_nodes(part.buffer, part.start, part.end, 1, part.depth)
    library = message.message(2)
    functions: Mapping[str, Function] = {}
    gradients: dict[str, str] = {}
    repeated: list[str] = []
    if library is not None:
        functions = EncodedFunctions(library.buffer, _function_spans(library, repeated), path)
        gradients = {entry.text(1): entry.text(2) for entry in library.messages(2)}
    return Graph(
        nodes=EncodedNodes(part.buffer, table, path),
        functions=functions,
        versions=read_versions(message.message(4)),
        op_defs={} if op_defs is None else op_defs,
        path=path,
        notes=notes,
        gradients=gradients,
        unknown_fields=message.without(2, 4),
        library_unknown_fields=b"" if library is None else library.without(1, 2),
        repeated_functions=tuple(repeated),
    )


def _function_spans(library: Message, repeated: list[str]) -> dict[str, Span]:
    """Where the functions are, by name; names of several that differ are added to `repeated`."""
    spans: dict[str, Span] = {}
    buffer = library.buffer
    view = memoryview(buffer)
    many = library.end - library.start > _LARGE_LIBRARY and _can_check_at_once()
    for start, end in library.spans(1):
        _, function = scan_nodes(buffer, start, end, 3, library.depth + 1, many=many)
        signature = function.message(1)
        name = "" if signature is None else signature.text(1)
        if not name:
            raise FormatError("found a function without a name", offset=start)
        if name in spans and view[slice(*spans[name])] != view[start:end]:
            repeated.append(name)
        spans[name] = (start, end)
    return spans


def _can_check_at_once() -> bool:
    from tfartifacts.formats.node_check import MANY, worth_it

    return worth_it(MANY)


_LARGE_LIBRARY = 1 << 22  # bytes; it has many nodes


def read_function(part: Message | Part, path: str | None = None) -> Function:
    table, message = scan_nodes(part.buffer, part.start, part.end, 3, part.depth)
    signature = read_op_def(message.message(1) or Message(b""))
    return Function(
        name=signature.name,
        inputs=signature.inputs,
        outputs=signature.outputs,
        nodes=EncodedNodes(part.buffer, table, path),
        returns={key: entry.text(2) for key, entry in message.entries(4)},
        encoded=message.without(3),
    )


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
