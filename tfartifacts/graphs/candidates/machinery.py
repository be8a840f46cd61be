"""What trains, saves and reports, and is neither input nor output of the model."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import NamedTuple

from tfartifacts.dtypes import DType
from tfartifacts.graphs.candidates.ops import (
    ACTIVATIONS,
    CARRIES_FILENAME,
    LAYER_OPS,
    METRIC_OPS,
    SAVER_OPS,
    VARIABLE_OPS,
    is_plumbing,
    is_stack,
    is_update,
)
from tfartifacts.graphs.candidates.words import (
    is_default_name,
    is_in_gradient_scope,
    last_component,
    tells_of_result,
    words,
)
from tfartifacts.graphs.edges import Edges
from tfartifacts.model import Node, Saver
from tfartifacts.model.tensors import PLACEHOLDER_OPS


class Machinery(NamedTuple):
    """Positions of nodes; `nodes` are all that is set aside.

    `updates` change variables. `gradients` were made by tf.gradients; `from_gradients` are
    computed from those: in `nodes` only where that ends in an update, else perhaps a result.
    `trains`: whether gradients end in an update.
    """

    nodes: AbstractSet[int]
    updates: AbstractSet[int]
    gradients: AbstractSet[int]
    from_gradients: AbstractSet[int]
    trains: bool


def find_machinery(edges: Edges, saver: Saver | None) -> Machinery:
    """Savers, tables, queues, summaries, gradients, updates and what serves these alone."""
    ops = {node.op for node in edges.nodes}
    updates = _with_op(edges, {op for op in ops if is_update(op)})
    plumbing = _with_op(edges, {op for op in ops if is_plumbing(op)})
    if saver is not None:
        plumbing |= _of_saver(edges, saver)
    plumbing |= _of_savers(edges)
    gradients = {i for i, node in enumerate(edges.nodes) if is_in_gradient_scope(node.name)}
    machinery = updates | plumbing | gradients
    after_gradients = _after(gradients, edges)
    from_gradients = after_gradients - gradients
    steps = updates & after_gradients
    # What depends on gradients and ends in an update is the optimizer's (clipping, averaging over
    # towers); what depends on them otherwise (forces, saliency) may be a result.
    before_steps = edges.ancestors(steps, control=False, stop=machinery - updates)
    machinery |= from_gradients & before_steps
    machinery |= _feeding_only_updates(updates, machinery, edges)
    return Machinery(machinery, updates, gradients, from_gradients, trains=bool(steps))


def _with_op(edges: Edges, ops: AbstractSet[str]) -> set[int]:
    return {index for index, node in enumerate(edges.nodes) if node.op in ops}


def _of_saver(edges: Edges, saver: Saver) -> set[int]:
    """What leads to the file's name, and all that depends on it or on the restore op."""
    filename = edges.indices(name for name in [saver.filename_tensor_name] if name)
    restore = edges.indices(name for name in [saver.restore_op_name] if name)
    return edges.ancestors(filename) | edges.descendants([*filename, *restore])


def _of_savers(edges: Edges) -> set[int]:
    """Filenames that are fed to savers, and what is between: recognised where no saver is named.

    A string placeholder is one if all that is made of it ends in ops that save and restore.
    """
    ends = _with_op(edges, SAVER_OPS)
    inside = edges.ancestors(ends, control=False) - ends
    inside = {index for index in inside if _carries_filename(edges.nodes[index])}
    todo = [
        user
        for index in inside
        for user in edges.consumers[index]
        if user not in inside and user not in ends and not _says_saved(user, edges, ends)
    ]
    # What feeds anything else is no filename, nor is what feeds that.
    while todo:
        for index in edges.producers[todo.pop()]:
            if index in inside:
                inside.discard(index)
                todo.append(index)
    placeholders = [index for index in inside if edges.nodes[index].op in PLACEHOLDER_OPS]
    return edges.ancestors(placeholders) | edges.descendants(placeholders, stop=ends)


def _carries_filename(node: Node) -> bool:
    if node.op in PLACEHOLDER_OPS:
        dtype = node.attrs.get("dtype")
        return isinstance(dtype, DType) and dtype.name == "string"
    return node.op in CARRIES_FILENAME


def _says_saved(index: int, edges: Edges, ends: AbstractSet[int]) -> bool:
    """The filename as it is fetched to save: waits for that, and nobody takes it."""
    return (
        edges.nodes[index].op == "Identity"
        and not edges.consumers[index]
        and any(before in ends for before in edges.control[index])
    )


def _after(gradients: AbstractSet[int], edges: Edges) -> set[int]:
    """The gradients and what is computed from them."""
    # The stacks of a loop's gradient are fed into the loop itself, and say nothing of it.
    stacks = {index for index in gradients if is_stack(edges.nodes[index].op)}
    return edges.descendants(gradients - stacks, stop=stacks) - stacks


def _feeding_only_updates(
    updates: AbstractSet[int], machinery: AbstractSet[int], edges: Edges
) -> set[int]:
    """Nodes that only updates or such nodes consume: moving averages, initial values."""
    consumers, producers = edges.consumers, edges.producers
    only: set[int] = set()
    left: dict[int, int] = {}
    todo = list(updates)
    while todo:
        for index in producers[todo.pop()]:
            # One visit for each edge: at the last one all consumers are known to be such.
            left[index] = left.get(index, len(consumers[index])) - 1
            if left[index] or index in machinery or _could_be_result(edges.nodes[index]):
                continue
            only.add(index)
            todo.append(index)
    return only


def _could_be_result(node: Node) -> bool:
    """A variable, a placeholder, or a prediction: measured by a metric that has variables."""
    if node.op in VARIABLE_OPS or node.op in PLACEHOLDER_OPS:
        return True
    if node.op in ACTIVATIONS or node.op in LAYER_OPS or node.op in METRIC_OPS:
        return True
    last = last_component(node.name)
    return not is_default_name(last, node.op) and tells_of_result(words(last))
