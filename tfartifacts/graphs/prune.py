"""Prune a meta graph to what its signatures and its init op need.

Kept are: every node their outputs need, fed inputs left out of the way; the nodes that are fed;
the functions those call; the collections and colocations that still make sense. An input inside
the graph becomes a placeholder. The saver is made anew for the variables that are left; what lies
between its restore op and their assignments (a Cast, a Reshape, a Concat) is kept.

Training leaves optimizers, gradients, summaries, queues and savers behind, none of which anything
that is served needs.
"""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Iterable, Mapping

from tfartifacts.errors import ConversionError, UnsupportedError
from tfartifacts.graphs.edges import Edges, edges_of, needed, parse_input
from tfartifacts.graphs.functions import reachable_functions
from tfartifacts.graphs.pruned_collections import collections_left, with_snapshots
from tfartifacts.graphs.pruned_saver import saver_for
from tfartifacts.graphs.rewrite import free_name
from tfartifacts.graphs.saver import (
    Resource,
    kind_of_state,
    resource_of,
    restored_tables,
    restored_variables,
)
from tfartifacts.model.graphs import (
    AttrValue,
    Graph,
    Node,
    SparseNames,
    TensorInfo,
    TensorShape,
    UnknownShape,
)
from tfartifacts.model.graphs import only as only_these
from tfartifacts.model.saved_models import MetaGraph, Signature
from tfartifacts.model.values import Always, Deferred
from tfartifacts.records import dataclass, field, replace

# Feeding one is a choice: what is behind it stays.
_OPTIONAL_INPUT = "PlaceholderWithDefault"
_PLACEHOLDERS = frozenset({"Placeholder", "PlaceholderV2"})


@dataclass(frozen=True, slots=True)
class _Kept:
    """Positions of nodes that run, and the tensors that are fed, by position and output.

    `beside` are those of them whose node runs all the same, for another of its outputs.
    """

    computed: set[int] = field(default_factory=set)
    fed: set[tuple[int, int]] = field(default_factory=set)
    beside: set[tuple[int, int]] = field(default_factory=set)


def fed_tensors(graph: Graph, signature: Signature) -> tuple[str, ...]:
    """The tensors that callers of a signature give; one with a default is not among them."""
    return tuple(
        tensor
        for info in signature.inputs.values()
        for tensor in info.tensor_names
        if (name := parse_input(tensor).node) in graph and graph[name].op != _OPTIONAL_INPUT
    )


def prune(meta_graph: MetaGraph) -> MetaGraph:
    """The meta graph with what its signatures, its init op and their state need, and no more.

    Raises what restored_variables raises, and ConversionError where an input inside the graph
    cannot become a placeholder.
    """
    graph = meta_graph.graph
    edges = edges_of(graph)
    kept = _needed(meta_graph, edges)
    positions = kept.computed | {index for index, _ in kept.fed}
    state = {
        resource_of(edges.nodes[index])
        for index in positions
        if kind_of_state(edges.nodes[index].op) is not None
    }
    variables = [
        restored
        for restored in restored_variables(meta_graph)
        if _holds(edges, restored.variable, restored.function, state)
    ]
    tables = [
        restored
        for restored in restored_tables(meta_graph)
        if _holds(edges, restored.table, restored.function, state)
    ]
    kept.computed.update(edges.indices(restored.variable for restored in variables))
    kept.computed.update(edges.indices(restored.table for restored in tables))
    nodes, signatures = _cut(meta_graph, edges, kept)
    saver = None
    snapshots: Mapping[str, str] = {}
    if variables or tables:
        restoring, built = saver_for(
            edges,
            kept.computed,
            variables,
            tables,
            {node.name for node in nodes},
            "" if meta_graph.saver is None else meta_graph.saver.save_tensor_name,
        )
        nodes += restoring
        nodes += built.nodes
        snapshots = built.snapshots
        saver = replace(built.saver, max_to_keep=_max_to_keep(meta_graph))
    names = {node.name for node in nodes}
    nodes = [_without_lost_colocations(node, names) for node in nodes]
    snapshots, reading = with_snapshots(meta_graph, nodes, snapshots)
    nodes += reading
    names.update(node.name for node in reading)
    collections, variable_defs = collections_left(meta_graph, names, variables, snapshots)
    return replace(
        meta_graph,
        graph=_with_nodes(graph, nodes),
        info=replace(
            meta_graph.info, op_defs=only_these(meta_graph.info.op_defs, _ops(graph, nodes))
        ),
        saver=saver,
        signatures=signatures,
        collections=collections,
        asset_files=tuple(
            asset
            for asset in meta_graph.asset_files
            if parse_input(asset.tensor_name).node in names
        ),
        variable_defs_part=Deferred(Always(variable_defs)),
    )


def _max_to_keep(meta_graph: MetaGraph) -> int:
    return 0 if meta_graph.saver is None else meta_graph.saver.max_to_keep


def _holds(edges: Edges, name: str, function: str, state: Container[Resource]) -> bool:
    """Whether that state is among what is kept, under this name or another."""
    if function:
        raise UnsupportedError(
            f"the saver is a function ({function!r}), as TensorFlow 2 makes it, expected nodes; "
            "keep the training graph"
        )
    index = edges.position.get(name)
    return index is not None and resource_of(edges.nodes[index]) in state


def _needed(meta_graph: MetaGraph, edges: Edges) -> _Kept:
    kept = _Kept()
    for signature in meta_graph.signatures.values():
        fed = set(edges.tensors(fed_tensors(meta_graph.graph, signature)))
        outputs = [name for info in signature.outputs.values() for name in info.tensor_names]
        given = [name for info in signature.inputs.values() for name in info.tensor_names]
        # An input that need not be fed (PlaceholderWithDefault) is computed, and so kept.
        computed = edges.computed(edges.tensors([*outputs, *given]), fed)
        kept.computed.update(computed)
        kept.fed.update(fed)
        kept.beside.update(tensor for tensor in fed if tensor[0] in computed)
    if meta_graph.init_op is not None:
        kept.computed.update(needed(edges, [meta_graph.init_op], ()))
    return kept


def _cut(
    meta_graph: MetaGraph, edges: Edges, kept: _Kept
) -> tuple[list[Node], dict[str, Signature]]:
    """The nodes that are left, in file order, and the signatures that go with them.

    A node that is fed and does not run becomes a placeholder. Where its output 1, say, is fed, the
    placeholder has another name, for it has but one output. Where it runs for another output, the
    placeholder comes behind it: tf.saved_model.load does not feed one output and compute another.
    """
    placeholders: dict[int, list[Node]] = {}
    renamed: dict[str, str] = {}
    taken = set(edges.position)
    for index, output in sorted(kept.fed):
        node = edges.nodes[index]
        runs = index in kept.computed
        if runs and (index, output) not in kept.beside:
            continue
        if node.op in _PLACEHOLDERS:
            placeholders[index] = [node]
            continue
        name = free_name(f"{node.name}_{output}", taken) if runs or output else node.name
        if name != node.name:
            renamed[f"{node.name}:{output}"] = f"{name}:0"
            if output == 0:
                renamed[node.name] = name
        attrs = _placeholder_attrs(meta_graph, f"{node.name}:{output}")
        made = Node(name, "Placeholder", (), "", attrs)
        if runs:
            made = replace(made, op=_OPTIONAL_INPUT, inputs=(f"{node.name}:{output}",))
        placeholders.setdefault(index, []).append(made)
    nodes: list[Node] = []
    for index in sorted(kept.computed | set(placeholders)):
        if index in kept.computed:
            nodes.append(_rewired(edges.nodes[index], renamed))
        nodes += placeholders.get(index, ())
    signatures = {
        key: replace(
            signature,
            inputs={name: _renamed(info, renamed) for name, info in signature.inputs.items()},
            outputs={name: _renamed(info, renamed) for name, info in signature.outputs.items()},
        )
        for key, signature in meta_graph.signatures.items()
    }
    return nodes, signatures if renamed else dict(meta_graph.signatures)


def _placeholder_attrs(meta_graph: MetaGraph, tensor: str) -> dict[str, AttrValue]:
    """Type and shape of a tensor that becomes an input, as a signature or the graph says."""
    inputs = [
        info
        for signature in meta_graph.signatures.values()
        for info in signature.inputs.values()
        if info.name == tensor and info.dtype is not None
    ]
    info = inputs[0] if inputs else meta_graph.graph.tensor(tensor)
    if info.dtype is None:
        raise ConversionError(f"cannot tell the type of {tensor}, which is to become an input")
    shape = UnknownShape() if info.shape is None else TensorShape(info.shape)
    return {"dtype": info.dtype.base, "shape": shape}


def _rewired(node: Node, renamed: Mapping[str, str]) -> Node:
    if not renamed or not any(text in renamed for text in node.inputs):
        return node
    return replace(node, inputs=tuple(renamed.get(text, text) for text in node.inputs))


def _renamed(info: TensorInfo, renamed: Mapping[str, str]) -> TensorInfo:
    sparse = info.sparse
    if sparse is not None:
        parts = (sparse.values, sparse.indices, sparse.dense_shape)
        sparse = SparseNames(*(renamed.get(part, part) for part in parts))
    return replace(
        info,
        name=renamed.get(info.name, info.name),
        sparse=sparse,
        components=tuple(_renamed(part, renamed) for part in info.components),
    )


def _without_lost_colocations(node: Node, names: Container[str]) -> Node:
    if "_class" not in node.attrs:
        return node
    listed = node.attrs["_class"]
    if not isinstance(listed, list):
        return node
    left = [
        item
        for item in listed
        if not (isinstance(item, bytes) and item.startswith(b"loc:@"))
        or item[len(b"loc:@") :].decode("utf-8", "replace") in names
    ]
    if len(left) == len(listed):
        return node
    attrs = only_these(node.attrs, {name for name in node.attrs if name != "_class"})
    return replace(node, attrs={**attrs, "_class": left} if left else attrs)


def _ops(graph: Graph, nodes: Iterable[Node]) -> set[str]:
    ops = {node.op for node in nodes}
    for name in reachable_functions(graph, nodes):
        ops |= {node.op for node in graph.functions[name].nodes}
    return ops


def _with_nodes(graph: Graph, nodes: list[Node]) -> Graph:
    functions = reachable_functions(graph, nodes)
    return replace(
        graph,
        nodes=tuple(nodes),
        functions=only_these(graph.functions, functions),
        gradients={
            name: gradient
            for name, gradient in graph.gradients.items()
            if name in functions and gradient in functions
        },
        op_defs=only_these(graph.op_defs, _ops(graph, nodes)),
        library_unknown_fields=b"",
    )
