"""A graph and the functions of its library, each looked at once: hits, calls, strings.

A function is called by a node whose op is its name, or that names it in an attribute: func,
list(func), or as text (the functions that gradients and implementation selection choose).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from tfartifacts.checks.scan.capabilities import RULES, UNKNOWN, Rule
from tfartifacts.checks.scan.payloads import (
    SHORTEST,
    looks_like_python_object,
    packed_strings,
)
from tfartifacts.dtypes import STRING, DType
from tfartifacts.errors import FormatError, TfArtifactsError
from tfartifacts.formats.attr_values import read_attr
from tfartifacts.formats.tensor_proto import EncodedTensor
from tfartifacts.formats.wire import Message
from tfartifacts.graphs.edges import Edges, edges_of
from tfartifacts.graphs.functions import functions_named
from tfartifacts.model.graphs import ConstantValue, Function, Graph, Node
from tfartifacts.records import dataclass, field

# Attributes of nearly every node, which are types, shapes and places.
_PLAIN = frozenset(
    {"T", "dtype", "_output_shapes", "shape", "_class", "Tidx", "Tshape", "Tin", "Tout", "N"}
)
_SAME_API = "api_implements"
# In the interest of a list, not of the file: strings of a node that are looked at.
_MOST_STRINGS = 1_000_000


@dataclass(frozen=True, slots=True)
class Hit:
    """A node that does something: its place in the body, and the rule of its op."""

    position: int
    rule: Rule


@dataclass(slots=True)
class Body:
    """The nodes of the graph (`name` "") or of a function of its library.

    `calls` are the functions that each calling node names, by the node's place. `strings` are
    those that a node holds, by its place.
    """

    name: str
    nodes: Sequence[Node]
    arguments: tuple[str, ...] = ()
    hits: list[Hit] = field(default_factory=list)
    calls: dict[int, tuple[str, ...]] = field(default_factory=dict)
    strings: dict[int, list[bytes]] = field(default_factory=dict)
    linked: tuple[str, ...] = ()
    _edges: Edges | None = None
    _numbers: dict[str, int] | None = None

    @property
    def argument_numbers(self) -> dict[str, int]:
        """The place of each argument, by name."""
        if self._numbers is None:
            self._numbers = {name: number for number, name in enumerate(self.arguments)}
        return self._numbers

    @property
    def edges(self) -> Edges:
        if self._edges is None:
            self._edges = Edges(self.nodes)
        return self._edges


@dataclass(slots=True)
class Bodies:
    """A graph taken apart. `problems` are nodes and functions that are damaged."""

    main: Body
    functions: dict[str, Body] = field(default_factory=dict)
    problems: list[TfArtifactsError] = field(default_factory=list)

    def __iter__(self) -> Iterator[Body]:
        yield self.main
        yield from self.functions.values()

    def body(self, name: str) -> Body:
        return self.functions[name] if name else self.main


def take_apart(graph: Graph, known_ops: Collection[str]) -> Bodies:
    """The bodies of a graph, every node of it looked at; goes on where one is damaged."""
    edges = edges_of(graph)
    bodies = Bodies(Body("", edges.nodes, _edges=edges))
    gradients = _registered_gradients(graph, bodies.problems)
    # Of nodes made anew: what was read of them need not be kept.
    _look_at(bodies.main, graph.nodes, graph.functions, known_ops, gradients, bodies.problems)
    same_api: dict[bytes, list[str]] = {}
    for name in graph.functions:
        try:
            function = graph.functions[name]
        except FormatError as error:
            bodies.problems.append(error)
            continue
        body = Body(name, function.nodes, tuple(argument.name for argument in function.inputs))
        _look_at(body, function.nodes, graph.functions, known_ops, gradients, bodies.problems)
        linked = [graph.gradients[name]] if name in graph.gradients else []
        for value in _function_attrs(function, bodies.problems):
            if (text := value[1].decode("utf-8", "replace")) in graph.functions:
                linked.append(text)
            if value[0] == _SAME_API:
                same_api.setdefault(value[1], []).append(name)
        body.linked = tuple(linked)
        bodies.functions[name] = body
    for group in same_api.values():
        # Any may stand for any other (grappler's implementation_selector): a ring joins them.
        for name, following in zip(group, [*group[1:], group[0]], strict=True):
            body = bodies.functions[name]
            body.linked = (*body.linked, following)
    return bodies


def _registered_gradients(graph: Graph, problems: list[TfArtifactsError]) -> dict[bytes, str]:
    """Functions by the `_gradient_op_type` of the nodes whose gradient they compute."""
    try:
        entries = Message(graph.library_unknown_fields).messages(3)
        return {entry.raw(2): entry.text(1) for entry in entries}
    except FormatError as error:
        problems.append(FormatError(error.message, path=graph.path))
        return {}


def _function_attrs(
    function: Function, problems: list[TfArtifactsError]
) -> Iterator[tuple[str, bytes]]:
    """The attributes of a function that are text."""
    try:
        for key, entry in Message(function.encoded).entries(5):
            encoded = entry.message(2)
            value = None if encoded is None else read_attr(encoded)
            if isinstance(value, bytes):
                yield key, value
    except FormatError as error:
        problems.append(error)


def _look_at(
    body: Body,
    nodes: Iterable[Node],
    functions: Mapping[str, Function],
    known_ops: Collection[str],
    gradients: Mapping[bytes, str],
    problems: list[TfArtifactsError],
) -> None:
    for position, node in enumerate(nodes):
        rule = RULES.get(node.op)
        if rule is None and node.op not in known_ops and node.op not in functions:
            rule = UNKNOWN
        if rule is not None:
            body.hits.append(Hit(position, rule))
        if not node.attrs and node.op not in functions:
            continue
        try:
            if functions:
                named = [name for name in _named(node, gradients) if name in functions]
                if named:
                    body.calls[position] = tuple(dict.fromkeys(named))
            if strings := list(_strings(node)):
                body.strings[position] = strings
        except TfArtifactsError as error:
            problems.append(error)


def _named(node: Node, gradients: Mapping[bytes, str]) -> Iterator[str]:
    yield from functions_named(node)
    for name in node.attrs:
        if name not in _PLAIN and name != "value":
            value = node.attrs[name]
            for text in value if isinstance(value, list) else (value,):
                if isinstance(text, bytes):
                    yield text.decode("utf-8", "replace")
                    if text in gradients:
                        yield gradients[text]


# What most attributes hold: to ask of each whether it is a ConstantValue takes long.
_NUMBERS = (int, float, DType)


def _strings(node: Node) -> Iterator[bytes]:
    """Every string that a node holds, in a constant or in an attribute, that may hold a graph."""
    # The constants of a frozen graph are its weights: only those of strings are looked into.
    is_number = node.op == "Const" and node.attrs.get("dtype") != STRING
    for name in node.attrs:
        if name in _PLAIN or (is_number and name == "value"):
            continue
        value = node.attrs[name]
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, bytes):
                if len(item) >= SHORTEST:
                    yield item
            elif not isinstance(item, _NUMBERS) and isinstance(item, ConstantValue):
                yield from (string for string in constant_strings(item) if len(string) >= SHORTEST)


def constant_strings(value: ConstantValue) -> Iterable[bytes]:
    """The strings that a tensor stores, however it does; none for one of another type.

    TensorFlow also takes strings from tensor_content (tensor.cc, Helper<tstring>::Decode).
    """
    if not isinstance(value, EncodedTensor):
        return value.strings() if value.dtype == STRING else ()
    message = Message(value.encoded)
    if message.integer(1) != STRING.number:
        return ()
    if content := message.raw(4):
        return [content[start:end] for start, end in packed_strings(content, 0, len(content))]
    return message.all_bytes(8)[:_MOST_STRINGS]


def python_objects(body: Body) -> Iterator[tuple[int, str]]:
    """Nodes that hold pickles or bytecode, each with what it is."""
    for position, strings in body.strings.items():
        for string in strings:
            if kind := looks_like_python_object(string):
                yield position, kind
                break
