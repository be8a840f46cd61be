"""Types, shapes and outputs of a graph's tensors, in bounded time for any graph."""

from __future__ import annotations

from collections.abc import Iterable

from tfartifacts.errors import NameNotFoundError
from tfartifacts.graphs.candidates.candidate import Candidate
from tfartifacts.graphs.candidates.ops import has_first_output_only
from tfartifacts.graphs.edges import Edges
from tfartifacts.model import Graph, TensorInfo
from tfartifacts.model.tensors import output_dtype, output_dtypes

_LONGEST_SEARCH = 2000
_MOST_OUTPUTS_OF_A_NODE = 16


class Tensors:
    """Tensors of a graph, by the position of their node in `edges.nodes`.

    A shape may be found only at the end of a chain through the graph. All searches share a
    budget, for a graph that is made of such chains.
    """

    def __init__(self, graph: Graph, edges: Edges) -> None:
        self._graph = graph
        self._edges = edges
        self._budget = 10 * len(edges) + 100 * _LONGEST_SEARCH

    def describe(self, index: int, output: int = 0) -> TensorInfo:
        """Name, type and shape, as far as they are known."""
        node = self._edges.nodes[index]
        name = f"{node.name}:{output}"
        if not node.name or ":" in node.name or "^" in node.name:
            # No tensor can be asked for by such a name: damaged, but not ours to refuse.
            return TensorInfo(name, None, None)
        if not self._has_source_nearby(index):
            return TensorInfo(name, output_dtype(self._graph, node, output), None)
        try:
            return self._graph.tensor(name)
        except NameNotFoundError:
            # An output the op has not.
            return TensorInfo(name, None, None)

    def rank(self, index: int) -> int | None:
        """How many sizes a node's first output has; None if that is not known."""
        shape = self.describe(index).shape
        return None if shape is None else len(shape)

    def results(self, index: int, users: Iterable[int]) -> list[int]:
        """Which outputs of a node are results: those none of the users takes."""
        node = self._edges.nodes[index]
        if has_first_output_only(node.op):
            return [0]
        dtypes = output_dtypes(self._graph, node)
        if dtypes is None or len(dtypes) < 2:
            return [0]
        used: set[int] = set()
        for user in users:
            pairs = zip(self._edges.producers[user], self._edges.outputs[user], strict=True)
            used.update(output for producer, output in pairs if producer == index)
        outputs = range(min(len(dtypes), _MOST_OUTPUTS_OF_A_NODE))
        return [output for output in outputs if output not in used] or [0]

    def candidate(
        self, index: int, output: int, role: str, reason: str, score: float, connected: bool = True
    ) -> Candidate:
        info = self.describe(index, output)
        op = self._edges.nodes[index].op
        return Candidate(info.name, info.dtype, info.shape, op, role, reason, score, connected)

    def _has_source_nearby(self, index: int) -> bool:
        for _ in range(_LONGEST_SEARCH):
            producers = self._edges.producers[index]
            if not producers or "_output_shapes" in self._edges.nodes[index].attrs:
                return True
            index = producers[0]
            self._budget -= 1
            if self._budget < 0:
                break
        return False
