"""A graph: nodes joined by tensors, and the functions its nodes call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from tfartifacts.dtypes import DType
from tfartifacts.errors import name_not_found
from tfartifacts.model.unread import ReadInSteps
from tfartifacts.model.values import PartialShape, Shape
from tfartifacts.records import dataclass, field

if TYPE_CHECKING:
    from tfartifacts.model.checkpoints import File


@runtime_checkable
class ConstantValue(Protocol):
    """The tensor inside an attribute, decoded when asked for."""

    @property
    def dtype(self) -> DType: ...

    @property
    def shape(self) -> Shape: ...

    def read(self) -> Any:
        """The elements as an array of `shape`; strings as an object array of bytes."""
        ...

    def strings(self) -> tuple[bytes, ...]:
        """The elements of a string tensor, in row-major order, without NumPy."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """A small constant made here: elements in row-major order, bytes for strings."""

    dtype: DType
    shape: Shape
    elements: tuple[Any, ...]

    def read(self) -> Any:
        import numpy as np

        return np.array(self.elements, self.dtype.to_numpy()).reshape(self.shape)

    def strings(self) -> tuple[bytes, ...]:
        return self.elements


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """An attribute that names a function, with the attributes bound to it."""

    name: str
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnknownShape:
    """An attribute's shape of unknown rank (a TensorShape otherwise)."""

    def __str__(self) -> str:
        return "?"


class TensorShape(tuple[int | None, ...]):
    """An attribute's shape; a tuple of its own kind, so that it is not taken for a list."""

    __slots__ = ()


def only(mapping: Mapping[str, Any], names: Collection[str]) -> Mapping[str, Any]:
    """The entries of a mapping that have these names; one that was read stays encoded."""
    if len(names) >= len(mapping) and all(name in names for name in mapping):
        return mapping
    select = getattr(mapping, "only", None)
    if select is not None:
        selected: Mapping[str, Any] = select(names)
        return selected
    return {name: value for name, value in mapping.items() if name in names}


# What an attribute's value can be in Python:
#   bytes (s), int (i), float (f), bool (b), DType (type), TensorShape or UnknownShape (shape),
#   ConstantValue (tensor), FunctionCall (func), str (placeholder), a list of those (list), or
#   None for an attribute without a value.
AttrValue = Any


@dataclass(frozen=True, slots=True)
class Node(ReadInSteps):
    """One operation of a graph (node_def.proto).

    `inputs` are as written in the file: `node` or `node:1` for a tensor, `^node` for a control
    dependency (last); inside functions `argument` or `node:output:0`. `attrs` decodes a value
    when it is asked for. `unknown_fields` are further fields, encoded, carried as they are.
    """

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    device: str = ""
    attrs: Mapping[str, AttrValue] = field(default_factory=dict)
    unknown_fields: bytes = b""


def node_names(nodes: Sequence[Node]) -> Sequence[str]:
    """The nodes' names; of nodes that were read they are at hand."""
    names: Sequence[str] | None = getattr(nodes, "names", None)
    return [node.name for node in nodes] if names is None else names


def node_ops(nodes: Sequence[Node]) -> Sequence[str]:
    """The nodes' ops, as node_names."""
    ops: Sequence[str] | None = getattr(nodes, "ops", None)
    return [node.op for node in nodes] if ops is None else ops


def node_inputs(nodes: Sequence[Node]) -> Iterator[tuple[str, ...]]:
    """The inputs of each node, in order; nodes that were read do not keep them."""
    read: Callable[[], Iterator[tuple[str, ...]]] | None = getattr(nodes, "all_inputs", None)
    return (node.inputs for node in nodes) if read is None else read()


def node_devices(nodes: Sequence[Node]) -> Iterator[str]:
    """The device of each node, as node_inputs."""
    read: Callable[[], Iterator[str]] | None = getattr(nodes, "all_devices", None)
    return (node.device for node in nodes) if read is None else read()


def positions_of(names: Sequence[str]) -> dict[str, int]:
    """The position of each name; of several that are equal, the first."""
    positions = dict(zip(names, range(len(names)), strict=True))
    if len(positions) < len(names):
        positions = {}
        for position, name in enumerate(names):
            positions.setdefault(name, position)
    return positions


@dataclass(frozen=True, slots=True)
class Argument:
    """An input or output of an op or function (op_def.proto, ArgDef)."""

    name: str
    dtype: DType | None = None
    type_attr: str = ""
    number_attr: str = ""
    type_list_attr: str = ""
    is_reference: bool = False


@dataclass(frozen=True, slots=True)
class OpDef:
    """The signature of an op as the writer of the graph knew it."""

    name: str
    inputs: tuple[Argument, ...] = ()
    outputs: tuple[Argument, ...] = ()


@dataclass(frozen=True)
class Function:
    """A function of the graph's library (function.proto).

    `returns` maps an output's name to the tensor inside that it is. To change a function, replace
    its `nodes`; everything else is written from `encoded`, the fields of the FunctionDef but its
    nodes.
    """

    name: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    nodes: Sequence[Node]
    returns: Mapping[str, str] = field(default_factory=dict)
    encoded: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Versions:
    """Who wrote something and who may read it (versions.proto)."""

    producer: int = 0
    min_consumer: int = 0
    bad_consumers: tuple[int, ...] = ()


NO_VERSIONS = Versions()


@dataclass(frozen=True, slots=True)
class SparseNames:
    """The three tensors of a sparse tensor (meta_graph.proto, CooSparse)."""

    values: str
    indices: str
    dense_shape: str


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What is known of a tensor: name, type, shape.

    `name` is `node:0`, or "" where the value is a sparse tensor (`sparse` names its three) or a
    composite one (`components`, with the encoded TypeSpecProto in `type_spec`). `dtype` None: not
    known. `shape`: (None, 3) has an unknown first size; None is an unknown rank; () a scalar.
    """

    name: str
    dtype: DType | None
    shape: PartialShape
    sparse: SparseNames | None = None
    components: tuple[TensorInfo, ...] = ()
    type_spec: bytes | None = None
    unknown_fields: bytes = b""

    def __str__(self) -> str:
        """`myInput:0 float32 (?, 28, 28, 1)`, for people."""
        sizes = None if self.shape is None else ["?" if n is None else str(n) for n in self.shape]
        if sizes is None:
            shape = "of unknown rank"
        else:
            shape = f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
        names = self.name or " ".join(self.tensor_names)
        return f"{names} {self.dtype or 'of unknown type'} {shape}"

    @property
    def encoding(self) -> str:
        """`name`, `coo_sparse` or `composite`; `none` where the file says none of them."""
        if self.sparse is not None:
            return "coo_sparse"
        if self.type_spec is not None or self.components:
            return "composite"
        return "name" if self.name else "none"

    @property
    def tensor_names(self) -> tuple[str, ...]:
        """Every tensor it consists of."""
        if self.sparse is not None:
            names = (self.sparse.values, self.sparse.indices, self.sparse.dense_shape)
            return tuple(name for name in names if name)
        if self.encoding == "composite":
            # A hostile file can nest deeply; the reader bounds the depth (wire.MAX_DEPTH).
            return tuple(name for part in self.components for name in part.tensor_names)
        return (self.name,) if self.name else ()


@dataclass(frozen=True)
class Graph:
    """The nodes of a GraphDef, in file order, with the functions they call.

    A sequence of nodes that can also be asked by name: `graph["softmax"]`. `op_defs` are the op
    signatures that came along (a meta graph's stripped_op_list); empty for a bare GraphDef.
    `gradients` maps a function to the one that computes its gradient. `sources` are files besides
    `path` that it was made from: those of a checkpoint, whose variables may be its constants.
    `repeated_functions` are names that the file gives to several functions that differ; the last
    of each is in `functions`.
    """

    kind: ClassVar[str] = "graph-def"

    nodes: Sequence[Node]
    functions: Mapping[str, Function] = field(default_factory=dict)
    versions: Versions = NO_VERSIONS
    op_defs: Mapping[str, OpDef] = field(default_factory=dict)
    path: str | None = None
    notes: tuple[str, ...] = ()
    gradients: Mapping[str, str] = field(default_factory=dict)
    unknown_fields: bytes = b""
    library_unknown_fields: bytes = field(default=b"", repr=False)
    sources: tuple[File, ...] = field(default=(), repr=False, compare=False)
    repeated_functions: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @property
    def graph(self) -> Graph:
        """Itself: so that whatever has a graph is asked for it in the same way."""
        return self

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __contains__(self, name: object) -> bool:
        return name in self._positions

    def __getitem__(self, name: str) -> Node:
        """The node of that name. Raises NameNotFoundError with close names."""
        position = self._positions.get(name)
        if position is None:
            raise name_not_found("node", name, self._positions)
        return self.nodes[position]

    @cached_property
    def _positions(self) -> dict[str, int]:
        return positions_of(node_names(self.nodes))

    def names_and_ops(self) -> Iterator[tuple[str, str]]:
        """Name and op of each node, in file order: all that most questions need, and quickest."""
        return zip(node_names(self.nodes), node_ops(self.nodes), strict=True)

    def tensor(self, name: str) -> TensorInfo:
        """Type and shape of a tensor, such as `myInput:0` (`myInput` means the same).

        Found from the op signatures that came with the graph, the node's attributes, and, where
        the graph has none, rules for common ops; what cannot be known is None.

        Raises NameNotFoundError, with close names, where there is no such node or output.
        """
        from tfartifacts.model.tensors import describe_tensor

        return describe_tensor(self, name)
