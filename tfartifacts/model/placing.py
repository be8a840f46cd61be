"""A value that is to be written to a certain data file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tfartifacts.dtypes import DType
from tfartifacts.model.slicing import read_elements
from tfartifacts.model.values import Buffer, Location, Shape, TensorValue
from tfartifacts.records import dataclass

if TYPE_CHECKING:
    from tfartifacts.model.values import Array


@dataclass(frozen=True, slots=True)
class PlacedValue:
    """A value, read from where it is, that goes to the data file of that number when it is saved.

    `shard` counts from 0, below the `num_shards` of the checkpoint that it is a part of.
    """

    value: TensorValue
    shard: int

    @property
    def dtype(self) -> DType:
        return self.value.dtype

    @property
    def shape(self) -> Shape:
        return self.value.shape

    @property
    def nbytes(self) -> int:
        return self.value.nbytes

    @property
    def location(self) -> Location | None:
        """Where it is read from."""
        return self.value.location

    def read(self) -> Array:
        return self.value.read()

    def read_elements(self, first: int, count: int) -> Array:
        return read_elements(self.value, first, count)

    def stored(self) -> Iterator[Buffer]:
        return self.value.stored()
