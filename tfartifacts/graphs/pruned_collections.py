"""What is left of a meta graph's collections when it was pruned.

Of variables those that are there, their initialisers and snapshots put right; a list of nodes where
all of them are left, of assets' paths those that are; numbers. Gradients, contexts of loops and
conditions, summaries, and messages that nobody here knows are of use to training alone.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from tfartifacts.graphs.assets import ASSET_PATHS
from tfartifacts.graphs.edges import parse_input
from tfartifacts.graphs.rewrite import free_name
from tfartifacts.graphs.saver import RestoredVariable
from tfartifacts.model.graphs import Node, only
from tfartifacts.model.saved_models import Collection, MetaGraph, VariableDef
from tfartifacts.records import replace


def with_snapshots(
    meta_graph: MetaGraph, nodes: Sequence[Node], snapshots: Mapping[str, str]
) -> tuple[dict[str, str], list[Node]]:
    """A node that reads each resource variable that collections name; those that had to be made.

    `snapshots` are those known already. tf.saved_model.load walks from the snapshot of a variable
    back to its ReadVariableOp, and fails where it comes upon the handle.
    """
    by_name = {node.name: node for node in nodes}
    taken = set(by_name)
    found: dict[str, str] = {}
    for node in nodes:
        # One that waits for something may be in a branch that is not taken.
        if node.op == "ReadVariableOp" and len(node.inputs) == 1:
            found.setdefault(parse_input(node.inputs[0]).node, node.name)
    found.update(snapshots)
    made: list[Node] = []
    for variables in meta_graph.variable_defs.values():
        for variable in variables:
            handle = by_name.get(parse_input(variable.name).node)
            if handle is None or handle.op != "VarHandleOp" or handle.name in found:
                continue
            snapshot = parse_input(variable.snapshot).node
            if snapshot in by_name and snapshot != handle.name:
                continue
            name = free_name(f"{handle.name}/Read/ReadVariableOp", taken)
            attrs = only(handle.attrs, {"dtype"})
            made.append(Node(name, "ReadVariableOp", (handle.name,), "", attrs))
            found[handle.name] = name
    return found, made


def collections_left(
    meta_graph: MetaGraph,
    names: Container[str],
    variables: Iterable[RestoredVariable],
    snapshots: Mapping[str, str],
) -> tuple[dict[str, Collection], dict[str, tuple[VariableDef, ...]]]:
    """The collections of which something is left: variables, lists of nodes that are all there.

    Those of variables a second time, decoded.
    """
    assigned = {restored.variable: restored.assign for restored in variables}
    found: dict[str, Collection] = {}
    defined: dict[str, tuple[VariableDef, ...]] = {}
    for key, collection in meta_graph.collections.items():
        if key in meta_graph.variable_defs:
            listed = [
                _variable_def(variable, names, assigned, snapshots)
                for variable in meta_graph.variable_defs[key]
                if parse_input(variable.name).node in names
            ]
            whole = tuple(
                variable for variable in listed if parse_input(variable.initializer).node in names
            )
            if whole:
                found[key], defined[key] = Collection("bytes_list", whole), whole
        elif collection.kind == "node_list":
            left = tuple(
                name
                for name in collection.values
                if parse_input(str(name).removeprefix("^")).node in names
            )
            if left and (len(left) == len(collection.values) or key == ASSET_PATHS):
                found[key] = replace(collection, values=left)
        elif collection.kind in ("int64_list", "float_list"):
            found[key] = collection
    return found, defined


def _variable_def(
    variable: VariableDef,
    names: Container[str],
    assigned: Mapping[str, str],
    snapshots: Mapping[str, str],
) -> VariableDef:
    """What a collection says of a variable whose initialisers may be gone."""
    name = parse_input(variable.name).node
    snapshot = variable.snapshot
    if parse_input(snapshot).node == name or parse_input(snapshot).node not in names:
        snapshot = f"{snapshots[name]}:0" if name in snapshots else variable.name
    initial = variable.initial_value
    return replace(
        variable,
        initializer=assigned.get(name, variable.initializer),
        snapshot=snapshot,
        initial_value=initial if parse_input(initial).node in names else "",
    )
