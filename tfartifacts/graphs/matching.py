"""A graph held against a checkpoint: what its saver wants, what is there, which renaming helps."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from math import prod
from typing import TypeVar

from tfartifacts.errors import FormatError, close_names
from tfartifacts.graphs.edges import edges_of
from tfartifacts.graphs.renaming import likely_rules
from tfartifacts.graphs.saver import (
    RestoredVariable,
    carriers_behind,
    data_inputs,
    restored_variables,
)
from tfartifacts.model import MetaGraph, Node, Variable
from tfartifacts.model.graphs import Graph, TensorShape
from tfartifacts.model.values import Shape
from tfartifacts.model.variables import parse_shape_and_slice
from tfartifacts.records import dataclass

T = TypeVar("T")

_MOST_SHOWN = 10
_RESHAPE_OPS = frozenset(("Reshape", "Squeeze", "ExpandDims"))


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Where a graph and a checkpoint do not fit.

    `missing` maps a key the graph restores to close names among `extra`, those of the checkpoint
    that nothing restores (of the first few alone: looking for them takes a while). `changed` maps
    a key to (what the graph has, what the checkpoint has). `rules` are renamings, to be applied
    in turn, each with the number of missing keys it finds.
    """

    missing: Mapping[str, tuple[str, ...]]
    extra: tuple[str, ...]
    changed: Mapping[str, tuple[str, str]]
    rules: tuple[tuple[str, int], ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.changed)


def mismatch(meta_graph: MetaGraph, variables: Mapping[str, Variable]) -> Mismatch:
    """How the keys that a meta graph restores differ from a checkpoint's."""
    wanted: dict[str, RestoredVariable] = {}
    for restored in restored_variables(meta_graph):
        wanted.setdefault(restored.key, restored)
    graph = meta_graph.graph
    missing = [key for key in wanted if key not in variables]
    changed = {}
    for key, restored in wanted.items():
        if key in variables:
            differs = _difference(graph, restored, variables[key])
            if differs is not None:
                changed[key] = differs
    if not missing:
        return Mismatch({}, (), changed, ())
    extra = tuple(name for name in variables if name not in wanted)
    shapes = {key: variable_shape(graph, restored) for key, restored in wanted.items()}
    close = {key: tuple(close_names(key, extra)) for key in missing[:_MOST_SHOWN]}
    return Mismatch(
        {key: close.get(key, ()) for key in missing},
        extra,
        changed,
        likely_rules(shapes, variables),
    )


def variable_shape(graph: Graph, restored: RestoredVariable) -> Shape | None:
    """The shape a whole variable has in the graph; None where that is not fully known."""
    if restored.shape_and_slice:
        try:
            return parse_shape_and_slice(restored.shape_and_slice)[0]
        except FormatError:
            return None
    if restored.computed or restored.variable not in graph:
        return None
    node = graph[restored.variable]
    # A function is given a handle, which may be an argument of the same name.
    if restored.function and node.op != "VarHandleOp":
        return None
    shape = node.attrs.get("shape")
    if not isinstance(shape, TensorShape) or None in shape:
        return None
    return tuple(size for size in shape if size is not None)


def _difference(
    graph: Graph, restored: RestoredVariable, variable: Variable
) -> tuple[str, str] | None:
    if restored.dtype is not None and restored.dtype.base != variable.dtype:
        return str(restored.dtype.base), str(variable.dtype)
    shape = variable_shape(graph, restored)
    if shape is None or shape == variable.shape:
        return None
    if not restored.function and restored.assign in graph and not restored.shape_and_slice:
        assign = graph[restored.assign]
        # A saver may take any shape, or reshape what it restores (Saver(reshape=True)).
        if assign.op == "Assign" and assign.attrs.get("validate_shape") is False:
            return None
        if _reshapes(graph, assign) and prod(shape) == prod(variable.shape):
            return None
    return str(list(shape)), str(list(variable.shape))


def _reshapes(graph: Graph, assign: Node) -> bool:
    """Whether the value of an assignment passes something that gives it another shape."""
    return any(
        node.op in _RESHAPE_OPS
        for text in data_inputs(assign)[1:2]
        for node in carriers_behind(edges_of(graph), text)
    )


def describe(found: Mismatch) -> tuple[str, tuple[str, ...]]:
    """A mismatch in one line, and in more: the renamings that would help last."""
    parts = []
    lines = []
    if found.missing:
        parts.append(f"restores {len(found.missing)} names the checkpoint does not have")
        lines += [
            f"missing  {key}" + (f"  (close: {', '.join(close)})" if close else "")
            for key, close in _first(found.missing.items())
        ]
        lines += _more(found.missing, "missing")
    if found.changed:
        parts.append(f"has another shape or type for {len(found.changed)}")
        lines += [
            f"changed  {key}: {wanted} in the graph, {there} in the checkpoint"
            for key, (wanted, there) in _first(found.changed.items())
        ]
        lines += _more(found.changed, "changed")
    if found.missing:
        lines += [f"extra    {name}" for name in _first(found.extra)]
        lines += _more(found.extra, "extra")
    for rule, count in found.rules:
        lines.append(f"try      --rename {shlex.quote(rule)}  which finds {count} of them")
    return " and ".join(parts), tuple(lines)


def _first(items: Iterable[T]) -> list[T]:
    return list(islice(items, _MOST_SHOWN))


def _more(items: Collection[object], what: str) -> list[str]:
    left = len(items) - _MOST_SHOWN
    return [f"{what:8} and {left} more"] if left > 0 else []
