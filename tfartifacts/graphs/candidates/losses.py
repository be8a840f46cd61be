"""Losses and metrics: what training is about, and what labels lead to."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import NamedTuple

from tfartifacts.graphs.candidates.flow import Flow
from tfartifacts.graphs.candidates.ops import METRIC_OPS
from tfartifacts.graphs.candidates.tensors import Tensors
from tfartifacts.graphs.candidates.words import end_of_gradient_scope, scope_words, tells_of_loss


class Losses(NamedTuple):
    """Positions of nodes: losses with all that is computed from them, and what leads to measures.

    `before_measures` leads to a loss, a metric, or anything in a scope named like one.
    """

    nodes: AbstractSet[int]
    before_measures: AbstractSet[int]


def find_losses(flow: Flow, data: AbstractSet[int], tensors: Tensors) -> Losses:
    """Losses are the ends of what gradients were taken of, unless they have rank 2 or more."""
    differentiated = _differentiated(flow) if flow.machinery.trains else set()
    producers = flow.edges.producers
    inside = flow.backward({other for index in differentiated for other in producers[index]})
    ends = {index for index in differentiated - inside if tensors.rank(index) in (None, 0, 1)}
    measures = {
        index
        for index in data
        if flow.nodes[index].op in METRIC_OPS or tells_of_loss(scope_words(flow.nodes[index].name))
    }
    return Losses(flow.forward(ends), flow.backward(differentiated | measures))


def _differentiated(flow: Flow) -> set[int]:
    """Nodes a gradient was taken of: `gradients/a/b_grad/Mul` tells of `a/b`."""
    found: set[int] = set()
    for index in flow.machinery.gradients:
        name = flow.nodes[index].name
        start = end_of_gradient_scope(name)
        cut = name.find("_grad/", start)
        # A cap on attempts keeps a name made of "_grad/" alone from costing its square.
        for _ in range(8):
            if cut < 0:
                break
            position = flow.edges.position.get(name[start:cut])
            if position is not None and position not in flow.machinery.nodes:
                found.add(position)
                break
            cut = name.find("_grad/", cut + 1)
    return found
