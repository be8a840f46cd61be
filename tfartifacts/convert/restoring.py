"""What a graph restores, made to fit the checkpoint that is to be restored.

names     of an object-based checkpoint those of its variables, where the graph goes by names
renamed   as the caller says
saver     made where the graph has none: each variable by its name
averages  on request in place of the variables they are of
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from tfartifacts.convert.variable_names import OBJECT_GRAPH_KEY, with_variable_names
from tfartifacts.errors import ConversionError
from tfartifacts.graphs.edges import edges_of, needed
from tfartifacts.graphs.renaming import renamed
from tfartifacts.graphs.saver import restored_variables, unrestored_state
from tfartifacts.graphs.saver_building import with_restored_keys
from tfartifacts.graphs.saver_by_name import with_saver_by_name
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.saved_models import MetaGraph

AVERAGE_SUFFIX = "/ExponentialMovingAverage"
Needs = Sequence[tuple[Iterable[str], Iterable[str]]]
_OBJECT_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


def restoring(
    meta_graph: MetaGraph,
    checkpoint: Checkpoint,
    needs: Needs,
    rename: Iterable[str],
    *,
    use_ema: bool,
) -> tuple[MetaGraph, Checkpoint, tuple[str, ...]]:
    """The meta graph with a saver for the checkpoint, and that with its names; notes.

    `needs` are the tensors that are to be computed, with those that are fed meanwhile. Raises
    ConversionError for renamings that fit nothing, and for averages that are not there.
    """
    notes: tuple[str, ...] = ()
    keys = {restored.key for restored in restored_variables(meta_graph)}
    if OBJECT_GRAPH_KEY in checkpoint.variables and not any(
        key.endswith(_OBJECT_SUFFIX) for key in keys
    ):
        # Where names are not unique they are left alone: what fits is told, and can be renamed.
        with suppress(ConversionError):
            checkpoint = with_variable_names(checkpoint)
            notes += ("the checkpoint is object-based: variables are found by their names in it",)
    checkpoint = renamed(checkpoint, rename)
    if meta_graph.saver is None:
        lacking = {
            state.node
            for outputs, fed in needs
            for state in unrestored_state(meta_graph, outputs, fed)
            if state.kind == "variable"
        }
        meta_graph = with_saver_by_name(meta_graph, checkpoint.variables, lacking)
        if meta_graph.saver is not None:
            notes += ("the graph has no saver: variables are found by their names",)
    if use_ema:
        meta_graph, note = _with_averages(meta_graph, checkpoint, needs)
        notes += (note,)
    return meta_graph, checkpoint, notes


def _with_averages(
    meta_graph: MetaGraph, checkpoint: Checkpoint, needs: Needs
) -> tuple[MetaGraph, str]:
    """The meta graph that restores moving averages in place of the variables they are of."""
    variables = checkpoint.variables
    restored = restored_variables(meta_graph)
    keys = {each.key for each in restored}
    averaged = {key for key in keys if key + AVERAGE_SUFFIX in variables}
    if not averaged:
        already = sum(key.endswith(AVERAGE_SUFFIX) for key in keys)
        raise ConversionError(
            f"found no variable with a moving average (<name>{AVERAGE_SUFFIX}), expected some"
            + (f"; the saver restores {already} averages as it is" if already else ""),
            path=checkpoint.path,
        )

    def key_for(key: str) -> str:
        return key + AVERAGE_SUFFIX if key in averaged else key

    note = f"moving averages take the place of {len(averaged)} variables"
    # Served, and neither averaged nor an average.
    served = _needed_nodes(meta_graph, needs)
    raw = [
        each.key
        for each in restored
        if each.variable in served
        and each.key not in averaged
        and not each.key.endswith(AVERAGE_SUFFIX)
    ]
    raw = list(dict.fromkeys(raw))
    if raw:
        shown = ", ".join(raw[:3]) + (f" and {len(raw) - 3} more" if raw[3:] else "")
        note += f"; others that are served have none and keep their values: {shown}"
    return with_restored_keys(meta_graph, key_for), note


def _needed_nodes(meta_graph: MetaGraph, needs: Needs) -> set[str]:
    edges = edges_of(meta_graph.graph)
    return {
        edges.nodes[index].name for outputs, fed in needs for index in needed(edges, outputs, fed)
    }
