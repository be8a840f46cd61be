"""The saver of a graph, told that keys of its checkpoint are called otherwise, or are gone.

    renamed   the constants with the names, of its save and restore ops alike, are made anew
    gone      a new saver restores and saves what is left; the nodes of the old one go, if they
              stand in a scope of their own and nobody else needs them

The graph's variables keep their names: a saver maps keys to variables.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping

from tfartifacts.dtypes import STRING
from tfartifacts.errors import UnsupportedError
from tfartifacts.graphs.edges import Edges, behind_identities, edges_of, parse_input
from tfartifacts.graphs.pruned_saver import saver_for
from tfartifacts.graphs.rewrite import free_name, string_constant
from tfartifacts.graphs.saver import VARIABLE_OPS, restored_tables, restored_variables
from tfartifacts.model.graphs import ConstantValue, Graph, Node, node_ops
from tfartifacts.model.saved_models import Collection, MetaGraph, Saver
from tfartifacts.records import replace

_SAVER_OPS = frozenset("SaveV2 RestoreV2".split())
# Savers as SaverDef messages; import_meta_graph has the meta graph's own.
_SAVERS = "savers"


def with_renamed_keys(meta_graph: MetaGraph, names: Mapping[str, str]) -> MetaGraph:
    """The meta graph whose saver saves and restores under other keys: old ones mapped to new.

    Raises UnsupportedError where the names are in a function, or not in constants.
    """
    changed = {old: new for old, new in names.items() if old != new}
    restored = restored_variables(meta_graph)
    tables = restored_tables(meta_graph)
    keys = {item.key for item in restored} | {key for item in tables for key, *_ in item.sources}
    if not keys & changed.keys():
        return meta_graph
    _refuse_functions(meta_graph)
    graph = meta_graph.graph
    edges = edges_of(graph)
    taken = set(edges.position)
    made: dict[int, str] = {}
    nodes: list[Node] = []
    for index in sorted(_saver_ops(edges, meta_graph.saver)):
        node = edges.nodes[index]
        constant = behind_identities(edges, edges.producers[index][1])
        value = edges.nodes[constant].attrs.get("value")
        if not isinstance(value, ConstantValue) or value.dtype != STRING:
            raise UnsupportedError(
                f"{node.op} {node.name!r} takes its names from {edges.nodes[constant].name!r}, "
                "expected a constant"
            )
        old = [key.decode("utf-8", "surrogateescape") for key in value.strings()]
        new = [changed.get(key, key) for key in old]
        if new != old:
            encoded = tuple(key.encode("utf-8", "surrogateescape") for key in new)
            name = free_name(f"{node.name}/tensor_names", taken)
            nodes.append(string_constant(name, encoded, edges.nodes[constant].device))
            made[index] = name
    rewired = [
        _with_names(node, made[index]) if index in made else node
        for index, node in enumerate(edges.nodes)
    ]
    return replace(meta_graph, graph=replace(graph, nodes=tuple(_in_order(rewired, nodes, made))))


def _in_order(nodes: list[Node], constants: list[Node], made: Mapping[int, str]) -> list[Node]:
    """The nodes, each new constant before the node that takes it."""
    by_name = {constant.name: constant for constant in constants}
    ordered: list[Node] = []
    for index, node in enumerate(nodes):
        if index in made:
            ordered.append(by_name[made[index]])
        ordered.append(node)
    return ordered


def _with_names(node: Node, constant: str) -> Node:
    """A save or restore op that takes its names from another node."""
    data = [place for place, text in enumerate(node.inputs) if not text.startswith("^")]
    inputs = list(node.inputs)
    inputs[data[1]] = constant
    return replace(node, inputs=tuple(inputs))


def _saver_ops(edges: Edges, saver: Saver | None) -> list[int]:
    """The ops that save and restore what a saver does."""
    if saver is None:
        return []
    names = [saver.save_tensor_name, saver.restore_op_name.removeprefix("^")]
    state = [index for index, node in enumerate(edges.nodes) if node.op in VARIABLE_OPS]
    behind = edges.ancestors(edges.indices(filter(None, names)), stop=frozenset(state))
    return [
        index
        for index in behind
        if edges.nodes[index].op in _SAVER_OPS and len(edges.producers[index]) > 1
    ]


def _refuse_functions(meta_graph: MetaGraph) -> None:
    functions = [item.function for item in restored_variables(meta_graph)]
    functions += [item.function for item in restored_tables(meta_graph)]
    for name in filter(None, functions):
        raise UnsupportedError(
            f"the saver is a function ({name!r}), as TensorFlow 2 makes it, expected nodes"
        )


def with_keys_left(meta_graph: MetaGraph, is_there: Callable[[str], bool]) -> MetaGraph | None:
    """The meta graph whose saver leaves alone the keys that are gone; None if none is left.

    A variable whose key is gone stays in the graph, for its initializer to fill. Raises
    UnsupportedError where the saver cannot be made anew, such as one that is a function.
    """
    variables = restored_variables(meta_graph)
    tables = restored_tables(meta_graph)
    gone = {item.assign for item in variables if not is_there(item.key)}
    gone |= {item.importer for item in tables if not all(is_there(key) for key, *_ in item.sources)}
    if not gone:
        return meta_graph
    kept_variables = [item for item in variables if item.assign not in gone]
    kept_tables = [item for item in tables if item.importer not in gone]
    if not kept_variables and not kept_tables:
        return None
    _refuse_functions(meta_graph)
    saver = meta_graph.saver
    assert saver is not None  # something is restored
    graph = meta_graph.graph
    edges = edges_of(graph)
    inside = _inside(edges, saver)
    kept = set(range(len(edges))) - inside
    chain, built = saver_for(
        edges,
        kept,
        kept_variables,
        kept_tables,
        {edges.nodes[index].name for index in kept},
        saver.save_tensor_name,
    )
    new = [*chain, *built.nodes]
    names = {node.name for node in new}
    old = [node for index, node in enumerate(edges.nodes) if index in kept]
    made = {node.name for node in old} | names
    for node in (*old, *new):
        for text in node.inputs:
            if parse_input(text).node not in made and parse_input(text).node in edges.position:
                raise UnsupportedError(
                    f"{node.name!r} needs {parse_input(text).node!r}, a node of the saver"
                )
    return replace(
        meta_graph,
        graph=replace(graph, nodes=(*old, *new)),
        saver=replace(
            built.saver,
            max_to_keep=saver.max_to_keep,
            keep_checkpoint_every_n_hours=saver.keep_checkpoint_every_n_hours,
        ),
        collections=_collections_left(meta_graph, made),
    )


def _inside(edges: Edges, saver: Saver) -> set[int]:
    """The nodes of a saver: those in its scope, as far as nothing outside needs them."""
    scope, slash, _ = parse_input(saver.filename_tensor_name).node.rpartition("/")
    names = [saver.save_tensor_name, saver.restore_op_name.removeprefix("^")]
    if not slash or any(not name.startswith(scope + slash) for name in names if name):
        raise UnsupportedError(
            "the saver's nodes are in no scope of their own, expected one such as save/"
        )
    inside = {
        index
        for index, node in enumerate(edges.nodes)
        if node.name.startswith(scope + slash) and node.op not in VARIABLE_OPS
    }
    todo = list(inside)
    while todo:
        index = todo.pop()
        if index not in inside:
            continue
        users = (*edges.consumers[index], *edges.control_consumers[index])
        if any(user not in inside for user in users):
            inside.remove(index)
            # What it needs is needed, too.
            todo += [*edges.producers[index], *edges.control[index]]
    return inside


def _collections_left(meta_graph: MetaGraph, names: Container[str]) -> dict[str, Collection]:
    """The collections without nodes that are gone; without the savers of old."""
    found: dict[str, Collection] = {}
    for key, collection in meta_graph.collections.items():
        if key == _SAVERS:
            continue
        if collection.kind == "node_list":
            left = tuple(
                name
                for name in collection.values
                if parse_input(str(name).removeprefix("^")).node in names
            )
            if left == collection.values:
                found[key] = collection
            elif left:
                found[key] = replace(collection, values=left)
        else:
            found[key] = collection
    return found


def old_restore_ops(graph: Graph) -> bool:
    """Whether a graph has restore ops of 2016, which read V1 checkpoints alone."""
    return any(op in ("Restore", "RestoreSlice") for op in node_ops(graph.nodes))
