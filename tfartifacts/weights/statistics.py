"""What the elements of an artifact's variables come to: one pass over them, in constant memory.

Complex numbers go by their magnitude, bool by 0 and 1, quantized types by the integers they are
stored in; of strings there are numbers and lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from tfartifacts.dtypes import STRING, DType
from tfartifacts.errors import TfArtifactsError, name_not_found
from tfartifacts.model import Artifact, Variable
from tfartifacts.model.jobs import side_by_side
from tfartifacts.model.row_major import BLOCK
from tfartifacts.model.values import Shape
from tfartifacts.records import dataclass, replace
from tfartifacts.weights.blocks import variable_blocks
from tfartifacts.weights.holders import held, single_element
from tfartifacts.weights.moments import Moments, Summing, moments_of_counts
from tfartifacts.weights.quantiles import (
    MOST_SORTED,
    Distribution,
    Sketch,
    of_counts,
    of_sorted,
)
from tfartifacts.weights.roles import Role, variable_roles

# In the order in which they are told.
ROLES: tuple[Role, ...] = ("model", "average", "optimizer", "bookkeeping", "copy")

_WORTH_ELEMENTS = 1 << 22  # elements


@dataclass(frozen=True, slots=True)
class Lengths:
    """Of strings, in bytes; None where there are none."""

    num_empty: int
    min_length: int | None
    max_length: int | None
    mean_length: float | None


@dataclass(frozen=True, slots=True)
class VariableStatistics:
    """One variable. `moments` and `distribution` for numbers, `lengths` for strings.

    Without elements, or of another type, it has none; `distribution` is None too where no element
    is finite. `error` says why it could not be read. `num_slices` is 0 for one stored whole.
    """

    name: str
    dtype: DType
    shape: Shape
    num_elements: int
    nbytes: int
    role: Role
    num_slices: int = 0
    moments: Moments | None = None
    distribution: Distribution | None = None
    lengths: Lengths | None = None
    error: TfArtifactsError | None = None


@dataclass(frozen=True, slots=True)
class RoleStatistics:
    """Variables of one role together; role "all": every one. Moments are of their numbers."""

    role: str
    num_variables: int
    num_elements: int
    nbytes: int
    moments: Moments


@dataclass(frozen=True, slots=True)
class Statistics:
    """What `statistics` found: variables in file order, sums by role, all together.

    `damage` is what could not be read, which is counted in none of the sums.
    """

    path: str | None
    kind: str
    variables: tuple[VariableStatistics, ...]
    roles: tuple[RoleStatistics, ...]
    total: RoleStatistics
    damage: tuple[TfArtifactsError, ...] = ()

    @property
    def not_finite(self) -> tuple[str, ...]:
        """Names of the variables that have NaN or an infinity."""
        return tuple(
            variable.name
            for variable in self.variables
            if variable.moments is not None
            and (variable.moments.num_nan or variable.moments.num_infinite)
        )


def statistics(
    artifact: Artifact,
    *,
    select: Callable[[str], bool] | None = None,
    roles: Iterable[str] | None = None,
    jobs: int | None = None,
    quantiles: bool = True,
) -> Statistics:
    """Statistics of the variables of an artifact; reads them now, each once, in blocks.

    Of a folder those of the latest checkpoint, of a frozen graph its constants. `select` and
    `roles` leave out variables. `jobs` threads go through variables side by side (None: one for
    each processor that may be used), each with some MiB; strings and V1 checkpoints are read whole.
    Without `quantiles` variables of more than MOST_SORTED wide elements get no distribution, which
    takes half the time.

    What cannot be read is told by `error` of the variable and in `damage`. Raises
    NameNotFoundError where nothing is selected, PathNotFoundError where the folder's latest
    checkpoint is not there.
    """
    found = held(artifact)
    checkpoint = found.variables
    variables: Mapping[str, Variable] = {} if checkpoint is None else checkpoint.variables
    known = {} if checkpoint is None else variable_roles(checkpoint)
    wanted = None if roles is None else frozenset(roles)
    chosen = [
        variable
        for name, variable in variables.items()
        if (select is None or select(name)) and (wanted is None or known[name] in wanted)
    ]
    if not chosen and (select is not None or wanted is not None):
        raise nothing_selected(variables, artifact.path)
    results = _in_threads(
        [(variable, known[variable.name]) for variable in chosen], jobs, quantiles
    )
    errors = (result.error for result in results)
    return Statistics(
        artifact.path if checkpoint is None else checkpoint.path,
        artifact.kind,
        tuple(results),
        tuple(
            _together(role, of_role)
            for role in ROLES
            if (of_role := [result for result in results if result.role == role])
        ),
        _together("all", results),
        (*found.problems, *(error for error in errors if error is not None)),
    )


def nothing_selected(names: Iterable[str], path: str | None) -> TfArtifactsError:
    """The error for a choice that leaves nothing."""
    names = list(islice(names, 1000))
    error = name_not_found("variable", "as selected", names)
    there = ", ".join(repr(name) for name in names[:3])
    error.message = "found no variable that is selected, expected one; " + (
        f"there is {there}" + (" and others" if len(names) > 3 else "")
        if names
        else "there is none"
    )
    error.path = path
    return error


def _in_threads(
    work: Sequence[tuple[Variable, Role]], jobs: int | None, quantiles: bool
) -> list[VariableStatistics]:
    def of(item: tuple[Variable, Role]) -> VariableStatistics:
        return variable_statistics(*item, quantiles=quantiles)

    return side_by_side(of, work, jobs, lambda item: item[0].num_elements, least=_WORTH_ELEMENTS)


def _together(role: str, results: Sequence[VariableStatistics]) -> RoleStatistics:
    moments = Moments()
    for result in results:
        if result.moments is not None:
            moments += result.moments
    return RoleStatistics(
        role,
        len(results),
        sum(result.num_elements for result in results),
        sum(result.nbytes for result in results),
        moments,
    )


def variable_statistics(
    variable: Variable, role: Role = "model", *, quantiles: bool = True
) -> VariableStatistics:
    """Statistics of one variable; an error of reading it is kept. See `statistics`."""
    facts = VariableStatistics(
        variable.name, variable.dtype, variable.shape, variable.num_elements, 0, role
    )
    try:
        facts = replace(facts, nbytes=variable.nbytes, num_slices=len(variable.slices))
        if variable.dtype == STRING:
            return replace(facts, lengths=_lengths(variable))
        if variable.dtype.itemsize is None or not variable.num_elements:
            return facts
        import numpy as np

        # Sums may overflow, and NaN may signal: both are told by the numbers themselves.
        with np.errstate(over="ignore", invalid="ignore"):
            moments, distribution = _numbers(variable, quantiles)
        return replace(facts, moments=moments, distribution=distribution)
    except TfArtifactsError as error:
        return replace(facts, error=error)


def _lengths(variable: Variable) -> Lengths:
    lengths = [len(element) for element in variable.read().reshape(-1).tolist()]
    if not lengths:
        return Lengths(0, None, None, None)
    return Lengths(lengths.count(0), min(lengths), max(lengths), sum(lengths) / len(lengths))


def _numbers(variable: Variable, quantiles: bool) -> tuple[Moments, Distribution | None]:
    single = single_element(variable)
    if single is not None:
        count = variable.num_elements
        moments, distribution = _of_wide([_real(single)], 1, quantiles)
        if distribution is not None:
            bins = tuple(count * number for number in distribution.histogram)
            distribution = replace(distribution, histogram=bins)
        return moments.times(count), distribution
    numpy_dtype = variable.dtype.to_numpy()
    if numpy_dtype.itemsize <= 2:
        return _of_narrow(variable, numpy_dtype)
    return _of_wide(
        (_real(block) for block in variable_blocks(variable, BLOCK)),
        variable.num_elements,
        quantiles,
    )


def _real(block: Any) -> Any:
    """Numbers NumPy can sort and sum: magnitudes of complex ones, float64 of ml_dtypes'."""
    import numpy as np

    if block.dtype.kind == "c":
        return np.abs(block.astype(np.complex128))
    return block if block.dtype.kind in "iuf" else block.astype(np.float64)


def _of_narrow(variable: Variable, numpy_dtype: Any) -> tuple[Moments, Distribution | None]:
    """Of a type with so few values that each can be counted."""
    import numpy as np

    unsigned = np.dtype(f"u{numpy_dtype.itemsize}")
    counts = np.zeros(1 << (8 * numpy_dtype.itemsize), np.int64)
    for block in variable_blocks(variable, BLOCK):
        counts += np.bincount(block.view(unsigned), minlength=counts.size)
    patterns = np.flatnonzero(counts)
    values: Any
    if numpy_dtype.kind == "b":
        values = (patterns != 0).astype(np.float64)
    else:
        values = patterns.astype(unsigned).view(numpy_dtype).astype(np.float64)
    moments = moments_of_counts(values, counts[patterns])
    if numpy_dtype.kind in "iu" and moments.min is not None and moments.max is not None:
        moments = replace(moments, min=int(moments.min), max=int(moments.max))
    return moments, of_counts(values, counts[patterns]) if moments.num_finite else None


def _of_wide(
    blocks: Iterable[Any], count: int, quantiles: bool
) -> tuple[Moments, Distribution | None]:
    import numpy as np

    summing = Summing(min(count, BLOCK))
    if count <= MOST_SORTED:
        # One block: all there is.
        parts = [summing.add(block).copy() for block in blocks]
        moments = summing.moments
        if not moments.num_finite:
            return moments, None
        return moments, of_sorted(np.sort(np.concatenate(parts)))
    sketch = Sketch(BLOCK)
    for block in blocks:
        finite = summing.add(block)
        if quantiles and finite.size:
            sketch.add(finite)
    moments = summing.moments
    if not quantiles or moments.min is None or moments.max is None:
        return moments, None
    return moments, sketch.distribution(float(moments.min), float(moments.max))
