"""Strings in arrays of numbers or of a fixed width: see npy for the two forms. Read whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

from tfartifacts.dtypes import STRING, DType
from tfartifacts.errors import ConversionError, FormatError
from tfartifacts.exchange.file_values import Deflated, Span, without_first
from tfartifacts.model.arrays import ArrayValue, shaped
from tfartifacts.model.from_arrays import array_value
from tfartifacts.model.values import Buffer, Shape
from tfartifacts.records import dataclass

if TYPE_CHECKING:
    from tfartifacts.model.values import Array


class _Strings:
    """What the two have in common: all that is known of strings is known once they are read."""

    __slots__ = ()

    if TYPE_CHECKING:

        def read(self) -> Array: ...

    @property
    def dtype(self) -> DType:
        return STRING

    @property
    def location(self) -> None:
        return None

    @property
    def nbytes(self) -> int:
        array = self.read()
        return ArrayValue(STRING, array.shape, array).nbytes

    def stored(self) -> Iterator[Buffer]:
        yield from self.read().ravel().tolist()


@dataclass(frozen=True, slots=True)
class FixedStrings(_Strings):
    """Strings of NumPy's type `descr` (`|S7`, `<U7`), padded with zeros to its width."""

    shape: Shape
    held: Span | Deflated
    skip: int
    descr: str
    swaps: bool = False
    by_columns: bool = False

    def read(self) -> Array:
        import numpy as np

        dtype = np.dtype(self.descr)
        if self.swaps:
            dtype = dtype.newbyteorder(">")
        if not prod(self.shape):
            return shaped(np.empty(0, object), self.shape)
        whole: Any = np.frombuffer(_all(self.held, self.skip), dtype)
        # NumPy hands such characters to Python, which takes them for a fault of its own.
        if dtype.kind == "U" and whole.view(f"{dtype.byteorder}u4").max() > sys.maxunicode:
            raise FormatError("found text beyond Unicode, expected characters", path=self.held.path)
        try:
            elements: Any = array_value(whole).array
        except (ConversionError, ValueError) as error:
            raise FormatError(
                f"found text that is none: {error}", path=self.held.path, offset=self.held.offset
            ) from None
        return (
            shaped(elements, self.shape[::-1]).T
            if self.by_columns
            else shaped(elements, self.shape)
        )


@dataclass(frozen=True, slots=True)
class JoinedStrings(_Strings):
    """Strings one after the other, and where each begins."""

    shape: Shape
    held: Span | Deflated
    skip: int
    offsets: Span | Deflated
    skip_offsets: int

    def read(self) -> Array:
        import numpy as np

        data = bytes(_all(self.held, self.skip))
        places: Any = np.frombuffer(_all(self.offsets, self.skip_offsets), "<u8")
        ends = places.tolist()
        if ends[0] != 0 or ends[-1] != len(data) or any(b < a for a, b in pairwise(ends)):
            raise FormatError(
                f"found places of strings that do not go from 0 to {len(data)} in order",
                path=self.offsets.path,
                offset=self.offsets.offset,
            )
        elements = np.empty(len(ends) - 1, object)
        elements[:] = [data[begin:end] for begin, end in pairwise(ends)]
        return shaped(elements, self.shape)


def _all(held: Span | Deflated, skip: int) -> bytearray:
    found = bytearray()
    for piece in without_first(held.stream(), skip):
        found += piece
    return found
