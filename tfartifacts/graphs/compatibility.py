"""A graph for an older TensorFlow: what that one does not know is dropped, or reported.

    op_lists/tensorflow-1.15.txt : a line for each op, its name and its attributes, with defaults
    MatMul T transpose_a=false transpose_b=false       JSON; [3] the type of that number

An attribute the older op does not have makes it refuse the graph, whatever its value: newer
TensorFlow writes MatMul's grad_a, VarHandleOp's debug_name, and many at their default, which the
list of the newest TensorFlow tells. Those that begin with `_` are for nobody and stay. An op that
the older one does not have cannot be helped, unless it only switches off what that one does not do
either. The lists are made by tools/make_op_list.py.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tfartifacts.dtypes import DType
from tfartifacts.errors import ConversionError
from tfartifacts.model.graphs import Function, Graph, Node
from tfartifacts.model.graphs import only as only_these
from tfartifacts.records import dataclass, field, replace

VERSIONS = ("1.15", "2.4", "2.8", "2.11", "2.15", "2.18", "2.21")

# Hints, names and a check, which change no result whatever they say.
_WITHOUT_EFFECT = frozenset(
    {"VarHandleOp.debug_name", "MatMul.grad_a", "MatMul.grad_b", "AssignVariableOp.validate_shape"}
    | {f"BatchMatMul{v}.grad_{side}" for v in ("", "V2", "V3") for side in "xy"}
)
# Savers of 2.x write it before they read a resource variable; a NoOp stands for it.
_NO_OPS = frozenset({"DisableCopyOnRead"})
_NAME_OF_DATASET = "Dataset.metadata"
_MOST_NAMED = 3

# The attributes of an op, with their defaults as JSON; None for one without, or not a simple one.
Attributes = Mapping[str, str | None]


def ops_of(version: str) -> Mapping[str, Attributes]:
    """The ops that a TensorFlow has. Raises ConversionError for a version whose ops are not known.

    The list comes with this package.
    """
    known = ".".join(version.split(".")[:2])
    if known not in VERSIONS:
        raise ConversionError(
            f"found TensorFlow {version!r}, expected one whose ops are known: "
            f"{', '.join(VERSIONS)}; what is made for one loads in later ones too"
        )
    # As importlib.resources reads it, whose import takes 8 ms.
    loader: Any = __spec__.loader
    path = os.path.join(os.path.dirname(__file__), "op_lists", f"tensorflow-{known}.txt")
    text = loader.get_data(path).decode()
    lines = (line.split(" ") for line in text.splitlines() if not line.startswith("#"))
    return {words[0]: dict(map(_attribute, words[1:])) for words in lines}


def _attribute(word: str) -> tuple[str, str | None]:
    name, equals, default = word.partition("=")
    return name, default if equals else None


@dataclass(slots=True)
class _Adapting:
    """The ops that are known, and what was met that is not."""

    known: Mapping[str, Attributes]
    newest: Mapping[str, Attributes]
    functions: Mapping[str, Function]
    dropped: Counter[str] = field(default_factory=Counter)
    unknown: dict[str, list[str]] = field(default_factory=dict)


def for_tensorflow(graph: Graph, version: str) -> tuple[Graph, tuple[str, ...]]:
    """The graph without attributes that a TensorFlow does not know, functions included; notes.

    The notes name what was dropped though its value may matter, and the ops it does not have.
    """
    adapting = _Adapting(ops_of(version), ops_of(VERSIONS[-1]), graph.functions)
    nodes = _adapted(graph.nodes, adapting)
    functions: dict[str, Function] = {}
    changed = False
    for name, function in graph.functions.items():
        body = _adapted(function.nodes, adapting, f"{name}:")
        functions[name] = function if body is function.nodes else replace(function, nodes=body)
        changed = changed or body is not function.nodes
    notes = []
    if adapting.dropped:
        dropped = sorted(adapting.dropped.items())
        shown = ", ".join(f"{name} of {count} nodes" for name, count in dropped)
        notes.append(
            f"dropped attributes that TensorFlow {version} does not know, whose values differ from "
            f"the default and may matter: {shown}"
        )
    if adapting.unknown:
        shown = "; ".join(f"{op} ({_few(names)})" for op, names in sorted(adapting.unknown.items()))
        notes.append(
            f"TensorFlow {version} itself does not have these ops, and loads the graph only where "
            f"something else brings them: {shown}"
        )
    new = replace(graph, nodes=nodes, functions=functions if changed else graph.functions)
    return new, tuple(notes)


def _few(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _adapted(nodes: Sequence[Node], adapting: _Adapting, where: str = "") -> Sequence[Node]:
    adapted: list[Node] = []
    changed = False
    for node in nodes:
        attrs = adapting.known.get(node.op)
        if attrs is None and node.op in _NO_OPS:
            controls = tuple(name for name in node.inputs if name.startswith("^"))
            adapted.append(Node(node.name, "NoOp", controls, node.device))
            changed = True
            continue
        if attrs is None:
            if node.op not in adapting.functions:
                adapting.unknown.setdefault(node.op, []).append(where + node.name)
            adapted.append(node)
            continue
        strange = [name for name in node.attrs if name not in attrs and not name.startswith("_")]
        if not strange:
            adapted.append(node)
            continue
        for name in strange:
            default = adapting.newest.get(node.op, {}).get(name)
            attribute = f"{node.op}.{name}"
            if attribute in _WITHOUT_EFFECT or attribute.endswith(_NAME_OF_DATASET):
                continue
            if not _is(node.attrs[name], default):
                adapting.dropped[attribute] += 1
        left = {name for name in node.attrs if name not in strange}
        adapted.append(replace(node, attrs=only_these(node.attrs, left)))
        changed = True
    return tuple(adapted) if changed else nodes


def _is(value: Any, default: str | None) -> bool:
    """Whether an attribute has its default."""
    if default is None:
        return False
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    elif isinstance(value, DType):
        value = [value.number]
    expected = json.loads(default)
    return type(value) is type(expected) and bool(value == expected)
