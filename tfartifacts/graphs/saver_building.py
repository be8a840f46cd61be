"""Make the nodes of a saver, as tf.train.Saver makes them.

    <scope>/Const              PlaceholderWithDefault <- <scope>/filename/input "model"
    <scope>/SaveV2             <- Const, tensor_names, shape_and_slices, values
    <scope>/control_dependency Identity(Const) <- ^SaveV2        what is fetched to save
    <scope>/RestoreV2          <- Const, tensor_names, shape_and_slices
    <scope>/restore_all        NoOp <- ^Assign ...               what is run to restore

Source: tensorflow/python/training/saver.py, BaseSaverBuilder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tfartifacts.dtypes import STRING, DType
from tfartifacts.errors import UnsupportedError
from tfartifacts.graphs.edges import parse_input
from tfartifacts.graphs.rewrite import free_name, string_constant
from tfartifacts.graphs.saver import restored_variables
from tfartifacts.model.graphs import Constant, ConstantValue, Graph, Node, TensorShape, node_names
from tfartifacts.model.saved_models import MetaGraph, Saver
from tfartifacts.records import dataclass, replace


@dataclass(frozen=True, slots=True)
class Source:
    """A tensor in the checkpoint: key, `shape_and_slice` ("" for the whole), type."""

    key: str
    shape_and_slice: str
    dtype: DType


@dataclass(frozen=True, slots=True)
class SaverNodes:
    """The nodes of a saver and what to call them by.

    `snapshots` maps a resource variable to the tensor that reads it for saving.
    """

    nodes: tuple[Node, ...]
    saver: Saver
    snapshots: Mapping[str, str]


def free_scope(taken: Iterable[str], wanted: str = "save") -> str:
    """A name scope with nothing in it."""
    used = {name.partition("/")[0] for name in taken}
    scope, number = wanted, 1
    while scope in used:
        scope, number = f"{wanted}_{number}", number + 1
    return scope


def saver_nodes(
    scope: str,
    restored: Sequence[Source],
    assigns: Sequence[str],
    saved: Sequence[tuple[Source, Node]],
    exported_tables: Sequence[tuple[Node, Source, Source]] = (),
    saved_tensors: Sequence[tuple[Source, str]] = (),
) -> SaverNodes:
    """A saver that restores into the given assignments and saves the given variables.

    The RestoreV2 node is `<scope>/RestoreV2`; output i is `restored[i]`. `saved` are variable
    nodes and where they go, `exported_tables` mutable tables with their keys and values,
    `saved_tensors` what else is saved.
    """
    filename = Constant(STRING, (), (b"model",))
    prefix = f"{scope}/Const"
    default = f"{scope}/filename/input"
    nodes = [
        Node(default, "Const", (), "", {"dtype": STRING, "value": filename}),
        Node(
            prefix,
            "PlaceholderWithDefault",
            (default,),
            "",
            {"dtype": STRING, "shape": TensorShape(())},
        ),
    ]
    snapshots: dict[str, str] = {}
    values: list[tuple[Source, str]] = list(saved_tensors)
    for source, variable in saved:
        if variable.op == "VarHandleOp":
            if variable.name not in snapshots:
                read = f"{scope}/{variable.name}/ReadVariableOp"
                dtype = {"dtype": variable.attrs.get("dtype")}
                nodes.append(Node(read, "ReadVariableOp", (variable.name,), "", dtype))
                snapshots[variable.name] = read
            values.append((source, snapshots[variable.name]))
        else:
            values.append((source, variable.name))
    for table, keys, contents in exported_tables:
        export = f"{scope}/{table.name}/Export"
        op = "LookupTableExportV2" if table.op.endswith("V2") else "LookupTableExport"
        attrs = {"Tkeys": keys.dtype, "Tvalues": contents.dtype}
        nodes.append(Node(export, op, (table.name,), "", attrs))
        values += [(keys, export), (contents, f"{export}:1")]
    # Every name once: SaveV2 refuses a key twice without slices.
    unique = {(source.key, source.shape_and_slice): (source, value) for source, value in values}
    nodes += _transfer(f"{scope}/SaveV2", "SaveV2", prefix, [s for s, _ in unique.values()])
    nodes[-1] = replace(
        nodes[-1], inputs=(*nodes[-1].inputs, *(value for _, value in unique.values()))
    )
    done = f"{scope}/control_dependency"
    nodes.append(Node(done, "Identity", (prefix, f"^{scope}/SaveV2"), "", {"T": STRING}))
    nodes += _transfer(f"{scope}/RestoreV2", "RestoreV2", prefix, restored)
    restore_all = f"{scope}/restore_all"
    nodes.append(Node(restore_all, "NoOp", tuple(f"^{name}" for name in assigns)))
    saver = Saver(f"{prefix}:0", f"{done}:0", restore_all, max_to_keep=5, version=2)
    return SaverNodes(tuple(nodes), saver, snapshots)


def _transfer(name: str, op: str, prefix: str, sources: Sequence[Source]) -> list[Node]:
    keys = tuple(source.key.encode("utf-8", "surrogateescape") for source in sources)
    slices = tuple(source.shape_and_slice.encode() for source in sources)
    constants = [
        string_constant(f"{name}/tensor_names", keys),
        string_constant(f"{name}/shape_and_slices", slices),
    ]
    inputs = (prefix, *(constant.name for constant in constants))
    attrs: dict[str, Any] = {"dtypes": [source.dtype.base for source in sources]}
    return [*constants, Node(name, op, inputs, "", attrs)]


def with_restored_keys(meta_graph: MetaGraph, key_for: Callable[[str], str]) -> MetaGraph:
    """The meta graph whose saver restores from other keys: `key_for(old)`, old where unchanged."""
    graph = meta_graph.graph
    wanted: dict[str, dict[int, str]] = {}
    for restored in restored_variables(meta_graph):
        key = key_for(restored.key)
        if key != restored.key and not restored.function:
            wanted.setdefault(restored.restore, {})[restored.output] = key
    if not wanted:
        return meta_graph
    taken = set(node_names(graph.nodes))
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.name in wanted:
            constant = _renamed(graph, node, wanted[node.name], taken)
            nodes.append(constant)
            node = replace(  # noqa: PLW2901 - the same node, with other names to restore
                node, inputs=(node.inputs[0], constant.name, *node.inputs[2:])
            )
        nodes.append(node)
    return replace(meta_graph, graph=replace(graph, nodes=tuple(nodes)))


def _renamed(graph: Graph, restore: Node, keys: Mapping[int, str], taken: set[str]) -> Node:
    constant = graph[parse_input(restore.inputs[1]).node]
    value = constant.attrs.get("value")
    if not isinstance(value, ConstantValue):
        raise UnsupportedError(
            f"restore op {restore.name!r} takes its names from {constant.name!r}, expected a "
            "constant"
        )
    new = list(value.strings())
    for output, key in keys.items():
        new[output] = key.encode("utf-8", "surrogateescape")
    return string_constant(free_name(f"{restore.name}/tensor_names", taken), tuple(new))
