"""The object graph of an object-based checkpoint, after its keys were edited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tfartifacts.dtypes import STRING
from tfartifacts.errors import ConversionError
from tfartifacts.model.arrays import ArrayValue
from tfartifacts.model.checkpoints import Checkpoint, ObjectGraph
from tfartifacts.model.values import Always, Deferred
from tfartifacts.model.variables import Variable
from tfartifacts.records import replace
from tfartifacts.weights.roles import OBJECT_GRAPH_KEY

if TYPE_CHECKING:
    from tfartifacts.model.values import TensorValue


def with_object_keys(
    checkpoint: Checkpoint, keys: Mapping[str, str | None]
) -> tuple[Variable | None, Deferred[ObjectGraph | None], tuple[str, ...]]:
    """The variable that holds the object graph, with other keys; the graph decoded; notes.

    `keys` maps keys that changed to the new ones, None for what is gone. Without a variable for a
    checkpoint that has none, and where the graph cannot be read.
    """
    variable = checkpoint.variables.get(OBJECT_GRAPH_KEY)
    if variable is None or not keys:
        return variable, checkpoint.object_graph_part, ()
    graph = checkpoint.object_graph
    if graph is None or graph.with_keys is None:
        note = "the object graph cannot be read, and is left out: names are all that is left"
        return None, Deferred(Always(None)), (note,)
    for new in keys.values():
        if new is not None and not _is_utf8(new):
            raise ConversionError(
                f"found the name {new!r}, which is not UTF-8, as keys of an object graph are",
                path=checkpoint.path,
            )
    everything = {name: keys.get(name, name) for name in checkpoint.variables}
    encoded, edited = graph.with_keys(everything)
    notes = (
        "the object graph has the new keys: tf.train.Checkpoint restores what is left by them",
    )
    return replace(variable, value=_text(encoded)), Deferred(Always(edited)), notes


def _text(encoded: bytes) -> TensorValue:
    import numpy as np

    array = np.empty((), object)
    array[()] = encoded
    return ArrayValue(STRING, (), array)


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
