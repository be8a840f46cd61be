"""A saver for a graph that came without one, such as a bare GraphDef: keys are variables' names.

    VariableV2   net/w          key: net/w           its name
    VarHandleOp  net/w          key: net/w           its shared_name
    VariableV2   net/w/part_1   key: net/w, a slice  where the checkpoint has no net/w/part_1

The slices of a partitioned variable follow from the shapes of its parts, which lie one behind the
other in one dimension (partitioned_variables.py; tf.train.Saver would find them in a collection).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from tfartifacts.dtypes import DType
from tfartifacts.graphs.rewrite import assign_node
from tfartifacts.graphs.saver_building import Source, free_scope, saver_nodes
from tfartifacts.model import Variable
from tfartifacts.model.graphs import Node, TensorShape
from tfartifacts.model.saved_models import MetaGraph
from tfartifacts.model.values import Shape
from tfartifacts.records import replace

_VARIABLE_OPS = frozenset("Variable VariableV2 VarHandleOp".split())
_PART = re.compile(r"(.+)/part_(\d{1,9})", re.ASCII | re.DOTALL)


def with_saver_by_name(
    meta_graph: MetaGraph, variables: Mapping[str, Variable], needed: Collection[str]
) -> MetaGraph:
    """The meta graph with a saver for the variables a checkpoint has, and for those `needed`.

    `needed` are nodes; one that the checkpoint does not have is restored all the same, so that
    it is missed where graph and checkpoint are compared. A graph without any is given back as is.
    """
    graph = meta_graph.graph
    nodes = [
        node
        for node in graph.nodes
        if node.op in _VARIABLE_OPS and isinstance(node.attrs.get("dtype"), DType)
    ]
    slices = _slices(nodes, variables)
    by_key: dict[tuple[str, str], Node] = {}
    for node in nodes:
        key, slice_ = slices.get(node.name) or (key_of_variable(node), "")
        if key in variables or node.name in needed:
            by_key.setdefault((key, slice_), node)
    if not by_key:
        return meta_graph
    scope = free_scope(node.name for node in graph.nodes)
    sources = [Source(*key, node.attrs["dtype"].base) for key, node in by_key.items()]
    assigns = [
        assign_node(f"{scope}/Assign_{position}", node, f"{scope}/RestoreV2", position)
        for position, node in enumerate(by_key.values())
    ]
    built = saver_nodes(
        scope,
        sources,
        [node.name for node in assigns],
        list(zip(sources, by_key.values(), strict=True)),
    )
    return replace(
        meta_graph,
        graph=replace(graph, nodes=(*graph.nodes, *assigns, *built.nodes)),
        saver=built.saver,
    )


def key_of_variable(node: Node) -> str:
    """The key a variable has where no saver says otherwise: its name."""
    shared = node.attrs.get("shared_name") if node.op == "VarHandleOp" else b""
    return shared.decode("utf-8", "surrogateescape") if shared else node.name


def _slices(nodes: Iterable[Node], variables: Mapping[str, Variable]) -> dict[str, tuple[str, str]]:
    """Key and slice of each part of a partitioned variable."""
    parts: dict[str, dict[int, Node]] = {}
    for node in nodes:
        key = key_of_variable(node)
        match = _PART.fullmatch(key)
        if match and key not in variables and match[1] in variables:
            parts.setdefault(match[1], {})[int(match[2])] = node
    found: dict[str, tuple[str, str]] = {}
    for key, numbered in parts.items():
        ordered = [numbered[number] for number in sorted(numbered)]
        whole = variables[key].shape
        starts = _starts([_shape(node) for node in ordered], whole)
        for node, start in zip(ordered, starts, strict=False):
            sizes = " ".join(map(str, whole))
            extents = ":".join(
                f"{first},{size}" for first, size in zip(start, _shape(node) or (), strict=True)
            )
            found[node.name] = (key, f"{sizes} {extents}")
    return found


def _shape(node: Node) -> Shape | None:
    shape = node.attrs.get("shape")
    if not isinstance(shape, TensorShape) or None in shape:
        return None
    return tuple(size for size in shape if size is not None)


def _starts(shapes: list[Shape | None], whole: Shape) -> list[Shape]:
    """Where each part begins; none where the parts do not make up the whole along one dimension."""
    if any(shape is None or len(shape) != len(whole) for shape in shapes):
        return []
    known = [shape for shape in shapes if shape is not None]
    for dimension in range(len(whole)):
        sizes = [shape[dimension] for shape in known]
        others = {(*shape[:dimension], *shape[dimension + 1 :]) for shape in known}
        if sum(sizes) == whole[dimension] and others == {
            (*whole[:dimension], *whole[dimension + 1 :])
        }:
            return [
                (*(0,) * dimension, sum(sizes[:part]), *(0,) * (len(whole) - dimension - 1))
                for part in range(len(sizes))
            ]
    return []
