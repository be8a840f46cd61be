"""The search from the edges to the candidates, step by step."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from tfartifacts.graphs.candidates.candidate import Candidates
from tfartifacts.graphs.candidates.flow import Flow
from tfartifacts.graphs.candidates.layers import find_layers
from tfartifacts.graphs.candidates.losses import find_losses
from tfartifacts.graphs.candidates.machinery import find_machinery
from tfartifacts.graphs.candidates.ranking import rank_inputs, rank_outputs
from tfartifacts.graphs.candidates.region import find_region
from tfartifacts.graphs.candidates.roles import judge_sources
from tfartifacts.graphs.candidates.sources import find_sources
from tfartifacts.graphs.candidates.tensors import Tensors
from tfartifacts.graphs.edges import edges_of
from tfartifacts.model import Graph, Saver
from tfartifacts.records import replace


def search(
    graph: Graph, saver: Saver | None, trainable: AbstractSet[str] = frozenset()
) -> Candidates:
    """The candidates of a graph; `trainable` are names of variables known to be weights."""
    edges = edges_of(graph)
    # With the nodes that were read for the edges: a look-up by name need not read them again.
    tensors = Tensors(replace(graph, nodes=edges.nodes), edges)
    flow = Flow(edges, find_machinery(edges, saver))
    sources = find_sources(flow)
    layers = find_layers(flow, sources, trainable)
    losses = find_losses(flow, layers.data, tensors)
    judged = judge_sources(sources, flow, layers, losses, tensors)
    region = find_region(flow, judged, layers, losses)
    outputs = rank_outputs(flow, region, tensors)
    inputs = rank_inputs(flow, judged, outputs, tensors)
    return Candidates(tuple(inputs), tuple(outputs))
