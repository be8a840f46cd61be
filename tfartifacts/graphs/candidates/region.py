"""Where outputs are: behind the inputs, short of labels and loss, at the end of the layers."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from tfartifacts.graphs.candidates.candidate import INPUT, LABEL
from tfartifacts.graphs.candidates.flow import Flow
from tfartifacts.graphs.candidates.layers import Layers, passed_on
from tfartifacts.graphs.candidates.losses import Losses
from tfartifacts.graphs.candidates.roles import Judged
from tfartifacts.graphs.candidates.words import tells_of_loss, words
from tfartifacts.graphs.edges import walk


class Region(NamedTuple):
    """Positions of nodes; `nodes` are computed from inputs, without labels, short of the loss.

    `layers` are the model ops among them. `behind` is computed from a layer; `between` is, and
    leads to another one; `tail` leads to none. `ends` are ends of the tail, and `to_ends` leads
    there within it. `from_labels` is outside: what labels lead to.
    """

    nodes: AbstractSet[int]
    layers: AbstractSet[int]
    behind: AbstractSet[int]
    between: AbstractSet[int]
    tail: AbstractSet[int]
    ends: AbstractSet[int]
    to_ends: AbstractSet[int]
    from_labels: AbstractSet[int]


def find_region(flow: Flow, judged: Sequence[Judged], layers: Layers, losses: Losses) -> Region:
    """The region and its parts. Where nothing is fed: what is computed from variables alone."""
    from_labels = flow.forward(_users(judged, LABEL))
    measured = from_labels | losses.nodes
    nodes = flow.forward(_users(judged, INPUT), measured)
    if not nodes:
        nodes = flow.forward(layers.variables, measured)
        nodes -= passed_on(layers.variables, flow, layers.data)
    nodes -= {item.source.node for item in judged}
    nodes -= layers.weights
    ops = layers.model_ops & nodes
    before = flow.backward({other for index in ops for other in flow.edges.producers[index]}, nodes)
    behind = flow.forward(ops, measured)
    tail = nodes - before
    ends = {index for index in tail if _is_end(index, flow, tail, measured)}
    to_ends = walk(ends, [flow.edges.producers], tail.__contains__)
    return Region(nodes, ops, behind, before & behind, tail, ends, to_ends, from_labels)


def _users(judged: Sequence[Judged], role: str) -> list[int]:
    return [user for item in judged if item.role == role for user in item.source.users]


def _is_end(index: int, flow: Flow, tail: AbstractSet[int], measured: AbstractSet[int]) -> bool:
    """Whether the tail ends with a node that does not serve loss and metrics alone."""
    users = flow.users(index)
    if users:
        return any(user not in tail and user not in measured for user in users)
    return not (flow.is_trained(index) and tells_of_loss(words(flow.nodes[index].name)))
