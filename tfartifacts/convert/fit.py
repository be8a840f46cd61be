"""Whether what is made would load: the saver's keys against the checkpoint, state, restore ops."""

from __future__ import annotations

from collections.abc import Iterable

from tfartifacts.convert.variable_names import OBJECT_GRAPH_KEY
from tfartifacts.errors import ConversionError, UnsupportedError
from tfartifacts.graphs.edges import parse_input
from tfartifacts.graphs.matching import describe, mismatch
from tfartifacts.graphs.rewrite import OLD_RESTORE_OPS, upgrade_restore_ops
from tfartifacts.graphs.saver import restored_tables, unrestored_state
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.graphs import Graph, node_names
from tfartifacts.model.saved_models import MetaGraph


def with_restore_v2(meta_graph: MetaGraph) -> Graph:
    """The graph, able to restore the V2 checkpoint that is written for it."""
    graph = upgrade_restore_ops(meta_graph.graph)
    left = [name for name, op in graph.names_and_ops() if op in OLD_RESTORE_OPS]
    if left:
        raise UnsupportedError(
            f"found {len(left)} restore ops of 2016 whose names are not constants, such as "
            f"{left[0]!r}"
        )
    return graph


def no_graph(checkpoint: Checkpoint) -> ConversionError:
    """What to say of a checkpoint that came without its graph."""
    expected = "pass a graph of the same model (--graph: a .meta, .pb, .pbtxt or SavedModel)"
    if OBJECT_GRAPH_KEY in checkpoint.variables:
        return ConversionError(
            "found an object-based checkpoint of TensorFlow 2, which never has a graph, expected "
            f"one: {expected}, or export the model with tf.saved_model.save",
            path=checkpoint.path,
        )
    return ConversionError(
        f"found no {checkpoint.path}.meta, expected the graph: a SavedModel needs one; copy it "
        f"from where the checkpoint was written, or {expected}; variables can be listed and read "
        "without it"
    )


def refuse_mismatch(meta_graph: MetaGraph, checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint that the saver would not restore: every loader would fail."""
    found = mismatch(meta_graph, checkpoint.variables)
    if found:
        line, details = describe(found)
        raise ConversionError(
            f"found a graph that does not fit the checkpoint: it {line}",
            path=checkpoint.path,
            details=details,
        )
    for table in restored_tables(meta_graph):
        for key, _, _ in table.sources:
            if key not in checkpoint.variables:
                raise ConversionError(
                    f"the graph restores {key!r} of table {table.table}, which the checkpoint "
                    "does not have",
                    path=checkpoint.path,
                )


def refuse_variables(
    meta_graph: MetaGraph, needs: Iterable[tuple[Iterable[str], Iterable[str]]]
) -> None:
    """Refuse a graph alone whose outputs need variables that a saver would restore."""
    names = [
        state.node
        for outputs, fed in needs
        for state in unrestored_state(meta_graph.graph, outputs, fed)
        if state.kind == "variable"
    ]
    if names:
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        raise ConversionError(
            f"found a graph alone whose outputs need {len(names)} variables ({shown}), expected "
            "constants: pass the checkpoint of its variables, with this graph as --graph"
        )


def refuse_missing_nodes(graph: Graph) -> None:
    """Refuse a graph of which a part is missing: nobody would load it."""
    names = set(node_names(graph.nodes))
    for node in graph.nodes:
        for text in node.inputs:
            source = parse_input(text).node
            if source not in names:
                raise ConversionError(
                    f"found {node.name!r}, which takes {text!r}, expected a node {source!r}: the "
                    "graph is not whole",
                    path=graph.path,
                )
