"""The objects of a SavedModel of TensorFlow 2: what they refer to is there.

tf.saved_model.load makes an object of each and joins them by these references; a cycle is legal
(a child that knows its parent). Source: tensorflow/python/saved_model/load.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tfartifacts.checks.faults import Faults
from tfartifacts.checks.findings import Finding
from tfartifacts.errors import FormatError
from tfartifacts.formats.saved_object_graph import Objects, read_objects
from tfartifacts.formats.wire import Message
from tfartifacts.model import MetaGraph, ObjectGraph, Variable


def check_objects(meta_graph: MetaGraph, *, path: str, where: str = "") -> Iterator[Finding]:
    """What is wrong with the objects of a meta graph; nothing for one without."""
    if meta_graph.object_graph is None:
        return
    faults = Faults(path, where)
    try:
        objects = read_objects(Message(meta_graph.object_graph))
    except FormatError as error:
        faults.error("objects", f"the objects cannot be read: {error.message}")
    else:
        _check_references(objects, meta_graph, faults)
    yield from faults.findings()


def _check_references(objects: Objects, meta_graph: MetaGraph, faults: Faults) -> None:
    if not objects.number:
        faults.error("objects", "found no objects, expected a root at least")
    for who, number in objects.node_ids:
        if not 0 <= number < objects.number:
            faults.error(
                "object-reference",
                f"found {who} that refers to object {number}, expected one of {objects.number:,}",
                who,
            )
    known = frozenset(objects.concrete_functions)
    for who, name in objects.functions:
        if name and name not in known:
            faults.error(
                "object-function",
                f"found {who} that has function {name!r}, expected one of the concrete functions",
                name,
            )
    for name in objects.concrete_functions:
        if name not in meta_graph.graph.functions:
            faults.error(
                "object-function",
                f"found concrete function {name!r}, expected it in the graph's library",
                name,
            )
    for who, number in objects.assets:
        if not 0 <= number < len(meta_graph.asset_files):
            faults.error(
                "object-asset",
                f"found {who} that is asset {number}, expected one of "
                f"{len(meta_graph.asset_files)} asset files",
                who,
            )
    for who, name in objects.operations:
        if name not in meta_graph.graph:
            faults.error(
                "object-constant",
                f"found {who} that is constant {name!r}, expected a node of that name",
                who,
            )


def check_object_keys(
    objects: ObjectGraph, variables: Mapping[str, Variable], *, path: str
) -> Iterator[Finding]:
    """Whether an object-based checkpoint has the values its own objects name."""
    faults = Faults(path)
    for key in objects.full_names:
        if key not in variables:
            faults.note(
                "object-without-value",
                f"found no value for {key!r}, which the checkpoint's objects name: it was not "
                "initialised when it was saved, or is lost",
                key,
            )
    yield from faults.findings()
