"""The average of checkpoints of one model, such as the last ones of a training.

    floats, complex numbers     summed in float64 (complex128) in the order in which they are given,
                                divided by their number, rounded to their type: numpy.mean's bits
    integers, bool, strings,    those of the newest, the last one given
    counters, metrics
    slots of the optimizer      left out; with `with_optimizer` averaged, its scalars (powers of
                                beta, learning rates) of the newest

Values are read when the average is written, a block of each checkpoint at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from math import isfinite
from typing import TYPE_CHECKING, Any

from tfartifacts.dtypes import DType
from tfartifacts.errors import ConversionError
from tfartifacts.model.arrays import BlockValue
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.values import Deferred, Shape
from tfartifacts.model.variables import Variable
from tfartifacts.records import dataclass, replace
from tfartifacts.weights.blocks import variable_blocks
from tfartifacts.weights.choosing import Source, variables_of
from tfartifacts.weights.editing import finished
from tfartifacts.weights.graph_following import followed
from tfartifacts.weights.object_keys import with_object_keys
from tfartifacts.weights.roles import (
    OBJECT_GRAPH_KEY,
    Role,
    optimizer_variables,
    variable_roles,
)

if TYPE_CHECKING:
    from tfartifacts.errors import TfArtifactsError
    from tfartifacts.model.values import Array

# Bytes of a block of all checkpoints together.
_BLOCKS = 8 << 20


@dataclass(frozen=True, slots=True)
class AveragePlan:
    """An average of which nothing is written.

    `averaged` are the names of those variables that are averaged, `newest` of those that are as in
    the last checkpoint, `left_out` of the optimizer's that are in none. `graph` is as in EditPlan.
    """

    checkpoint: Checkpoint
    averaged: tuple[str, ...]
    newest: tuple[str, ...]
    left_out: tuple[str, ...]
    graph: str


def average(
    checkpoints: Sequence[Source],
    *,
    weights: Sequence[float] | None = None,
    with_optimizer: bool = False,
) -> Checkpoint:
    """The mean of the variables of checkpoints, the newest last; to be saved with `save`.

    `weights` are what each counts for, in any unit. The graph of the newest comes along where it
    restores what there is. All must have the same variables of the same types and shapes, those of
    optimizers aside unless they are averaged too: ConversionError lists all that differ.
    """
    return plan_average(checkpoints, weights=weights, with_optimizer=with_optimizer).checkpoint


def plan_average(
    checkpoints: Sequence[Source],
    *,
    weights: Sequence[float] | None = None,
    with_optimizer: bool = False,
) -> AveragePlan:
    """As `average`, with what becomes of each variable."""
    sources = [variables_of(source) for source in checkpoints]
    if not sources:
        raise ConversionError("found no checkpoints, expected one or more to average")
    _check_weights(weights, len(sources))
    left_out = [frozenset[str]() if with_optimizer else optimizer_variables(s) for s in sources]
    variables = [
        {
            name: variable
            for name, variable in source.variables.items()
            if name not in without and name != OBJECT_GRAPH_KEY
        }
        for source, without in zip(sources, left_out, strict=True)
    ]
    _refuse_differences(sources, variables)
    newest = sources[-1]
    roles = variable_roles(newest)
    made: dict[str, Variable] = {}
    averaged: list[str] = []
    for name, variable in variables[-1].items():
        if len(sources) > 1 and _is_averaged(variable, roles.get(name, "model")):
            value = AverageValue(
                tuple(each[name] for each in variables),
                None if weights is None else tuple(map(float, weights)),
            )
            made[name] = Variable(name, variable.dtype, variable.shape, value)
            averaged.append(name)
        else:
            made[name] = variable
    if not made:
        raise ConversionError("found nothing that is left, expected variables", path=newest.path)
    return _finished(sources, made, averaged, left_out[-1])


def _finished(
    sources: Sequence[Checkpoint],
    made: dict[str, Variable],
    averaged: Sequence[str],
    left_out: frozenset[str],
) -> AveragePlan:
    newest = sources[-1]
    keys: dict[str, str | None] = dict.fromkeys(sorted(left_out & newest.variables.keys()))
    graph = followed(newest, keys, made)
    object_variable, object_graph, notes = with_object_keys(newest, keys)
    are_averaged = frozenset(averaged)
    kept = tuple(name for name in made if name not in are_averaged)
    if object_variable is not None:
        made[OBJECT_GRAPH_KEY] = object_variable
    made = {name: made[name] for name in newest.variables if name in made}
    result = finished(newest, made, graph, origins=_origins(newest, averaged), notes=notes)
    result = replace(
        result,
        files=tuple({f.path: f for source in sources for f in source.files}.values()),
        object_graph_part=object_graph,
        problems_part=Deferred(_Problems(tuple(sources))),
    )
    return AveragePlan(result, tuple(averaged), kept, tuple(keys), graph.state)


@dataclass(frozen=True, slots=True)
class _Problems:
    """The problems of several checkpoints, looked for when called."""

    sources: tuple[Checkpoint, ...]

    def __call__(self) -> tuple[TfArtifactsError, ...]:
        return tuple(problem for source in self.sources for problem in source.problems)


def _origins(newest: Checkpoint, averaged: Sequence[str]) -> dict[str, int]:
    origins = {}
    for name in averaged:
        locations = (value.location for value in newest.variables[name].values)
        origins[name] = next((found.shard for found in locations if found is not None), 0)
    return origins


def _check_weights(weights: Sequence[float] | None, count: int) -> None:
    if weights is None:
        return
    if len(weights) != count:
        raise ConversionError(
            f"found {len(weights)} weights for {count} checkpoints, expected as many"
        )
    total = sum(weights)
    if not all(map(isfinite, weights)) or not isfinite(total) or total <= 0:
        shown = ", ".join(f"{weight:g}" for weight in weights)
        raise ConversionError(f"found weights {shown}, expected numbers with a sum above 0")


def _is_averaged(variable: Variable, role: Role) -> bool:
    if role == "bookkeeping" or (role == "optimizer" and not variable.shape):
        return False
    return "float" in variable.dtype.name or variable.dtype.name.startswith("complex")


def _refuse_differences(
    sources: Sequence[Checkpoint], variables: Sequence[Mapping[str, Variable]]
) -> None:
    """Raise ConversionError that lists what the others have otherwise than the newest."""
    newest, wanted = sources[-1], variables[-1]
    lines: list[str] = []
    for source, there in zip(sources[:-1], variables[:-1], strict=True):
        for name in wanted:
            if name not in there:
                lines.append(f"{source.path}: no {name}")
        for name, variable in there.items():
            if name not in wanted:
                lines.append(f"{source.path}: {name}, which {newest.path} does not have")
            elif (variable.dtype, variable.shape) != (wanted[name].dtype, wanted[name].shape):
                lines.append(
                    f"{source.path}: {name} is {_described(variable)}, "
                    f"in {newest.path} {_described(wanted[name])}"
                )
    if lines:
        count = f"{len(lines)} differences" if len(lines) > 1 else "a difference"
        raise ConversionError(
            f"found {count} among the checkpoints, expected the same variables of the same types "
            "and shapes",
            details=tuple(lines),
        )


def _described(variable: Variable) -> str:
    return f"{variable.dtype} {list(variable.shape)}"


@dataclass(frozen=True, slots=True)
class AverageValue(BlockValue):
    """The mean of variables of one type and shape, weighted or not; see average."""

    variables: tuple[Variable, ...]
    weights: tuple[float, ...] | None = None

    @property
    def dtype(self) -> DType:
        return self.variables[-1].dtype

    @property
    def shape(self) -> Shape:
        return self.variables[-1].shape

    def blocks(self) -> Iterator[Array]:
        import numpy as np

        wide = np.complex128 if self.dtype.name.startswith("complex") else np.float64
        most = max(1 << 10, _BLOCKS // (self._itemsize() * len(self.variables)))
        most = min(most, 1 << 17)
        total: Any = None
        scale = float(len(self.variables))
        if self.weights is not None:
            scale = float(np.sum(np.array(self.weights)))
        with ExitStack() as opened, np.errstate(over="ignore", invalid="ignore", under="ignore"):
            # Where one fails, the files of the others are closed, too.
            sides = [
                opened.enter_context(closing(variable_blocks(variable, most)))
                for variable in self.variables
            ]
            for row in zip(*sides, strict=True):
                total = row[0].astype(wide)
                if self.weights is not None:
                    total *= self.weights[0]
                total += 0.0  # numpy.mean begins with 0: of a -0.0 nothing is left
                for position, block in enumerate(row[1:], 1):
                    term = block.astype(wide)
                    if self.weights is not None:
                        term *= self.weights[position]
                    total += term
                total /= scale
                yield total.astype(self.dtype.to_numpy())


def last_of(checkpoints: Sequence[Checkpoint], count: int, folder: str) -> list[Checkpoint]:
    """The last so many checkpoints. Raises ConversionError where there are not as many."""
    if not 1 <= count <= len(checkpoints):
        raise ConversionError(
            f"found {len(checkpoints)} checkpoints, expected {count} to average", path=folder
        )
    return list(checkpoints[-count:])
