"""An object-based checkpoint as a name-based one."""

from __future__ import annotations

import re

from tfartifacts.errors import ConversionError
from tfartifacts.model.checkpoints import Checkpoint, ObjectGraph
from tfartifacts.model.values import Always, Deferred
from tfartifacts.model.variables import Variable
from tfartifacts.records import replace

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
_SAVE_COUNTER_KEY = "save_counter/.ATTRIBUTES/VARIABLE_VALUE"
_CONFIG_SUFFIX = "/.ATTRIBUTES/OBJECT_CONFIG_JSON"

# What a metric has counted so far, under a name that every metric has: total, count.
_METRIC = re.compile(r"(?:.*/)?keras_api/metrics/")
# The lists in which Keras writes the variables of a model once more (ExportArchive).
_ARCHIVED = re.compile(r"(?:_all_|(?:non_)?trainable_)?variables/\d+/")


def with_variable_names(checkpoint: Checkpoint) -> Checkpoint:
    """An object-based checkpoint as a name-based one: each entry named after its variable.

    The object graph, the save counter and the configurations of objects are left out; a Saver of
    a graph with those variables, or `tf.train.load_checkpoint`, finds the rest by name. Entries of
    what is no variable (tables), and of metrics that share a name, keep their keys.

    Raises ConversionError for a checkpoint without an object graph, and where two variables have
    the same name; one that Keras has written twice, the same to its checksum, is taken once.
    """
    object_graph = checkpoint.object_graph
    if object_graph is None:
        raise ConversionError(
            f"found no object graph ({OBJECT_GRAPH_KEY}), expected one: without it the names of "
            "the variables are not known",
            path=checkpoint.path,
        )
    keys = {
        name: _without_twins(checkpoint, of)
        for name, of in _keys_by_name(checkpoint, object_graph).items()
    }
    clashes = {name: of for name, of in keys.items() if len(of) > 1}
    if clashes:
        name, of = next(iter(clashes.items()))
        raise ConversionError(
            f"found {len(of)} variables with the name {name!r} ({', '.join(of)}), expected one "
            f"each{_others(len(clashes) - 1)}; keep the object names",
            path=checkpoint.path,
        )
    if not keys:
        raise ConversionError("found no variables in the object graph", path=checkpoint.path)
    variables = checkpoint.variables
    return replace(
        checkpoint,
        variables={
            name: replace(variables[keys[name][0]], name=name) for name in sorted(keys, key=_bytes)
        },
        object_graph_part=Deferred(Always(None)),
        notes=_notes(checkpoint, object_graph, {of[0]: name for name, of in keys.items()}),
    )


def _keys_by_name(checkpoint: Checkpoint, object_graph: ObjectGraph) -> dict[str, list[str]]:
    """The keys that have each name, of entries that are of a variable or a table."""
    keys: dict[str, list[str]] = {}
    for key in filter(_is_carried, checkpoint.variables):
        keys.setdefault(object_graph.full_names.get(key) or key, []).append(key)
    for name, of in list(keys.items()):
        metrics = [key for key in of if _METRIC.match(key)]
        if len(of) > 1 and metrics:
            keys.update({key: [key] for key in metrics})
            keys[name] = [key for key in of if key not in metrics]
    return {name: of for name, of in keys.items() if of}


def _is_carried(key: str) -> bool:
    return key not in (OBJECT_GRAPH_KEY, _SAVE_COUNTER_KEY) and not key.endswith(_CONFIG_SUFFIX)


def _without_twins(checkpoint: Checkpoint, keys: list[str]) -> list[str]:
    """The keys without those under which Keras has written another's variable once more."""
    variables = checkpoint.variables
    kept: list[str] = []
    for key in keys:
        twin = any(
            (_ARCHIVED.match(key) or _ARCHIVED.match(other))
            and _same_stored(variables[key], variables[other])
            for other in kept
        )
        if not twin:
            kept.append(key)
    return kept


def _same_stored(first: Variable, second: Variable) -> bool:
    """Whether two entries hold the same bytes, as far as their checksums tell."""
    places = [
        [
            (value.shape, value.location.size, value.location.crc32c)
            for value in variable.values
            if value.location is not None
        ]
        for variable in (first, second)
    ]
    return (
        (first.dtype, first.shape) == (second.dtype, second.shape)
        and len(places[0]) == len(first.values)
        and places[0] == places[1]
    )


def _notes(
    checkpoint: Checkpoint, object_graph: ObjectGraph, names: dict[str, str]
) -> tuple[str, ...]:
    """What is to be said of it; `names` maps the keys that were taken."""
    notes = ["keys are the variables' names; the object graph and the save counter are left out"]
    twins = [key for key in filter(_is_carried, checkpoint.variables) if key not in names]
    if twins:
        notes.append(
            f"Keras wrote {len(twins)} variables twice, under one name and with the same bytes; "
            f"left out: {listed(twins)}"
        )
    metrics = [key for key, name in names.items() if key == name and _METRIC.match(key)]
    nameless = [key for key, name in names.items() if key == name and key not in metrics]
    if metrics:
        notes.append(f"of metrics that share a name, kept as they are: {listed(metrics)}")
    if nameless:
        notes.append(f"without a variable's name, kept as they are: {listed(nameless)}")
    return tuple(notes)


def _others(count: int) -> str:
    return f" ({count} more such {'name' if count == 1 else 'names'})" if count else ""


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def listed(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
