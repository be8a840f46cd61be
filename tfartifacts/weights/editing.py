"""Edit a checkpoint: names, types, values, files. See edits for what can be done, in which order.

A pure function: what it gives is a checkpoint whose values are read when they are written, one
after the other. Values that are not cast, merged or set are carried with their checksums.
"""

from __future__ import annotations

from collections.abc import Mapping

from tfartifacts.errors import ConversionError
from tfartifacts.model.checkpoints import BUNDLE_VERSIONS, Checkpoint
from tfartifacts.model.placing import PlacedValue
from tfartifacts.model.values import Always, Deferred
from tfartifacts.model.variables import Variable, Variables
from tfartifacts.records import replace
from tfartifacts.weights import edit_steps as steps
from tfartifacts.weights.casts import CastValue, target_dtype
from tfartifacts.weights.choosing import Source, variables_of
from tfartifacts.weights.edit_steps import Work
from tfartifacts.weights.edits import EditPlan, Edits, Row
from tfartifacts.weights.graph_following import Followed, followed
from tfartifacts.weights.object_keys import with_object_keys
from tfartifacts.weights.roles import OBJECT_GRAPH_KEY
from tfartifacts.weights.shards import in_shards, in_shards_of_origin


def edit(source: Source, edits: Edits) -> Checkpoint:
    """The checkpoint as edited, to be saved with `save`; nothing but names is read now.

    Of a folder of checkpoints the latest is taken, of a SavedModel its variables. The graph beside
    a checkpoint comes along where it restores what there is now, with another saver if need be;
    `notes` says what became of it. So does the object graph of an object-based checkpoint.

    Raises NameNotFoundError for a name that is not there, ConversionError for rules and globs that
    match nothing, two variables of one name, types and values that do not fit, and where nothing
    would be left.
    """
    return plan_edits(source, edits).checkpoint


def plan_edits(source: Source, edits: Edits) -> EditPlan:
    """As `edit`, with what becomes of each variable."""
    checkpoint = variables_of(source)
    work = Work.of(checkpoint)
    steps.select(work, edits)
    if edits.use_ema:
        steps.use_averages(work)
    steps.rename(work, edits)
    if edits.merge_partitions:
        steps.merge(work)
    if edits.cast is not None:
        steps.cast(work, target_dtype(edits.cast), edits.only)
    elif edits.only:
        raise ConversionError("found patterns of what to cast, expected a type to cast to as well")
    steps.set_values(work, edits)
    steps.add_arrays(work, edits)
    return _finished(checkpoint, work, edits)


def _finished(checkpoint: Checkpoint, work: Work, edits: Edits) -> EditPlan:
    left = work.left()
    new_variables = {
        new: _named(work.variables[old], new) for old, new in left.items()
    } | work.added
    if not new_variables:
        raise ConversionError("found nothing that is left, expected variables", path=work.path)
    now = dict(work.names)
    # A variable whose average took its place is still there, under that one's name.
    now.update({name: now[average] for average, name in work.averages.items() if name in now})
    keys = {old: new for old, new in now.items() if new != old}
    graph = followed(checkpoint, keys, new_variables, work.averages)
    object_variable, object_graph, notes = with_object_keys(checkpoint, keys)
    if object_variable is not None:
        new_variables[OBJECT_GRAPH_KEY] = object_variable
    ordered = {name: new_variables[name] for name in sorted(new_variables, key=_bytes)}
    result = finished(
        checkpoint,
        ordered,
        graph,
        origins={} if edits.shards else _origins(checkpoint, left),
        shards=edits.shards,
        notes=notes,
    )
    return EditPlan(replace(result, object_graph_part=object_graph), _rows(work), graph.state)


def finished(
    checkpoint: Checkpoint,
    variables: Mapping[str, Variable],
    graph: Followed,
    *,
    origins: Mapping[str, int],
    shards: int | None = None,
    notes: tuple[str, ...] = (),
) -> Checkpoint:
    """The checkpoint with other variables, in file order, and what became of its graph."""
    if shards is None:
        placed, num_shards = in_shards_of_origin(variables, origins)
    else:
        placed, num_shards = in_shards(variables, shards)
    return replace(
        checkpoint,
        format="V2",
        byte_order="little",
        versions=checkpoint.versions if checkpoint.format == "V2" else BUNDLE_VERSIONS,
        num_shards=num_shards,
        variables=Variables(placed),
        meta_graph_part=Deferred(Always(graph.meta_graph)),
        assets=checkpoint.assets if graph.meta_graph is not None else (),
        notes=(*checkpoint.notes, *graph.notes, *notes),
    )


def _origins(checkpoint: Checkpoint, left: Mapping[str, str]) -> dict[str, int]:
    """The shard that each variable was in, by its new name."""
    origins = {}
    for old, new in left.items():
        locations = (value.location for value in checkpoint.variables[old].values)
        origins[new] = next((found.shard for found in locations if found is not None), 0)
    return origins


def _rows(work: Work) -> tuple[Row, ...]:
    rows = []
    for old, new in work.names.items():
        before = work.source.variables[old]
        after = before if new is None else work.variables[old]
        rows.append(
            Row(
                old,
                new,
                after.dtype,
                after.shape,
                after.nbytes,
                before.dtype,
                tuple(work.actions.get(old, ())),
            )
        )
    for name, variable in work.added.items():
        nbytes = variable.nbytes
        rows.append(
            Row(None, name, variable.dtype, variable.shape, nbytes, variable.dtype, ("added",))
        )
    return tuple(rows)


def overflowed(checkpoint: Checkpoint) -> dict[str, int]:
    """How many finite elements became infinite by casts, by name, once it was saved; those only."""
    found: dict[str, int] = {}
    for name, variable in checkpoint.variables.items():
        for value in variable.values:
            if isinstance(value, PlacedValue):
                value = value.value  # noqa: PLW2901 - what is placed
            if isinstance(value, CastValue) and value.num_overflowed:
                found[name] = found.get(name, 0) + value.num_overflowed
    return found


def _named(variable: Variable, name: str) -> Variable:
    return variable if variable.name == name else replace(variable, name=name)


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
