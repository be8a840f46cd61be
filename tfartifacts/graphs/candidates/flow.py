"""How values run through a graph whose machinery is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from tfartifacts.graphs.candidates.machinery import Machinery
from tfartifacts.graphs.candidates.ops import BARRIERS
from tfartifacts.graphs.edges import Edges, walk
from tfartifacts.model import Node


class Flow(NamedTuple):
    """A graph's edges and its machinery; nodes are positions in `edges.nodes`.

    The facts each step hands on are named tuples: as a frozen dataclass, each takes 0.3 ms more to
    import.
    """

    edges: Edges
    machinery: Machinery

    @property
    def nodes(self) -> Sequence[Node]:
        return self.edges.nodes

    def users(self, index: int) -> list[int]:
        """Who uses a node's values, once for each input."""
        aside, nodes = self.machinery.nodes, self.nodes
        return [
            user
            for user in self.edges.consumers[index]
            if user not in aside and nodes[user].op not in BARRIERS
        ]

    def is_trained(self, index: int) -> bool:
        """Whether a gradient or an update takes a node's values."""
        updates, gradients = self.machinery.updates, self.machinery.gradients
        return any(user in gradients or user in updates for user in self.edges.consumers[index])

    def forward(
        self, starts: Iterable[int], besides: AbstractSet[int] = frozenset()
    ) -> AbstractSet[int]:
        """What is computed from the values of the starts; neither machinery nor `besides`."""
        nodes, aside = self.nodes, self.machinery.nodes
        if besides:
            aside = aside | besides

        def carries(index: int) -> bool:
            return index not in aside and nodes[index].op not in BARRIERS

        reached = walk(
            (index for index in starts if index not in aside), [self.edges.consumers], carries
        )
        return {index for index in reached if carries(index)}

    def backward(
        self, starts: Iterable[int], within: AbstractSet[int] | None = None
    ) -> AbstractSet[int]:
        """What the values of the starts are computed from, the starts included."""
        nodes, aside = self.nodes, self.machinery.nodes

        def carries(index: int) -> bool:
            if within is not None and index not in within:
                return False
            return index not in aside and nodes[index].op not in BARRIERS

        return {index for index in walk(starts, [self.edges.producers], carries) if carries(index)}
