"""The variables of any artifact: a checkpoint's, or the constants that a frozen graph has instead.

Constants are those of the graph itself, not of its functions; shapes, axes and other small ones are
among them, as nothing in the graph tells them apart from weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any

from tfartifacts.dtypes import DType
from tfartifacts.errors import (
    FormatError,
    NameNotFoundError,
    PathNotFoundError,
    TfArtifactsError,
    UnsupportedError,
)
from tfartifacts.model import (
    Artifact,
    Checkpoint,
    CheckpointDirectory,
    Graph,
    MetaGraph,
    Node,
    SavedModel,
    Variable,
)
from tfartifacts.model.arrays import stored_elements
from tfartifacts.model.graphs import ConstantValue
from tfartifacts.model.saved_models import SERVING_TAG
from tfartifacts.model.values import Buffer, Shape
from tfartifacts.records import dataclass, field

if TYPE_CHECKING:
    from tfartifacts.model.values import Array

# Elements that are made of one: a few bytes can claim any number.
MOST_REPEATED = 1 << 24
CONSTANTS = "constants"  # the format of a checkpoint that stands for a graph's constants


@dataclass(frozen=True, slots=True)
class ConstantElements:
    """The elements of a Const node as a TensorValue; decoded by each call, kept by none."""

    dtype: DType
    shape: Shape
    node: Node = field(repr=False)

    @property
    def nbytes(self) -> int:
        if self.dtype.itemsize is not None:
            return prod(self.shape) * self.dtype.itemsize
        return sum(len(element) for element in self.node.attrs["value"].strings())

    @property
    def location(self) -> None:
        return None

    def read(self) -> Array:
        array: Any = self.node.attrs["value"].read()
        if array.size > MOST_REPEATED and not any(array.strides):
            raise UnsupportedError(
                f"found one value for {array.size} elements, expected at most {MOST_REPEATED}"
            )
        copy: Array = array.copy()
        return copy

    def stored(self) -> Iterator[Buffer]:
        array = self.node.attrs["value"].read()
        if self.dtype.itemsize is None:
            yield from array.ravel().tolist()
        else:
            yield from stored_elements(array, self.dtype)

    def single(self) -> Array | None:
        """An array of the one element that all others repeat; None where each is stored.

        A few bytes can stand for any number of elements, which nobody should go through.
        """
        array: Any = self.node.attrs["value"].read()
        if array.size < 2 or any(array.strides):
            return None
        element: Array = array.reshape(-1)[:1].copy() if array.ndim == 1 else _first(array)
        return element


def _first(array: Any) -> Array:
    import numpy as np

    return np.array([array[(0,) * array.ndim]], array.dtype)


def single_element(variable: Variable) -> Array | None:
    """The element that a constant repeats; None for any other variable."""
    value = variable.value
    return value.single() if isinstance(value, ConstantElements) else None


@dataclass(frozen=True)
class Held:
    """What an artifact holds: `variables` as a checkpoint, None where it can hold none.

    `problems` are constants that cannot be understood.
    """

    variables: Checkpoint | None
    problems: tuple[TfArtifactsError, ...] = ()

    @property
    def are_constants(self) -> bool:
        return self.variables is not None and self.variables.format == CONSTANTS


def held(artifact: Artifact) -> Held:
    """The variables of an artifact: of a folder those of its latest checkpoint.

    A SavedModel without variables has its graph's constants, as a frozen graph has; a meta graph
    has none. Raises PathNotFoundError for a folder whose latest checkpoint is not there.
    """
    match artifact:
        case CheckpointDirectory():
            return Held(latest(artifact))
        case Checkpoint():
            return Held(artifact)
        case SavedModel():
            if artifact.checkpoint is not None:
                return Held(artifact.checkpoint)
            meta_graph = only_meta_graph(artifact)
            return Held(None) if meta_graph is None else _constants(meta_graph.graph, artifact.path)
        case MetaGraph():
            return Held(None)
        case Graph():
            return _constants(artifact, artifact.path)


def latest(directory: CheckpointDirectory) -> Checkpoint:
    """The latest checkpoint of a folder. Raises PathNotFoundError, or why it cannot be opened."""
    if directory.latest is not None:
        return directory.latest
    for error in directory.broken.values():
        raise error
    raise PathNotFoundError(
        "found no latest checkpoint, expected one; name the prefix of another",
        path=directory.path or ".",
    )


def only_meta_graph(model: SavedModel) -> MetaGraph | None:
    """The meta graph there is, of several the one for serving."""
    if len(model.meta_graphs) == 1:
        return model.meta_graphs[0]
    try:
        return model.meta_graph({SERVING_TAG})
    except NameNotFoundError:
        return None


def _constants(graph: Graph, path: str | None) -> Held:
    variables: dict[str, Variable] = {}
    problems: list[TfArtifactsError] = []
    for node in graph.nodes:
        if node.op != "Const" or node.name in variables:
            continue
        try:
            value = node.attrs.get("value")
            if not isinstance(value, ConstantValue):
                raise FormatError(f"found no value in constant {node.name!r}, expected one")
            dtype, shape = value.dtype.base, value.shape
            if any(size < 0 for size in shape):
                raise FormatError(
                    f"found shape {list(shape)} of constant {node.name!r}, expected sizes"
                )
        except TfArtifactsError as error:
            error.path = error.path or path
            problems.append(error)
            continue
        variables[node.name] = Variable(
            node.name, dtype, tuple(shape), ConstantElements(dtype, tuple(shape), node)
        )
    return Held(Checkpoint(path or "", CONSTANTS, 0, variables), tuple(problems))
