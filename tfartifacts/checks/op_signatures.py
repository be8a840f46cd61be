"""What the ops of a graph take and give, as far as the file tells: each looked up once.

From the op signatures that came with a meta graph (stripped_op_list) and the functions of its
library; a bare GraphDef tells nothing but its functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache

from tfartifacts.dtypes import DType
from tfartifacts.errors import TfArtifactsError
from tfartifacts.graphs.compatibility import VERSIONS, ops_of
from tfartifacts.model import Graph, Node, OpDef
from tfartifacts.model.graphs import Argument
from tfartifacts.model.tensors import argument_dtypes

_OLDEST, _NEWEST = VERSIONS[0], VERSIONS[-1]


class OpSignatures:
    """The signatures of one graph's ops, decoded when first asked for."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[str, OpDef | None] = {}
        self._same: dict[tuple[DType, ...], list[DType]] = {}

    def of(self, op: str) -> OpDef | None:
        """None for an op whose signature did not come along, or cannot be read."""
        if op not in self._known:
            self._known[op] = self._find(op)
        return self._known[op]

    def add(self, function: str, op_def: OpDef) -> None:
        """What a function takes and gives, where it was just decoded."""
        if function not in self._graph.op_defs:
            self._known[function] = op_def

    def _find(self, op: str) -> OpDef | None:
        try:
            if op in self._graph.op_defs:
                return self._graph.op_defs[op]
            if op in self._graph.functions:
                function = self._graph.functions[op]
                return OpDef(op, function.inputs, function.outputs)
        except TfArtifactsError:
            return None
        return None

    def inputs(self, node: Node) -> list[DType] | None:
        """The types a node's data inputs should have; None where that is not known."""
        op_def = self.of(node.op)
        return None if op_def is None else dtypes_of(op_def.inputs, node)

    def outputs(self, node: Node) -> list[DType] | None:
        """The types of a node's outputs; None where they are not known."""
        op_def = self.of(node.op)
        dtypes = None if op_def is None else dtypes_of(op_def.outputs, node)
        # They are kept for each node of a graph, which has few kinds of them.
        return None if dtypes is None else self._same.setdefault(tuple(dtypes), dtypes)


def dtypes_of(arguments: Iterable[Argument], node: Node) -> list[DType] | None:
    dtypes: list[DType] = []
    for argument in arguments:
        found = argument_dtypes(argument, node)
        if found is None:
            return None
        dtypes += found
    return dtypes


@cache
def _ops(version: str) -> frozenset[str]:
    return frozenset(ops_of(version))


@lru_cache(maxsize=10_000)
def is_known(op: str) -> bool:
    """Whether any TensorFlow whose ops are listed here has it."""
    return any(op in _ops(version) for version in (_NEWEST, _OLDEST, *VERSIONS[1:-1]))


def is_everywhere(op: str) -> bool:
    """Whether the oldest and the newest of them have it."""
    return op in _ops(_OLDEST) and op in _ops(_NEWEST)
