"""Graphs inside strings: a serialized GraphDef in a constant runs as soon as an op is given it.

    string   : a dataset's graph, a function, a meta graph, an engine's segment, or a message of
               any kind with one of them somewhere inside, in whose constants are strings ...
    NodeDef  : 1 name  2 op  5 attr          FunctionDef : 1 signature {1 name}  3 node*
    strings  : TensorProto.string_val (8), or packed into tensor_content (4) as lengths and bytes
               (tensor_coding.cc, DecodeStringList)

What is looked for are nodes, wherever they are: messages that have a name and an op, beside which
stands at least one whose op TensorFlow has. So no container that nobody thought of hides them, and
neither do unknown fields or another order. The search is a loop over spans of one buffer, limited
by a budget that all strings of an artifact share.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from tfartifacts.checks.scan.capabilities import RULES
from tfartifacts.errors import FormatError
from tfartifacts.formats.node_def import read_node
from tfartifacts.formats.wire import LENGTH_DELIMITED, VARINT, fields, read_varint
from tfartifacts.model.graphs import Node
from tfartifacts.records import dataclass, field

# A string shorter than the shortest node that does anything holds none.
SHORTEST = 8
MAX_LEVELS = 1_000  # messages and strings in each other, over all nested graphs
MAX_NESTING = 64  # graphs in each other that are named in a report

_STRING_TYPE = 7  # DT_STRING
# At least one of these words is in every graph that could do anything.
_WORDS = sorted(
    {op.encode() for op in RULES}
    | {b"Const", b"Placeholder", b"Identity", b"NoOp", b"_Retval", b"_Arg", b"PartitionedCall"}
    | {b"Dataset", b"If", b"While"},
    key=len,
)
_ANY_WORD = re.compile(b"|".join(re.escape(word) for word in _WORDS))
# These take graphs as strings, whatever ops are in them.
_TAKES_GRAPHS = re.compile(b"DatasetFromGraph|RegisterDataset|RemoteFusedGraphExecute|TRTEngineOp")
_OP_NAME = re.compile(r"[A-Z_][A-Za-z0-9_>.]*\Z")


@dataclass(slots=True)
class Budget:
    """What may still be looked at; `exceeded` says that something was left out."""

    num_fields: int = 1_000_000
    num_bytes: int = 1 << 27
    exceeded: bool = False

    def take(self, size: int) -> bool:
        self.num_bytes -= size
        if self.num_bytes < 0 or self.num_fields < 0:
            self.exceeded = True
        return not self.exceeded


@dataclass(frozen=True, slots=True)
class NestedNodes:
    """The nodes of a graph or of a function inside a string; `nesting` are the nodes around."""

    nodes: tuple[Node, ...]
    nesting: tuple[str, ...]


@dataclass(slots=True)
class Search:
    """What was found in one string: nodes, and the names of functions defined in it."""

    found: list[NestedNodes] = field(default_factory=list)
    function_names: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    level: int
    nesting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """The length-delimited parts of a message by field number, and its first number."""

    parts: dict[int, list[tuple[int, int]]]
    first_number: int


def may_hold_graph(data: bytes) -> bool:
    """Whether a string is worth the search."""
    return len(data) >= SHORTEST and _ANY_WORD.search(data) is not None


def search(
    data: bytes, known_ops: Collection[str], budget: Budget, *, is_graph: bool = False
) -> Search:
    """All nodes in a string. `is_graph`: an op takes it as a graph, whatever ops are in it."""
    result = Search()
    if not is_graph and not may_hold_graph(data):
        return result
    lenient = is_graph or _TAKES_GRAPHS.search(data) is not None
    todo = [_Span(0, len(data), 0, ())]
    while todo:
        span = todo.pop()
        if not budget.take(span.end - span.start):
            break
        if span.level > MAX_LEVELS:
            budget.exceeded = True
            continue
        part = _parts(data, span.start, span.end, budget)
        if part is None:
            continue
        nodes_of: dict[int, dict[tuple[int, int], Node]] = {}
        for number, spans in part.parts.items():
            nodes = _nodes(data, spans, known_ops, lenient, budget)
            if nodes:
                nodes_of[number] = dict(nodes)
                result.found.append(NestedNodes(tuple(node for _, node in nodes), span.nesting))
        if 3 in nodes_of or (lenient and 3 in part.parts):
            result.function_names.update(_function_name(data, part, budget))
        for number, spans in part.parts.items():
            for start, end in spans:
                if end - start < SHORTEST:
                    continue
                node = nodes_of.get(number, {}).get((start, end))
                nesting = span.nesting
                if node is not None and len(nesting) < MAX_NESTING:
                    nesting = (*nesting, node.name)
                todo.append(_Span(start, end, span.level + 1, nesting))
        if part.first_number == _STRING_TYPE:
            for start, end in part.parts.get(4, ()):
                for inner in packed_strings(data, start, end):
                    todo.append(_Span(*inner, span.level + 1, span.nesting))
    return result


def _parts(data: bytes, start: int, end: int, budget: Budget) -> _Part | None:
    """What a span holds if it is a message from its first byte to its last."""
    parts: dict[int, list[tuple[int, int]]] = {}
    first_number = 0
    count = 0
    try:
        for number, wire_type, value, _, payload, field_end in fields(data, start, end):
            count += 1
            if count > budget.num_fields:
                budget.exceeded = True
                return None
            if wire_type == LENGTH_DELIMITED:
                parts.setdefault(number, []).append((payload, field_end))
            elif wire_type == VARINT and number == 1:
                first_number = value
    except FormatError:
        return None
    finally:
        budget.num_fields -= count
    return _Part(parts, first_number)


def _nodes(
    data: bytes,
    spans: list[tuple[int, int]],
    known_ops: Collection[str],
    lenient: bool,
    budget: Budget,
) -> list[tuple[tuple[int, int], Node]]:
    """The nodes among equal parts of a message, if one of them is of an op that is known."""
    nodes = []
    known = False
    for start, end in spans:
        if end - start < 5:
            continue
        budget.num_fields -= 1
        # A node begins with field 1 to 7; most of what is no node is told by its first byte.
        if data[start] & 7 not in (LENGTH_DELIMITED, VARINT, 3, 1, 5):
            continue
        try:
            node = read_node(data, start, end)
        except FormatError:
            continue
        if node.op and (node.op in known_ops or (node.name and _OP_NAME.match(node.op))):
            nodes.append(((start, end), node))
            known = known or node.op in known_ops
    return nodes if known or lenient else []


def _function_name(data: bytes, part: _Part, budget: Budget) -> Iterator[str]:
    for start, end in part.parts.get(1, ()):
        signature = _parts(data, start, end, budget)
        for name_start, name_end in () if signature is None else signature.parts.get(1, ()):
            yield data[name_start:name_end].decode("utf-8", "replace")


def packed_strings(data: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Where the strings are that a tensor's content holds: lengths, then characters.

    As many lengths as bring the characters exactly to the end; none if that does not happen.
    """
    lengths: list[int] = []
    position = start
    total = 0
    try:
        while position < end and position + total < end:
            length, position = read_varint(data, position, end)
            lengths.append(length)
            total += length
    except FormatError:
        return []
    if position + total != end:
        return []
    spans = []
    for length in lengths:
        spans.append((position, position + length))
        position += length
    return spans


def looks_like_python_object(data: bytes) -> str:
    """ "a Python pickle", "Python bytecode" or "": told by the first bytes, never loaded."""
    if len(data) > 4 and data[0] == 0x80 and 2 <= data[1] <= 5 and data.endswith(b"."):
        return "a Python pickle"
    if len(data) > 16 and data[0] in (0x63, 0xE3) and data[1:5] == b"\0\0\0\0":
        return "marshalled Python bytecode"
    return ""
