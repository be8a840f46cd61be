"""The layers: ops that take a weight and data as direct operands.

Weights are variables, those of the collection `trainable_variables` if the graph has it. In a
frozen graph they are float constants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from math import prod
from typing import NamedTuple

from tfartifacts.dtypes import DType
from tfartifacts.graphs.candidates.flow import Flow
from tfartifacts.graphs.candidates.ops import (
    JOINS_WEIGHTS,
    LAYER_OPS,
    PASSES_WEIGHT,
    VARIABLE_OPS,
)
from tfartifacts.graphs.candidates.sources import Source
from tfartifacts.graphs.candidates.words import tells_of_bookkeeping
from tfartifacts.model import Node

_WEIGHT_DTYPES = frozenset("float32 float16 bfloat16 float64 quint8 qint8".split())


class Layers(NamedTuple):
    """Positions of nodes. `data` is computed from sources, `weights` from variables alone.

    `model_ops` take both. `variables` are all there are, weights or not.
    """

    data: AbstractSet[int]
    variables: Sequence[int]
    weights: AbstractSet[int]
    model_ops: AbstractSet[int]


def find_layers(flow: Flow, sources: Iterable[Source], trainable: AbstractSet[str]) -> Layers:
    """The layers that the likeliest weights make; of weights that make none, the next likely."""
    data = flow.forward(source.node for source in sources)
    variables = [index for index, node in enumerate(flow.nodes) if node.op in VARIABLE_OPS]
    weights: AbstractSet[int] = frozenset()
    model_ops: AbstractSet[int] = frozenset()
    for chosen in _likely_weights(flow.nodes, variables, trainable):
        weights = passed_on(chosen, flow, data)
        model_ops = _model_ops(weights, flow, data)
        if model_ops:
            break
    return Layers(data, variables, weights, model_ops)


def _likely_weights(
    nodes: Sequence[Node], variables: Sequence[int], trainable: AbstractSet[str]
) -> Iterator[Sequence[int]]:
    chosen = [index for index in variables if nodes[index].name in trainable] or variables
    chosen = [index for index in chosen if not tells_of_bookkeeping(nodes[index].name)]
    yield chosen
    if len(chosen) < len(variables):
        yield variables
    yield [index for index, node in enumerate(nodes) if _is_weight_constant(node)]


def _is_weight_constant(node: Node) -> bool:
    if node.op != "Const":
        return False
    value = node.attrs.get("value")
    shape = getattr(value, "shape", None)
    dtype = getattr(value, "dtype", None)
    if not isinstance(shape, tuple) or not isinstance(dtype, DType):
        return False
    # Two floats are as likely a size or a range; layers have larger kernels or a bias of some.
    return str(dtype) in _WEIGHT_DTYPES and len(shape) >= 1 and prod(shape) >= 2


def passed_on(weights: Iterable[int], flow: Flow, data: AbstractSet[int]) -> set[int]:
    """The weights and what only reads, reshapes or joins them."""
    found = set(weights)
    todo = list(found)
    while todo:
        index = todo.pop()
        for user in flow.edges.consumers[index]:
            if user in found or user in data or user in flow.machinery.nodes:
                continue
            if _passes(index, user, flow):
                found.add(user)
                todo.append(user)
    return found


def _passes(weight: int, user: int, flow: Flow) -> bool:
    op, producers = flow.nodes[user].op, flow.edges.producers[user]
    operand = PASSES_WEIGHT.get(op)
    if operand is None:
        return op in JOINS_WEIGHTS
    return operand < len(producers) and producers[operand] == weight


def _model_ops(weights: AbstractSet[int], flow: Flow, data: AbstractSet[int]) -> set[int]:
    derived = flow.forward(weights) - data
    consumers = flow.edges.consumers
    users = {user for index in weights | derived for user in consumers[index]}
    return {user for user in users & data if _takes_both(user, weights, derived, data, flow)}


def _takes_both(
    user: int,
    weights: AbstractSet[int],
    derived: AbstractSet[int],
    data: AbstractSet[int],
    flow: Flow,
) -> bool:
    is_layer = flow.nodes[user].op in LAYER_OPS
    takes_weight = takes_data = False
    for producer in flow.edges.producers[user]:
        if producer in weights or (is_layer and producer in derived):
            takes_weight = True
        elif producer in data:
            takes_data = True
    return takes_weight and takes_data
