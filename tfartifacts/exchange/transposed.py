"""A tensor with its axes in reverse order, made in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any

from tfartifacts.dtypes import DType
from tfartifacts.exchange.file_values import HeldValue
from tfartifacts.model.arrays import BlockValue
from tfartifacts.model.row_major import BLOCK
from tfartifacts.model.slicing import read_elements
from tfartifacts.model.values import Shape, TensorValue
from tfartifacts.records import dataclass
from tfartifacts.weights.blocks import blocks

if TYPE_CHECKING:
    from tfartifacts.model.values import Array

PANEL = 32 << 20  # bytes that are put into order at a time
SHORT_ROW = 1 << 15  # bytes of a row that is read whole, though only some columns are wanted


@dataclass(frozen=True, slots=True)
class TransposedValue(BlockValue):
    """What `value.read().T` is: of a matrix the columns as rows.

    Up to PANEL bytes are read at once. What is larger is gathered some columns at a time: where
    the file can be read in parts, after one look at all of it for its checksum, of long rows those
    columns alone; else by reading all of it for each PANEL.
    """

    value: TensorValue
    panel: int = PANEL

    @property
    def dtype(self) -> DType:
        return self.value.dtype

    @property
    def shape(self) -> Shape:
        return self.value.shape[::-1]

    def blocks(self) -> Iterator[Array]:
        shape = self.value.shape
        columns = shape[-1] if shape else 1
        rows = prod(shape[:-1])
        wide = max(1, self.panel // max(1, rows * self._itemsize()))
        if wide >= columns:
            yield self.value.read().T
            return
        seeks = self.value.location is not None
        if isinstance(self.value, HeldValue):
            seeks = self.value.is_seekable
        if seeks:
            for _ in self.value.stored():
                pass  # its checksum is compared at the end
        for first in range(0, columns, wide):
            last = min(first + wide, columns)
            panel = self._panel(first, last, seeks)
            yield panel.reshape(*shape[:-1], last - first).T

    def _panel(self, first: int, last: int, seeks: bool) -> Any:
        """Columns `first` to `last` (not included) of all rows."""
        import numpy as np

        columns = self.value.shape[-1]
        rows = prod(self.value.shape[:-1])
        panel = np.empty((rows, last - first), self.dtype.to_numpy())
        if seeks:
            # What is not wanted of a short row takes less time than to look for each row.
            whole = columns * self._itemsize() <= SHORT_ROW
            low, high = (0, columns) if whole else (first, last)
            most = max(1, BLOCK // columns) if whole else 1
            for row in range(0, rows, most):
                count = min(most, rows - row)
                part = read_elements(
                    self.value, row * columns + low, (count - 1) * columns + high - low
                )
                panel[row : row + count] = part.reshape(count, -1)[:, first - low : last - low]
            return panel
        most = max(1, BLOCK // columns) * columns if columns <= BLOCK else BLOCK
        end = 0
        for block in blocks(self.value, most):
            begin, end = end, end + block.size
            if columns <= BLOCK:
                panel[begin // columns : end // columns] = block.reshape(-1, columns)[:, first:last]
                continue
            for row in range(begin // columns, (end - 1) // columns + 1):
                low = max(begin, row * columns + first)
                high = min(end, row * columns + last)
                if low < high:
                    place = row * columns + first
                    panel[row, low - place : high - place] = block[low - begin : high - begin]
        return panel
