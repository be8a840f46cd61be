"""Which variables of a checkpoint are exported, under which names, and why others are not.

What applies first stands first:

    the object graph of TensorFlow 2, which describes a checkpoint's keys, stays behind
    keep, drop       globs of variables (`*` also stands for `/`; brackets are literal)
    strip_optimizer  slots, powers of beta and the like stay behind (see weights.roles)
    names            old names to new ones, whatever the preset says of them
    preset           bert-pytorch: see bert

Partitioned variables become one tensor each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import translate

from tfartifacts.errors import ConversionError, name_not_found
from tfartifacts.exchange import bert
from tfartifacts.exchange.transposed import TransposedValue
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.values import TensorValue
from tfartifacts.model.variables import Variable
from tfartifacts.records import dataclass
from tfartifacts.weights.roles import OBJECT_GRAPH_KEY, variable_roles
from tfartifacts.weights.values import MergedValue

PRESETS = (bert.PRESET,)
_MOST_LISTED = 20


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A tensor to write under `name`, made of the variable `source`."""

    name: str
    source: str
    value: TensorValue
    is_transposed: bool = False
    is_merged: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """What goes, in the order of the checkpoint; and the reasons by variable why others do not."""

    tensors: tuple[Outgoing, ...]
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rules:
    """The arguments of `export` that say which variables go where."""

    names: Mapping[str, str]
    preset: str | None = None
    keep: Sequence[str] = ()
    drop: Sequence[str] = ()
    strip_optimizer: bool = False


def select(checkpoint: Checkpoint, rules: Rules) -> Selection:
    """What the rules make of a checkpoint; nothing is read.

    Raises ConversionError for a glob that no variable has, for two tensors of one name, for
    variables that the preset has no place for, and where nothing is left; NameNotFoundError for a
    name to change that is not there.
    """
    if rules.preset is not None and rules.preset not in PRESETS:
        raise ConversionError(f"found preset {rules.preset!r}, expected {', '.join(PRESETS)}")
    for name in rules.names:
        if name not in checkpoint.variables:
            raise name_not_found("variable", name, checkpoint.variables)
    left_out = _left_out(checkpoint, rules)
    tensors = []
    placeless = []
    for name, variable in checkpoint.variables.items():
        if name in left_out:
            continue
        place: bert.Place | None = bert.Place(rules.names.get(name, name))
        if rules.preset is not None and name not in rules.names:
            place = bert.place_of(name)
        if place is None:
            placeless.append(name)
            continue
        tensors.append(_outgoing(variable, place))
    if placeless:
        raise ConversionError(
            f"found {_counted(placeless)} that preset {rules.preset} has no place for; name them "
            "with --map, or leave them out with --drop",
            details=listed(placeless),
        )
    if not tensors:
        raise ConversionError("found no variables to export, expected one or more")
    _refuse_alike(tensors)
    return Selection(tuple(tensors), left_out)


def _outgoing(variable: Variable, place: bert.Place) -> Outgoing:
    is_merged = variable.value is None
    value: TensorValue = variable.value or MergedValue(variable)
    if place.is_transposed:
        if len(variable.shape) != 2:
            raise ConversionError(
                f"found {variable.name!r} of shape {variable.shape}, expected a matrix to transpose"
            )
        value = TransposedValue(value)
    return Outgoing(place.name, variable.name, value, place.is_transposed, is_merged)


def _left_out(checkpoint: Checkpoint, rules: Rules) -> dict[str, str]:
    reasons: dict[str, str] = {}
    if OBJECT_GRAPH_KEY in checkpoint.variables:
        reasons[OBJECT_GRAPH_KEY] = "describes the checkpoint's keys"
    if rules.keep:
        kept = _matching(rules.keep, checkpoint.variables, "--keep")
        for name in checkpoint.variables:
            if name not in kept:
                reasons.setdefault(name, "not kept")
    for name in _matching(rules.drop, checkpoint.variables, "--drop"):
        reasons.setdefault(name, "dropped")
    if rules.strip_optimizer or rules.preset is not None:
        for name, role in variable_roles(checkpoint).items():
            if role == "optimizer" and name not in rules.names:
                reasons.setdefault(name, "the optimizer's")
    if rules.preset is not None:
        for name in checkpoint.variables:
            if bert.is_unwanted(name) and name not in rules.names:
                reasons.setdefault(name, "the optimizer's")
    return reasons


def _matching(globs: Iterable[str], names: Iterable[str], option: str) -> set[str]:
    """The names that one of the globs matches as a whole. Raises for a glob that matches none."""
    found: set[str] = set()
    for glob in globs:
        pattern = re.compile(translate(glob.replace("[", "[[]")))
        matched = {name for name in names if pattern.match(name)}
        if not matched:
            raise ConversionError(f"found {option} {glob!r}, which no variable matches")
        found |= matched
    return found


def _refuse_alike(tensors: Sequence[Outgoing]) -> None:
    sources: dict[str, str] = {}
    for tensor in tensors:
        if not tensor.name:
            raise ConversionError(f"found no name for {tensor.source!r}, expected one")
        if tensor.name in sources:
            raise ConversionError(
                f"found {sources[tensor.name]!r} and {tensor.source!r} both to become "
                f"{tensor.name!r}, expected two names"
            )
        sources[tensor.name] = tensor.source


def _counted(names: Sequence[str]) -> str:
    return "1 variable" if len(names) == 1 else f"{len(names)} variables"


def listed(names: Sequence[str]) -> tuple[str, ...]:
    """Names as the details of an error."""
    more = len(names) - _MOST_LISTED
    return (*names[:_MOST_LISTED], *([f"and {more} more"] if more > 0 else []))
