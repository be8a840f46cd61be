"""What a source is for: data for the model, a switch of the graph, or labels for the loss."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from tfartifacts.graphs.candidates.candidate import INPUT, LABEL, SWITCH
from tfartifacts.graphs.candidates.flow import Flow
from tfartifacts.graphs.candidates.layers import Layers
from tfartifacts.graphs.candidates.losses import Losses
from tfartifacts.graphs.candidates.ops import METRIC_OPS
from tfartifacts.graphs.candidates.sources import Source
from tfartifacts.graphs.candidates.tensors import Tensors
from tfartifacts.graphs.candidates.words import (
    is_default_name,
    last_component,
    scope_words,
    tells_of_label,
    tells_of_loss,
    tells_of_switch,
)
from tfartifacts.model.tensors import PLACEHOLDER_OPS


class Judged(NamedTuple):
    """A source with its role; `score` orders sources of one role."""

    source: Source
    role: str
    reason: str
    score: float


def judge_sources(
    sources: Sequence[Source], flow: Flow, layers: Layers, losses: Losses, tensors: Tensors
) -> list[Judged]:
    """Each source with its role, in their order."""
    model = flow.backward(layers.model_ops, layers.data)
    judged = [_judge(source, flow, layers, losses, model, tensors) for source in sources]
    labels = _labels_by_name(judged, flow, losses)
    judged = [
        Judged(item.source, LABEL, "named like a label and ends in the loss", 0.0)
        if item.source in labels
        else item
        for item in judged
    ]
    if any(item.role == INPUT for item in judged):
        return judged
    # Scalars are all there is: then they are the data.
    return [
        item._replace(role=INPUT)
        if item.role == SWITCH and item.source.node in layers.data
        else item
        for item in judged
    ]


def _judge(
    source: Source,
    flow: Flow,
    layers: Layers,
    losses: Losses,
    model: AbstractSet[int],
    tensors: Tensors,
) -> Judged:
    node = flow.nodes[source.node]
    last = last_component(node.name)
    in_model = any(user in model for user in source.users)
    if _is_switch(source, in_model, flow, tensors):
        if source.users:
            role, reason, score = SWITCH, "a scalar that steers the graph", 3.0
        else:
            role, reason, score = SWITCH, "a scalar only the training uses", 1.0
    elif in_model:
        role, reason, score = INPUT, "feeds the layers", 10.0
    elif not source.users:
        role, reason, score = LABEL, "nothing but training uses it", -2.0
    elif any(user in losses.before_measures for user in source.users) and (
        layers.model_ops or tells_of_label(last)
    ):
        role, reason, score = LABEL, "meets only loss or metrics", 0.0
    else:
        role, reason, score = INPUT, "reaches no layer, but a result", 6.0
    if not is_default_name(last, node.op):
        score += 0.5
    if role == INPUT and tells_of_label(last):
        score -= 4.0
    return Judged(source, role, reason, score)


def _is_switch(source: Source, in_model: bool, flow: Flow, tensors: Tensors) -> bool:
    node = flow.nodes[source.node]
    if node.op not in PLACEHOLDER_OPS:
        return False
    info = tensors.describe(source.node)
    if info.shape or str(info.dtype) in ("string", "resource", "variant"):
        return False
    if info.shape == () or str(info.dtype) == "bool" or tells_of_switch(last_component(node.name)):
        return True
    # keep_prob under another name: tf.nn.dropout alone takes it.
    return in_model and all("dropout" in flow.nodes[user].name.lower() for user in source.users)


def _labels_by_name(judged: Sequence[Judged], flow: Flow, losses: Losses) -> set[Source]:
    """Labels that meet a weight all the same: of a sampled loss, of class centres."""
    inputs = [item.source for item in judged if item.role == INPUT]
    named = [
        source for source in inputs if tells_of_label(last_component(flow.nodes[source.node].name))
    ]
    if not named or len(named) == len(inputs) or not flow.machinery.trains:
        return set()
    from_named = flow.forward(user for source in named for user in source.users)
    ends = {index for index in from_named - losses.nodes if _could_end_model(index, flow)}
    to_ends = flow.backward(ends, from_named)
    return {source for source in named if not any(user in to_ends for user in source.users)}


def _could_end_model(index: int, flow: Flow) -> bool:
    """Whether nothing consumes the node but savers and summaries, and it measures nothing."""
    node = flow.nodes[index]
    return (
        node.op not in METRIC_OPS
        and all(user in flow.machinery.nodes for user in flow.edges.consumers[index])
        and not flow.is_trained(index)
        and not tells_of_loss(scope_words(node.name))
    )
