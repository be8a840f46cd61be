"""Values that are in no file: an array in memory, or blocks that are made when asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any

from tfartifacts.dtypes import STRING, DType
from tfartifacts.errors import FormatError, UnsupportedError
from tfartifacts.model.values import Buffer, Shape
from tfartifacts.records import dataclass

if TYPE_CHECKING:
    from tfartifacts.model.values import Array

_PIECE = 1 << 20  # bytes


@dataclass(frozen=True, slots=True, eq=False)
class ArrayValue:
    """An array in memory as a TensorValue; `array` has the type that DType.to_numpy says.

    The array is not copied: what is changed in it before it is written is written.
    """

    dtype: DType
    shape: Shape
    array: Any

    @property
    def nbytes(self) -> int:
        if self.dtype.itemsize is not None:
            return prod(self.shape) * self.dtype.itemsize
        sizes = [len(element) for element in self.array.ravel().tolist()]
        with_lengths = sum(size + max(1, (size.bit_length() + 6) // 7) for size in sizes)
        # One checksum of the lengths of all strings; one behind each variant.
        return with_lengths + 4 * (1 if self.dtype == STRING else len(sizes))

    @property
    def location(self) -> None:
        return None

    def read(self) -> Array:
        copy: Array = self.array.copy()
        return copy

    def read_elements(self, first: int, count: int) -> Array:
        elements: Array = self.array.flat[first : first + count]
        return elements

    def stored(self) -> Iterator[Buffer]:
        if self.dtype.itemsize is None:
            yield from self.array.ravel().tolist()
        else:
            yield from stored_elements(self.array, self.dtype)


class BlockValue(ABC):
    """A TensorValue whose elements are made block by block.

    Strings can be read, but not in constant memory, and their `nbytes` is not known. For a
    subclass: a frozen dataclass with `dtype` and `shape` (fields or properties) and `blocks`.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def dtype(self) -> DType: ...

        @property
        def shape(self) -> Shape: ...

    @abstractmethod
    def blocks(self) -> Iterator[Array]:
        """All elements in row-major order, as arrays of dtype.to_numpy() of any size.

        A block may be reused for the next one. What the elements are made of is opened anew by
        each call, and its checksums are compared by the time the last block was asked for.
        """
        ...

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * self._itemsize()

    @property
    def location(self) -> None:
        return None

    def read(self) -> Array:
        import numpy as np

        try:
            whole: Any = np.empty(prod(self.shape), self.dtype.to_numpy())
        except (ValueError, MemoryError) as error:
            raise UnsupportedError(
                f"found {self.dtype} of shape {self.shape}, for which there is no room: {error}"
            ) from None
        end = 0
        for block in self._checked_blocks():
            begin, end = end, end + block.size
            whole[begin:end] = block.reshape(-1)
        return shaped(whole, self.shape)

    def read_elements(self, first: int, count: int) -> Array:
        """`count` elements from the one numbered `first`; blocks behind them are not made."""
        import numpy as np

        parts = []
        end = 0
        for block in self._checked_blocks():
            begin, end = end, end + block.size
            if end > first:
                parts.append(
                    block.reshape(-1)[max(0, first - begin) : first + count - begin].copy()
                )
            if end >= first + count:
                break
        return np.concatenate(parts) if parts else np.empty(0, self.dtype.to_numpy())

    def stored(self) -> Iterator[Buffer]:
        for block in self._checked_blocks():
            if self.dtype.itemsize is None:
                yield from block.reshape(-1).tolist()
            else:
                yield from stored_elements(block, self.dtype)

    def _checked_blocks(self) -> Iterator[Any]:
        numpy_dtype = self.dtype.to_numpy()
        left = prod(self.shape)
        for block in self.blocks():
            left -= block.size
            if left < 0:
                break
            if block.dtype != numpy_dtype:
                raise FormatError(f"found a block of {block.dtype}, expected {numpy_dtype}")
            yield block
        if left:
            raise FormatError(
                f"found {'more' if left < 0 else 'fewer'} elements than shape {self.shape} has"
            )

    def _itemsize(self) -> int:
        if self.dtype.itemsize is None:
            raise UnsupportedError(f"found {self.dtype}, expected a type of a fixed size")
        return self.dtype.itemsize


def stored_elements(array: Any, dtype: DType) -> Iterator[Buffer]:
    """Elements of a fixed-size type as a little-endian data file stores them, in pieces.

    A piece may be a view of the array; it is valid until the next one is asked for.
    """
    import sys

    import numpy as np

    itemsize = array.dtype.itemsize
    count = max(1, _PIECE // itemsize)
    flat = array.reshape(-1) if array.flags.c_contiguous else array.flat
    swaps = sys.byteorder == "big" and itemsize > 1
    for start in range(0, array.size, count):
        piece = flat[start : start + count]
        if swaps:
            # A complex number is two: each is swapped on its own.
            width = itemsize // (2 if array.dtype.kind == "c" else 1)
            piece = piece.view(f"u{width}").byteswap()
        stored = piece.view(np.uint8)
        if dtype.bits is not None and dtype.bits < 8:
            stored = stored & ((1 << dtype.bits) - 1)
        yield stored.data


def shaped(array: Array, shape: Shape) -> Array:
    """The array in that shape.

    Raises UnsupportedError where NumPy has no such shape: it takes 64 dimensions where TensorFlow
    takes 254, and multiplies the sizes beside a 0.
    """
    try:
        reshaped: Array = array.reshape(shape)
        return reshaped
    except ValueError as error:
        raise UnsupportedError(
            f"found {len(shape)} dimensions that NumPy cannot hold: {error}"
        ) from None
