"""The steps of an edit, in the order that edits says; none reads a value."""

from __future__ import annotations

from tfartifacts.dtypes import DType
from tfartifacts.errors import ConversionError, name_not_found
from tfartifacts.graphs.renaming import refuse_clashes, renamed_names
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.from_arrays import check_name, variable_from_array
from tfartifacts.model.variables import Variable
from tfartifacts.records import dataclass, replace
from tfartifacts.weights.casts import FLOATS, SOURCES, CastValue
from tfartifacts.weights.edits import Edits, is_glob, matched
from tfartifacts.weights.given_values import given_value
from tfartifacts.weights.roles import (
    OBJECT_GRAPH_KEY,
    averaged_variable,
    optimizer_variables,
    variable_roles,
)
from tfartifacts.weights.values import MergedValue


@dataclass(slots=True)
class Work:
    """An edit under way, by names in the source: names now (None: gone), variables, actions."""

    path: str
    source: Checkpoint
    names: dict[str, str | None]
    variables: dict[str, Variable]
    actions: dict[str, list[str]]
    averages: dict[str, str]
    added: dict[str, Variable]

    @staticmethod
    def of(checkpoint: Checkpoint) -> Work:
        variables = dict(checkpoint.variables.items())
        variables.pop(OBJECT_GRAPH_KEY, None)
        return Work(
            checkpoint.path,
            checkpoint,
            {name: name for name in variables},
            variables,
            {},
            {},
            {},
        )

    def did(self, name: str, action: str) -> None:
        self.actions.setdefault(name, []).append(action)

    def drop(self, name: str, action: str) -> None:
        self.names[name] = None
        self.did(name, action)

    def left(self) -> dict[str, str]:
        """The old names of what is left, with the names now."""
        return {old: new for old, new in self.names.items() if new is not None}

    def by_new_name(self) -> dict[str, str]:
        """The names now with the old ones."""
        return {new: old for old, new in self.left().items()}


# --- the steps, in their order --------------------------------------------------------------------


def select(work: Work, edits: Edits) -> None:
    everything = list(work.names)
    if edits.keep:
        kept = matched(edits.keep, everything, work.path)
        for name in everything:
            if name not in kept:
                work.drop(name, "dropped")
    for name in sorted(matched(edits.drop, everything, work.path)):
        if work.names[name] is not None:
            work.drop(name, "dropped")
    if edits.strip_optimizer:
        found = optimizer_variables(work.source) & work.left().keys()
        if not found:
            raise ConversionError(
                "found no variables of an optimizer, expected some to strip", path=work.path
            )
        for name in sorted(found):
            work.drop(name, "optimizer")


def use_averages(work: Work) -> None:
    roles = variable_roles(work.source)
    left = work.left()
    averages = [name for name in left if roles.get(name) == "average"]
    if not averages:
        raise ConversionError("found no moving averages, expected some to use", path=work.path)
    taken: dict[str, str] = {}
    for average in averages:
        name = averaged_variable(average, work.source.variables)
        if OBJECT_GRAPH_KEY in work.source.variables and name not in work.source.variables:
            raise ConversionError(
                f"found the average {average!r}, whose variable cannot be told by its name",
                path=work.path,
            )
        if name in taken:
            raise ConversionError(
                f"found two averages of {name!r}, {taken[name]!r} and {average!r}, expected one; "
                "drop the other",
                path=work.path,
            )
        taken[name] = average
        there, shadow = work.source.variables.get(name), work.variables[average]
        if there is not None and (there.dtype, there.shape) != (shadow.dtype, shadow.shape):
            raise ConversionError(
                f"found the average {average!r} of {shadow.dtype} and shape {shadow.shape}, "
                f"expected {there.dtype} and shape {there.shape} as {name!r} has",
                path=work.path,
            )
        if name in left:
            work.drop(name, "replaced")
        work.names[average] = name
        work.averages[average] = name
        work.did(average, "average")


def rename(work: Work, edits: Edits) -> None:
    before = work.left()
    names = dict(before)
    if edits.names:
        old_names = {now: old for old, now in names.items()}
        for old, new in edits.names.items():
            check_name(new)
            if old not in old_names:
                raise name_not_found("variable", old, old_names)
            names[old_names[old]] = new
        refuse_clashes(names, work.path)
    if edits.rename:
        names = renamed_names(names, edits.rename, work.path)
    for old, new in names.items():
        if new != before[old]:
            check_name(new)
            if new == OBJECT_GRAPH_KEY:
                raise ConversionError(
                    f"found {old!r} renamed to {new!r}, which is the object graph's"
                )
            work.names[old] = new
            work.did(old, "renamed")


def merge(work: Work) -> None:
    found = [old for old in work.left() if work.variables[old].value is None]
    if not found:
        raise ConversionError(
            "found no partitioned variable, expected some to merge", path=work.path
        )
    for old in found:
        variable = work.variables[old]
        work.variables[old] = replace(variable, value=MergedValue(variable), slices=())
        work.did(old, "merged")


def cast(work: Work, target: DType, only: tuple[str, ...]) -> None:
    names = work.by_new_name()
    chosen = matched(only, names, work.path) if only else set(names)
    named = {pattern for pattern in only if not is_glob(pattern)}
    count = 0
    for name in sorted(chosen):
        old = names[name]
        variable = work.variables[old]
        if name in named and variable.dtype.name not in SOURCES:
            raise ConversionError(
                f"found {name!r} of type {variable.dtype}, which is not cast to {target}",
                path=work.path,
            )
        is_cast = name in named or variable.dtype.name in FLOATS
        if not is_cast or variable.dtype == target:
            continue
        count += 1
        work.variables[old] = _cast_variable(variable, target)
        work.did(old, "cast")
    if not count:
        raise ConversionError(
            f"found nothing to cast to {target}, expected variables of another floating type",
            path=work.path,
        )


def _cast_variable(variable: Variable, target: DType) -> Variable:
    value = None if variable.value is None else CastValue(variable.value, target)
    slices = tuple(replace(part, value=CastValue(part.value, target)) for part in variable.slices)
    return replace(variable, dtype=target, value=value, slices=slices)


def set_values(work: Work, edits: Edits) -> None:
    names = work.by_new_name()
    for name, value in edits.values.items():
        if name not in names:
            raise name_not_found("variable", name, names)
        old = names[name]
        variable = work.variables[old]
        work.variables[old] = replace(variable, value=given_value(variable, value), slices=())
        work.did(old, "set")


def add_arrays(work: Work, edits: Edits) -> None:
    names = work.by_new_name()
    for name, array in edits.add.items():
        if name in names or name == OBJECT_GRAPH_KEY:
            raise ConversionError(
                f"found {name!r} to add, which is there already; drop or rename that one first",
                path=work.path,
            )
        work.added[name] = variable_from_array(name, array)
