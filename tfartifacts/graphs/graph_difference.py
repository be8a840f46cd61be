"""Two graphs, node by node: by name, op, inputs, device and attributes; and function by function.

The order of nodes means nothing and is not compared, nor is `_output_shapes` where one side alone
has it: export_meta_graph writes down there what the graph says anyway. A constant is compared by
its elements, however they are encoded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from tfartifacts.model import Function, Graph, Node
from tfartifacts.model.graphs import ConstantValue, node_ops
from tfartifacts.records import dataclass

ChangeKind = Literal["added", "removed", "changed"]

_INFERRED = "_output_shapes"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """Something of a node that changed: `op`, `inputs`, `device`, `input N` or `attr NAME`.

    Inputs are told one by one where there are as many.

    A value is that of Node and its attributes; None where that side has none.
    """

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class NodeDifference:
    """A node of one graph alone, or one that changed in `fields`; `op` is B's if it has it."""

    name: str
    op: str
    kind: ChangeKind
    fields: tuple[FieldDifference, ...] = ()


@dataclass(frozen=True, slots=True)
class FunctionDifference:
    """A function of one library alone, or one whose `nodes` or signature changed."""

    name: str
    kind: ChangeKind
    nodes: tuple[NodeDifference, ...] = ()
    signature_changed: bool = False


@dataclass(frozen=True, slots=True)
class GraphDifference:
    """How graph B differs from graph A.

    `ops` maps an op to how many nodes of it A and B have, where that is not the same.
    """

    num_nodes: tuple[int, int]
    nodes: tuple[NodeDifference, ...] = ()
    functions: tuple[FunctionDifference, ...] = ()
    gradients_changed: bool = False
    ops: Mapping[str, tuple[int, int]] | None = None

    @property
    def equal(self) -> bool:
        return not (self.nodes or self.functions or self.gradients_changed)


def compare_graphs(
    a: Graph,
    b: Graph,
    *,
    constants: bool = True,
    select: Callable[[str], bool] | None = None,
) -> GraphDifference:
    """Compare two graphs. `select` chooses among names of nodes and functions.

    Without `constants` the elements of Const nodes are left out: they are compared as variables.
    Raises FormatError where an attribute is damaged.
    """
    select = select or _everything
    nodes = _compare_nodes(a.nodes, b.nodes, constants, select)
    functions = _compare_functions(a.functions, b.functions, select)
    return GraphDifference(
        (len(a.nodes), len(b.nodes)),
        nodes,
        functions,
        dict(a.gradients) != dict(b.gradients),
        _ops(a, b) if nodes else {},
    )


def _everything(name: str) -> bool:
    return True


def _ops(a: Graph, b: Graph) -> dict[str, tuple[int, int]]:
    ours, theirs = (Counter(node_ops(graph.nodes)) for graph in (a, b))
    return {op: (ours[op], theirs[op]) for op in sorted(ours | theirs) if ours[op] != theirs[op]}


def _compare_nodes(
    ours: Sequence[Node],
    theirs: Sequence[Node],
    constants: bool,
    select: Callable[[str], bool],
) -> tuple[NodeDifference, ...]:
    # Nodes are decoded when asked for: positions take less room.
    positions: dict[str, int] = {}
    for position, node in enumerate(theirs):
        positions.setdefault(node.name, position)
    found: list[NodeDifference] = []
    seen: set[str] = set()
    for node in ours:
        if node.name in seen:
            continue
        seen.add(node.name)
        if not select(node.name):
            continue
        there = positions.get(node.name)
        if there is None:
            found.append(NodeDifference(node.name, node.op, "removed"))
            continue
        other = theirs[there]
        if fields := _fields(node, other, constants):
            found.append(NodeDifference(node.name, other.op, "changed", fields))
    for name, position in positions.items():
        if name not in seen and select(name):
            found.append(NodeDifference(name, theirs[position].op, "added"))
    return tuple(found)


def _fields(ours: Node, theirs: Node, constants: bool) -> tuple[FieldDifference, ...]:
    fields = [
        FieldDifference(name, before, after)
        for name, before, after in (
            ("op", ours.op, theirs.op),
            *_inputs(ours, theirs),
            ("device", ours.device, theirs.device),
        )
        if before != after
    ]
    return (*fields, *_attributes(ours, theirs, constants))


def _inputs(ours: Node, theirs: Node) -> list[tuple[str, Any, Any]]:
    if len(ours.inputs) != len(theirs.inputs):
        return [("inputs", ours.inputs, theirs.inputs)]
    pairs = enumerate(zip(ours.inputs, theirs.inputs, strict=True))
    return [(f"input {number}", before, after) for number, (before, after) in pairs]


def _attributes(ours: Node, theirs: Node, constants: bool) -> list[FieldDifference]:
    if _are_encoded_alike(ours.attrs, theirs.attrs):
        return []
    fields = []
    for name in (*ours.attrs, *(name for name in theirs.attrs if name not in ours.attrs)):
        here, there = name in ours.attrs, name in theirs.attrs
        if name == _INFERRED and not (here and there):
            continue
        before = ours.attrs[name] if here else None
        after = theirs.attrs[name] if there else None
        if here and there:
            is_constant = name == "value" and ours.op == theirs.op == "Const"
            if is_constant and not constants:
                continue
            if _same_value(before, after):
                continue
        fields.append(FieldDifference(f"attr {name}", before, after))
    return fields


def _are_encoded_alike(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether attributes that were read are the same bytes, which says it without decoding."""
    encoded = [getattr(attrs, "encoded", None) for attrs in (ours, theirs)]
    if encoded[0] is None or encoded[1] is None:
        return False
    one, other = encoded[0](), encoded[1]()
    return len(one) == len(other) and all(x == y for x, y in zip(one, other, strict=True))


def _same_value(before: Any, after: Any) -> bool:
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(_same_item, before, after))
    return _same_item(before, after)


def _same_item(before: Any, after: Any) -> bool:
    if isinstance(before, ConstantValue) and isinstance(after, ConstantValue):
        return before == after or _same_elements(before, after)
    # NaN is not itself otherwise; types tell 1 from True and 1.0.
    same_type = type(before) is type(after)
    return same_type and bool(before == after or (before != before and after != after))  # noqa: PLR0124


def _same_elements(before: ConstantValue, after: ConstantValue) -> bool:
    """Whether two constants hold the same bits; a few bytes may stand for any number of them."""
    if before.dtype != after.dtype or before.shape != after.shape:
        return False
    import numpy as np

    ours, theirs = before.read(), after.read()
    if ours.size and not any(ours.strides) and not any(theirs.strides):
        first = (0,) * ours.ndim
        ours, theirs = ours[first], theirs[first]
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if ours.dtype == object:
        return bool(ours.tolist() == theirs.tolist())
    return ours.tobytes() == theirs.tobytes()


def _compare_functions(
    ours: Mapping[str, Function], theirs: Mapping[str, Function], select: Callable[[str], bool]
) -> tuple[FunctionDifference, ...]:
    found: list[FunctionDifference] = []
    for name in ours:
        if not select(name):
            continue
        if name not in theirs:
            found.append(FunctionDifference(name, "removed"))
            continue
        one, other = ours[name], theirs[name]
        nodes = _compare_nodes(one.nodes, other.nodes, True, _everything)
        signature = (one.inputs, one.outputs, dict(one.returns))
        changed = signature != (other.inputs, other.outputs, dict(other.returns))
        if nodes or changed:
            found.append(FunctionDifference(name, "changed", nodes, changed))
    found += [
        FunctionDifference(name, "added") for name in theirs if name not in ours and select(name)
    ]
    return tuple(found)
