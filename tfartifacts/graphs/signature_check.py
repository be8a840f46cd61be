"""Whether signatures fit the graph they stand in: what they name exists, as they say it is.

Nothing here refuses anything: a loader would, or it would only when the signature is called. What
the graph does not tell (the type of an unknown op, a shape) is not held against a signature, nor
what a signature leaves out: those of 2016 name tensors without `:0` and have no types.
"""

from __future__ import annotations

from collections.abc import Iterator

from tfartifacts.dtypes import DType, dtype_from_name
from tfartifacts.errors import NameNotFoundError, close_names
from tfartifacts.graphs.edges import Edges, edges_of, needed, parse_input
from tfartifacts.model import Graph, MetaGraph, Node, TensorInfo
from tfartifacts.model.graphs import TensorShape
from tfartifacts.model.tensors import (
    PLACEHOLDER_OPS,
    output_dtype,
    output_dtypes,
    output_shape,
    parse_tensor_name,
)
from tfartifacts.model.values import PartialShape
from tfartifacts.records import dataclass, replace

# Signatures with which a SavedModel tells its loader what to run: their tensor is an op's name.
INTERNAL_SIGNATURES = "__saved_model_"

_SIDES = ("inputs", "outputs")
_FED = PLACEHOLDER_OPS - {"PlaceholderWithDefault"}
_MOST_HINTS = 5  # looking for close names takes a while in a large graph
_FARTHEST_SHAPE = 64


@dataclass(frozen=True, slots=True)
class SignatureProblem:
    """What is wrong with a tensor of a signature.

    `key` is the signature's, `side` is "inputs" or "outputs", `name` the key of the tensor there,
    `tensor` its name in the graph. `is_missing`: the graph has no such tensor, so that the
    signature cannot be run; otherwise it has another type or shape.
    """

    key: str
    side: str
    name: str
    tensor: str
    message: str
    is_missing: bool = False

    def __str__(self) -> str:
        return f"signature {self.key!r}, {self.side[:-1]} {self.name!r}: {self.message}"


@dataclass(frozen=True, slots=True)
class UnfedPlaceholder:
    """A placeholder that outputs of those signatures need and their inputs do not feed.

    `consumers` are what takes it on the way to those outputs, such as `dense/MatMul (MatMul)`.
    """

    node: str
    signatures: tuple[str, ...]
    consumers: tuple[str, ...] = ()


def signature_problems(meta_graph: MetaGraph) -> tuple[SignatureProblem, ...]:
    """Every tensor of a signature that the graph does not have, or has with another type or shape.

    In the order of the signatures. Signatures for the loader (init op, train op) are left out.
    """
    check = _Check(meta_graph.graph)
    return tuple(
        SignatureProblem(key, side, name, part.name, message, check.is_missing(part))
        for key, signature in meta_graph.signatures.items()
        if not key.startswith(INTERNAL_SIGNATURES)
        for side in _SIDES
        for name, info in getattr(signature, side).items()
        for part in _parts(info)
        if (message := check.message(part))
    )


def unfed_placeholders(meta_graph: MetaGraph) -> tuple[UnfedPlaceholder, ...]:
    """Placeholders that a caller would have to feed besides a signature's inputs, in file order.

    Those with a default are not among them, nor what lies before an input that is fed.
    """
    placeholders = {name for name, op in meta_graph.graph.names_and_ops() if op in _FED}
    placeholders -= {parse_input(asset.tensor_name).node for asset in meta_graph.asset_files}
    if meta_graph.saver is not None:
        placeholders.discard(parse_input(meta_graph.saver.filename_tensor_name).node)
    edges = None
    found: dict[int, list[str]] = {}
    run: set[int] = set()
    for key, signature in meta_graph.signatures.items():
        fed, fetched = (
            [tensor for info in getattr(signature, side).values() for tensor in info.tensor_names]
            for side in _SIDES
        )
        unfed = placeholders - {parse_input(tensor).node for tensor in fed}
        if not unfed or key.startswith(INTERNAL_SIGNATURES):
            continue
        edges = edges or edges_of(meta_graph.graph)
        computed = needed(edges, fetched, fed)
        run |= computed
        for index in computed:
            if edges.nodes[index].name in unfed:
                found.setdefault(index, []).append(key)
    if edges is None:
        return ()
    return tuple(
        UnfedPlaceholder(edges.nodes[index].name, tuple(keys), _consumers(edges, index, run))
        for index, keys in sorted(found.items())
    )


def _consumers(edges: Edges, index: int, run: set[int]) -> tuple[str, ...]:
    users = [user for user in dict.fromkeys(edges.consumers[index]) if user in run]
    return tuple(f"{edges.nodes[user].name} ({edges.nodes[user].op})" for user in users)


def _parts(info: TensorInfo) -> Iterator[TensorInfo]:
    """The tensors it consists of, each with the type and shape it should have."""
    if info.sparse is not None:
        int64 = dtype_from_name("int64")
        for name, dtype in (
            (info.sparse.values, info.dtype),
            (info.sparse.indices, int64),
            (info.sparse.dense_shape, int64),
        ):
            if name:
                yield TensorInfo(name, dtype, None)
    elif info.encoding == "composite":
        for component in info.components:
            yield from _parts(component)
    elif info.name:
        yield info


class _Check:
    """Tensors compared with one graph, each found once."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._found: dict[str, TensorInfo | str] = {}
        self._hints = 0

    def message(self, info: TensorInfo) -> str:
        """What is wrong with it; empty for nothing."""
        if info.name not in self._found:
            self._found[info.name] = self._find(info.name)
        known = self._found[info.name]
        if isinstance(known, str):
            return known
        if _differ(info.dtype, known.dtype):
            return f"{info.name} is {known.dtype} in the graph, {info.dtype} in the signature"
        if not _compatible(info.shape, known.shape):
            there, here = replace(known, dtype=info.dtype), info
            return f"found {here} in the signature, and in the graph {there}"
        return ""

    def is_missing(self, info: TensorInfo) -> bool:
        """Whether the graph does not have it; for one that was asked about."""
        return isinstance(self._found.get(info.name), str)

    def _find(self, name: str) -> TensorInfo | str:
        """What the graph knows of a tensor, or why there is none."""
        try:
            node_name, output = parse_tensor_name(name)
        except NameNotFoundError as error:
            return error.message
        if node_name not in self._graph:
            return f"no tensor {name!r}" + self._hint(node_name)
        node = self._graph[node_name]
        number = _num_outputs(self._graph, node)
        if number is not None and output >= number:
            there = f"outputs 0 to {number - 1}" if number > 1 else "one output"
            return f"no tensor '{node_name}:{output}'; {node.op} has " + (
                there if number else "no outputs"
            )
        dtype = output_dtype(self._graph, node, output)
        return TensorInfo(name, dtype and dtype.base, self._shape(node, output))

    def _hint(self, node: str) -> str:
        self._hints += 1
        if self._hints > _MOST_HINTS:
            return ""
        close = [f"{found}:0" for found in close_names(node, (n.name for n in self._graph))]
        return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""

    def _shape(self, node: Node, output: int) -> PartialShape:
        """The shape where the graph tells it nearby: a chain of nodes may be of any length."""
        near = node
        for _ in range(_FARTHEST_SHAPE):
            data = near.inputs[:1]
            if not data or data[0].startswith("^") or "_output_shapes" in near.attrs:
                break
            name = parse_input(data[0]).node
            if name not in self._graph:
                return None
            near = self._graph[name]
        else:
            return None
        try:
            return output_shape(self._graph, node, output)
        except NameNotFoundError:
            return None  # an input that is no tensor's name


def _num_outputs(graph: Graph, node: Node) -> int | None:
    """How many outputs a node has, None where the graph does not tell."""
    dtypes = output_dtypes(graph, node)
    if dtypes is not None:
        return len(dtypes)
    shapes = node.attrs.get("_output_shapes")
    if isinstance(shapes, list) and all(isinstance(shape, TensorShape) for shape in shapes):
        return len(shapes) or None
    return 1 if node.op in PLACEHOLDER_OPS else None


def _differ(said: DType | None, known: DType | None) -> bool:
    return said is not None and known is not None and said.base != known.base


def _compatible(said: PartialShape, known: PartialShape) -> bool:
    if said is None or known is None:
        return True
    return len(said) == len(known) and all(
        one is None or other is None or one == other for one, other in zip(said, known, strict=True)
    )
