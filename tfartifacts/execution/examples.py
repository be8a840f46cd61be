"""Encoded tf.Example messages, for inputs that a ParseExample op takes apart (Estimators export).

    Example  : 1 features {1 feature* (map) {1 key  2 value}}
    value    : 1 bytes_list | 2 float_list | 3 int64_list, each {1 value*}

Features that must be there, those with a shape, are; sparse and ragged ones may be left out.

Source: tensorflow/core/example/example.proto; core/ops/parsing_ops.cc.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from tfartifacts.formats.wire import put_bytes, put_entry, varint
from tfartifacts.graphs.edges import edges_of, parse_input
from tfartifacts.model import Graph, Node
from tfartifacts.model.graphs import ConstantValue
from tfartifacts.records import dataclass

_LISTS = {"string": 1, "float32": 2, "int64": 3}
_MOST_VALUES = 1 << 20


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature of a fixed shape: its key, TensorFlow's name of its type, how many values."""

    key: str
    dtype: str
    count: int


def features_of(graph: Graph, tensor: str) -> tuple[Feature, ...] | None:
    """The features that a string input has to have; None for one that is no Example."""
    edges = edges_of(graph)
    wanted = parse_input(tensor)
    index = edges.position.get(wanted.node)
    for user in () if index is None else edges.consumers[index]:
        node = edges.nodes[user]
        if (
            node.op in ("ParseExample", "ParseExampleV2", "ParseSingleExample")
            and parse_input(node.inputs[0]) == wanted
        ):
            return tuple(_features(graph, node))
    return None


def is_single(graph: Graph, tensor: str) -> bool:
    """Whether one Example is taken apart at a time, not a vector of them."""
    name = parse_input(tensor).node
    return any(
        node.op == "ParseSingleExample" and parse_input(node.inputs[0]).node == name
        for node in graph.nodes
    )


def _features(graph: Graph, node: Node) -> Iterator[Feature]:
    shapes, dtypes = node.attrs.get("dense_shapes") or [], node.attrs.get("Tdense") or []
    for key, dtype, shape in zip(_keys(graph, node), dtypes, shapes, strict=False):
        count = prod(size or 1 for size in shape) if isinstance(shape, tuple) else 1
        if dtype.name in _LISTS and count <= _MOST_VALUES:
            yield Feature(key.decode("utf-8", "replace"), dtype.name, count)


def _keys(graph: Graph, node: Node) -> Sequence[bytes]:
    """The keys of the features with a shape."""
    if node.op == "ParseSingleExample":
        return node.attrs.get("dense_keys") or []
    if node.op == "ParseExampleV2":
        return _strings(graph, node.inputs[3])
    # One operand each: serialized, names, sparse_keys*, dense_keys*, dense_defaults*
    begin = 2 + (node.attrs.get("Nsparse") or 0)
    count = node.attrs.get("Ndense") or 0
    return [key for name in node.inputs[begin : begin + count] for key in _strings(graph, name)]


def _strings(graph: Graph, name: str) -> tuple[bytes, ...]:
    source = parse_input(name).node
    value: Any = graph[source].attrs.get("value") if source in graph else None
    return value.strings() if isinstance(value, ConstantValue) else ()


def example(features: Sequence[Feature], number: int) -> bytes:
    """A message with a value for each feature; another for each number."""
    entries = (put_entry(1, feature.key, _value(feature, number)) for feature in features)
    return put_bytes(1, b"".join(entries))


def _value(feature: Feature, number: int) -> bytes:
    import struct

    match feature.dtype:
        case "float32":
            floats = struct.pack(f"<{feature.count}f", *[0.25 * (number % 4)] * feature.count)
            values = put_bytes(1, floats)
        case "int64":
            values = put_bytes(1, varint(number % 2) * feature.count)
        case _:
            values = put_bytes(1, b"") * feature.count
    return put_bytes(_LISTS[feature.dtype], values)
