"""Changes to a graph that every conversion needs. What does not change is carried as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfartifacts.dtypes import STRING, DType
from tfartifacts.model.graphs import (
    Constant,
    Function,
    Graph,
    Node,
    node_devices,
    node_names,
    node_ops,
)
from tfartifacts.records import replace


def clear_devices(graph: Graph) -> Graph:
    """The graph without device placements, those inside functions included.

    A placement the loading machine does not have, such as /GPU:0, makes loaders fail.
    """
    functions = graph.functions
    changed: dict[str, Function] = {}
    for name, function in functions.items():
        nodes = _without_devices(function.nodes)
        if nodes is not function.nodes:
            changed[name] = replace(function, nodes=nodes)
    if changed:
        functions = {name: changed.get(name, functions[name]) for name in functions}
    return replace(graph, nodes=_without_devices(graph.nodes), functions=functions)


def _without_devices(nodes: Sequence[Node]) -> Sequence[Node]:
    placed = [bool(device) for device in node_devices(nodes)]
    if not any(placed):
        return nodes
    return tuple(
        replace(node, device="") if is_placed else node
        for node, is_placed in zip(nodes, placed, strict=True)
    )


OLD_RESTORE_OPS = frozenset({"Restore", "RestoreSlice"})


def upgrade_restore_ops(graph: Graph) -> Graph:
    """The graph with its Restore and RestoreSlice ops, of 2016 and before, as RestoreV2.

    The old ops read V1 checkpoints only. Each keeps its name and its one output; the names it
    reads move into constants of the shape RestoreV2 takes. Source: core/ops/io_ops.cc.
    """
    if not any(op in OLD_RESTORE_OPS for op in node_ops(graph.nodes)):
        return graph
    taken = set(node_names(graph.nodes))
    nodes: list[Node] = []
    for node in graph.nodes:
        nodes += _as_restore_v2(graph, node, taken) if node.op in OLD_RESTORE_OPS else [node]
    return replace(graph, nodes=tuple(nodes))


def _as_restore_v2(graph: Graph, node: Node, taken: set[str]) -> list[Node]:
    data_inputs = [name for name in node.inputs if not name.startswith("^")]
    control_inputs = [name for name in node.inputs if name.startswith("^")]
    dtype = node.attrs.get("dt")
    wanted = 3 if node.op == "RestoreSlice" else 2
    if len(data_inputs) != wanted or not isinstance(dtype, DType):
        return [node]
    names = _strings_of(graph, data_inputs[1])
    slices = _strings_of(graph, data_inputs[2]) if wanted == 3 else (b"",)
    if names is None or slices is None:
        return [node]
    constants = [
        string_constant(free_name(f"{node.name}/{role}", taken), values, node.device)
        for role, values in (("tensor_names", names), ("shape_and_slices", slices))
    ]
    restore = Node(
        name=node.name,
        op="RestoreV2",
        inputs=(data_inputs[0], *(constant.name for constant in constants), *control_inputs),
        device=node.device,
        attrs={"dtypes": [dtype]},
    )
    return [*constants, restore]


def _strings_of(graph: Graph, tensor: str) -> tuple[bytes, ...] | None:
    name = tensor.partition(":")[0]
    if name not in graph or graph[name].op != "Const":
        return None
    value = graph[name].attrs.get("value")
    return None if value is None or value.dtype != STRING else tuple(value.strings())


def string_constant(name: str, values: tuple[bytes, ...], device: str = "") -> Node:
    """A vector of strings."""
    value = Constant(STRING, (len(values),), values)
    attrs: dict[str, Any] = {"dtype": STRING, "value": value}
    return Node(name, "Const", (), device, attrs)


def assign_node(name: str, variable: Node, restore: str, output: int) -> Node:
    """What gives a variable an output of a restore op."""
    value = restore if output == 0 else f"{restore}:{output}"
    dtype = variable.attrs["dtype"].base
    if variable.op == "VarHandleOp":
        # AssignVariableOp takes any value; the restored one is of this type.
        return Node(name, "AssignVariableOp", (variable.name, value), "", {"dtype": dtype})
    attrs = {
        "T": dtype,
        "_class": [f"loc:@{variable.name}".encode()],
        "use_locking": True,
        "validate_shape": True,
    }
    return Node(name, "Assign", (variable.name, value), "", attrs)


def free_name(wanted: str, taken: set[str]) -> str:
    """A name that is not taken, the wanted one or with a number; it is taken from now on."""
    name, number = wanted, 1
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    taken.add(name)
    return name
