"""Which data file each value of a checkpoint goes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tfartifacts.errors import ConversionError
from tfartifacts.model.placing import PlacedValue
from tfartifacts.model.values import TensorValue
from tfartifacts.model.variables import Variable
from tfartifacts.records import replace

MOST_SHARDS = 99_999  # five digits in the names of data files


def in_shards(
    variables: Mapping[str, Variable], num_shards: int
) -> tuple[dict[str, Variable], int]:
    """The variables in so many data files, each value in the smallest so far; their number.

    Raises ConversionError for a number that is out of bounds, or larger than that of the values:
    a file would be empty.
    """
    num_values = sum(len(variable.values) for variable in variables.values())
    if not 1 <= num_shards <= MOST_SHARDS:
        raise ConversionError(f"found {num_shards} shards, expected 1 to {MOST_SHARDS}")
    if num_shards > num_values:
        raise ConversionError(
            f"found {num_shards} shards for {num_values} stored tensors, expected at most as many"
        )
    import heapq

    smallest = [(0, shard) for shard in range(num_shards)]

    def place(value: TensorValue) -> TensorValue:
        size, shard = smallest[0]
        heapq.heapreplace(smallest, (size + _size(value), shard))
        return PlacedValue(value, shard)

    return {name: _placed(variable, place) for name, variable in variables.items()}, num_shards


def _size(value: TensorValue) -> int:
    # Each counts for something, so that empty ones do not all meet in one file.
    return max(1, value.nbytes)


def in_shards_of_origin(
    variables: Mapping[str, Variable], origins: Mapping[str, int]
) -> tuple[dict[str, Variable], int]:
    """The variables, each in the data file of its origin; files that are empty now are left out.

    `origins` are the shards, by name, of variables that are in no data file themselves.
    """

    def shard_of(name: str, value: TensorValue) -> int:
        location = value.location
        return origins.get(name, 0) if location is None else location.shard

    used = sorted(
        {shard_of(name, value) for name, variable in variables.items() for value in variable.values}
    )
    number = {shard: position for position, shard in enumerate(used)}

    def placed(name: str, variable: Variable) -> Variable:
        def place(value: TensorValue) -> TensorValue:
            shard = number[shard_of(name, value)]
            is_there = shard == (0 if value.location is None else value.location.shard)
            return value if is_there else PlacedValue(value, shard)

        return _placed(variable, place)

    return {name: placed(name, variable) for name, variable in variables.items()}, len(used)


def _placed(variable: Variable, place: Callable[[TensorValue], TensorValue]) -> Variable:
    if variable.value is not None:
        value = place(variable.value)
        return variable if value is variable.value else replace(variable, value=value)
    slices = tuple(replace(part, value=place(part.value)) for part in variable.slices)
    if all(new.value is old.value for new, old in zip(slices, variable.slices, strict=True)):
        return variable
    return replace(variable, slices=slices)
