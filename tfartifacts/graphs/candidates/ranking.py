"""Candidates in order: which outputs are proposed, and which inputs they depend on."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from tfartifacts.graphs.candidates.candidate import (
    ALTERNATIVE,
    INPUT,
    LABEL,
    OUTPUT,
    SWITCH,
    Candidate,
)
from tfartifacts.graphs.candidates.flow import Flow
from tfartifacts.graphs.candidates.region import Region
from tfartifacts.graphs.candidates.roles import Judged
from tfartifacts.graphs.candidates.scores import Scored, is_marked, lost_by_type, score_nodes
from tfartifacts.graphs.candidates.tensors import Tensors
from tfartifacts.graphs.edges import walk

# A graph full of loose ends has no use for a list of all of them.
_MOST_CANDIDATES = 50
_MOST_OUTPUTS = 16
_MOST_ALTERNATIVES = 8
_MOST_TYPED = 200

_ORDER_OF_ROLES = {INPUT: 0, SWITCH: 1, LABEL: 2}


def rank_outputs(flow: Flow, region: Region, tensors: Tensors) -> list[Candidate]:
    """The nodes that score best, as tensors, each proposed or an alternative."""
    chosen: list[tuple[float, int, int, Candidate]] = []
    for item, role in _choose(_best(flow, region, tensors), flow, region):
        users = region.to_ends & set(flow.edges.consumers[item.node])
        for output in tensors.results(item.node, users):
            candidate = tensors.candidate(item.node, output, role, item.reason, item.score)
            chosen.append((-item.score, item.node, output, candidate))
    # Chosen from the end of the graph backwards; shown in file order where scores are equal.
    chosen.sort(key=lambda entry: entry[:3])
    return [entry[3] for entry in chosen]


def _best(flow: Flow, region: Region, tensors: Tensors) -> list[Scored]:
    """Best first; of equals the one nearer to the end of the file."""
    scored = sorted(score_nodes(flow, region), key=lambda item: (-item.score, -item.node))
    # Type and shape take longer to find, and only make a score smaller: for the best alone.
    typed = [
        item._replace(score=item.score - lost_by_type(item.node, tensors))
        for item in scored[:_MOST_TYPED]
    ]
    typed.sort(key=lambda item: (-item.score, -item.node))
    return [item for item in typed if item.score > 0.0]


def _choose(scored: Sequence[Scored], flow: Flow, region: Region) -> list[tuple[Scored, str]]:
    """Those to show, with their roles: one output for each way through the tail."""
    covered: set[int] = set()
    chosen: list[tuple[Scored, str]] = []
    proposed = alternatives = 0
    for item in scored[:_MOST_CANDIDATES]:
        fits = not proposed or item.score >= max(3.0, scored[0].score / 2)
        fits = fits and (item.node not in covered or is_marked(item.node, flow, region))
        if fits and proposed < _MOST_OUTPUTS:
            proposed += 1
            covered |= _on_the_way(item.node, flow, region)
            chosen.append((item, OUTPUT))
        elif alternatives < _MOST_ALTERNATIVES:
            alternatives += 1
            chosen.append((item, ALTERNATIVE))
    return chosen


def _on_the_way(index: int, flow: Flow, region: Region) -> AbstractSet[int]:
    """What leads to a node or from it within the tail; of one between layers, all behind it."""
    consumers, producers, tail = flow.edges.consumers, flow.edges.producers, region.tail
    found = walk([index], [consumers], tail.__contains__) & tail
    found |= walk([index], [producers], tail.__contains__) & tail
    if index not in tail:
        found |= walk([index], [consumers], region.nodes.__contains__) & region.nodes
    return found


def rank_inputs(
    flow: Flow, judged: Sequence[Judged], outputs: Sequence[Candidate], tensors: Tensors
) -> list[Candidate]:
    """Data first, then switches and labels; among each, those the proposed outputs depend on."""
    edges = flow.edges
    proposed = edges.indices(item.name for item in outputs if item.role == OUTPUT)
    needed = edges.ancestors(proposed, stop=flow.machinery.nodes)
    ranked: list[tuple[Judged, bool]] = []
    for item in judged:
        waiting = edges.control_consumers[item.source.node]
        connected = not needed.isdisjoint(item.source.users) or not needed.isdisjoint(waiting)
        ranked.append((item._replace(score=item.score + 5.0) if connected else item, connected))
    ranked.sort(key=lambda pair: (_ORDER_OF_ROLES[pair[0].role], -pair[0].score))
    return [
        tensors.candidate(source.node, source.output, role, reason, score, connected)
        for (source, role, reason, score), connected in ranked[:_MOST_CANDIDATES]
    ]
