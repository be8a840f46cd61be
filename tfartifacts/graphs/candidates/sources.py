"""Where data comes into a graph: placeholders, iterators, dequeued batches, files read."""

from __future__ import annotations

from typing import NamedTuple

from tfartifacts.graphs.candidates.flow import Flow
from tfartifacts.graphs.candidates.ops import PIPELINE_OPS
from tfartifacts.model.tensors import PLACEHOLDER_OPS


class Source(NamedTuple):
    """An output of a node that brings data into the graph.

    `node` is its position, `users` are those of the nodes that take the output, machinery left out.
    """

    node: int
    output: int
    users: tuple[int, ...]


def find_sources(flow: Flow) -> list[Source]:
    """The outputs that are used, and placeholders in any case; in file order."""
    nodes, aside = flow.nodes, flow.machinery.nodes
    found = {
        index
        for index, node in enumerate(nodes)
        if index not in aside and (node.op in PLACEHOLDER_OPS or node.op in PIPELINE_OPS)
    }
    # Who takes which output, for all of them in one pass: a node may have a million inputs.
    users: dict[tuple[int, int], dict[int, None]] = {
        (index, 0): {} for index in found if nodes[index].op in PLACEHOLDER_OPS
    }
    for user, producers in enumerate(flow.edges.producers):
        if user in aside:
            continue
        for index, output in zip(producers, flow.edges.outputs[user], strict=True):
            if index in found:
                users.setdefault((index, output), {})[user] = None
    return [Source(*tensor, tuple(takers)) for tensor, takers in sorted(users.items())]
