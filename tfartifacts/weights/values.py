"""Values made of other values, which are read when they are written: what edited variables hold.

ArrayValue     an array in memory
BlockValue     base of values that are made block by block, such as a cast
MergedValue    a partitioned variable as one value
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING

from tfartifacts.dtypes import STRING, DType
from tfartifacts.model.arrays import ArrayValue, BlockValue
from tfartifacts.model.row_major import stored_row_major
from tfartifacts.model.slicing import read_rows
from tfartifacts.model.values import Buffer, Shape
from tfartifacts.model.variables import Variable
from tfartifacts.records import dataclass

if TYPE_CHECKING:
    from tfartifacts.model.values import Array

__all__ = ["ArrayValue", "BlockValue", "MergedValue"]


@dataclass(frozen=True, slots=True)
class MergedValue:
    """All elements of a variable, whether it is stored whole or in slices, as one value.

    A fixed-size type is streamed (see weights.blocks.variable_blocks); strings are read whole.
    """

    variable: Variable

    @property
    def dtype(self) -> DType:
        return self.variable.dtype

    @property
    def shape(self) -> Shape:
        return self.variable.shape

    @property
    def nbytes(self) -> int:
        sizes = [value.nbytes for value in self.variable.values]
        if self.dtype != STRING:
            return sum(sizes)
        # Each has a checksum of its lengths; of nothing, old writers left it out.
        return 4 + sum(max(0, size - 4) for size in sizes)

    @property
    def location(self) -> None:
        return None

    def read(self) -> Array:
        return self.variable.read()

    def read_elements(self, first: int, count: int) -> Array:
        """See PartialValue; of slices the rows that the elements are in are read."""
        if not self.shape:
            return self.read().reshape(-1)[first : first + count]
        row = max(1, prod(self.shape[1:]))
        begin, end = first // row, -(-(first + count) // row)
        rows = read_rows(self.variable, begin, end).reshape(-1)
        return rows[first - begin * row :][:count]

    def stored(self) -> Iterator[Buffer]:
        if self.dtype.itemsize is None:
            yield from self.read().ravel().tolist()
        else:
            yield from stored_row_major(self.variable)
