"""The elements of a variable one after the other in row-major order, also where it is in slices."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from math import prod
from typing import TYPE_CHECKING, Any

from tfartifacts.dtypes import DType
from tfartifacts.errors import FormatError, UnsupportedError
from tfartifacts.model.values import Buffer

if TYPE_CHECKING:
    from tfartifacts.model.values import Array
    from tfartifacts.model.variables import Variable, VariableSlice

BLOCK = 1 << 17  # elements

# To be closed where they are not asked for until the end: files are open.
Blocks = Generator["Array", None, None]

_Bounds = tuple[tuple[int, int], ...]


def stored_row_major(variable: Variable) -> Iterator[Buffer]:
    """The bytes of all elements of a fixed-size type, as they would be stored whole.

    Pieces as in TensorValue.stored; each checksum is compared where its slice ends. Of slices that
    cut other axes than the first, those that meet in a row are open at once, each with a piece.

    Raises FormatError where slices are missing.
    """
    if variable.value is not None:
        return variable.value.stored()
    itemsize = fixed_size(variable.dtype)
    check_whole(variable)
    if all(_cuts_first_axis(part, variable) for part in variable.slices):
        return _one_after_another(variable)
    return _gathered(variable, itemsize)


def check_whole(variable: Variable) -> None:
    """Raise FormatError where slices of a partitioned variable are missing: their file is."""
    present = sum(prod(part.value.shape) for part in variable.slices)
    if not variable.slices or present != variable.num_elements:
        raise FormatError(
            f"found {present} of {variable.num_elements} elements of {variable.name!r} in the "
            "files there are; the others are in a shard that is missing"
        )


def fixed_size(dtype: DType) -> int:
    """Bytes of an element. Raises UnsupportedError for strings and variants."""
    if dtype.itemsize is None:
        raise UnsupportedError(f"found {dtype}, expected a type of a fixed size")
    return dtype.itemsize


def cut(pieces: Iterable[Buffer], dtype: DType, num_elements: int, most: int) -> Blocks:
    """Stored bytes as flat arrays of `most` elements each, the last one of what is left.

    Arrays are read-only and valid until the next one is asked for. Raises what `pieces` raise,
    FormatError where there are more or fewer bytes than `num_elements` take.
    """
    itemsize = fixed_size(dtype)
    size, left = most * itemsize, num_elements * itemsize
    buffer = memoryview(b"")
    filled = 0
    for piece in pieces:
        view = memoryview(piece)
        if len(view) + filled > left:
            raise FormatError(f"found more than the {num_elements} elements of a tensor")
        while view:
            wanted = min(size, left)
            if not filled and len(view) >= wanted:
                taken = view[:wanted]
                view = view[wanted:]
            else:
                if not buffer:
                    buffer = memoryview(bytearray(wanted))
                count = min(wanted - filled, len(view))
                buffer[filled : filled + count] = view[:count]
                view = view[count:]
                filled += count
                if filled < wanted:
                    break
                taken, filled = buffer[:wanted], 0
            left -= wanted
            yield _elements(taken, dtype)
    if left:
        raise FormatError(f"found {left} bytes fewer than {num_elements} elements take")


def _elements(stored: memoryview, dtype: DType) -> Array:
    import sys

    import numpy as np

    numpy_dtype = dtype.to_numpy()
    raw: Any = np.frombuffer(stored, np.uint8)
    if dtype.bits is not None and dtype.bits < 8 and raw.max() >= 1 << dtype.bits:
        raise FormatError(f"found an element above the {dtype.bits} bits of {dtype}")
    if sys.byteorder == "big" and numpy_dtype.itemsize > 1:
        width = numpy_dtype.itemsize // (2 if numpy_dtype.kind == "c" else 1)
        raw = raw.view(f"u{width}").byteswap()
    array: Array = raw.view(numpy_dtype)
    array.flags.writeable = False
    return array


# --- slices ---------------------------------------------------------------------------------------


def _bounds(part: VariableSlice, variable: Variable) -> _Bounds:
    return tuple(
        extent.bounds(size) for extent, size in zip(part.extents, variable.shape, strict=True)
    )


def _cuts_first_axis(part: VariableSlice, variable: Variable) -> bool:
    whole = tuple((0, size) for size in variable.shape[1:])
    return _bounds(part, variable)[1:] == whole


def _one_after_another(variable: Variable) -> Iterator[Buffer]:
    for part in sorted(variable.slices, key=lambda part: _bounds(part, variable)):
        yield from part.value.stored()


class _Part:
    """A slice that is read on and on, in its own row-major order."""

    def __init__(self, part: VariableSlice, variable: Variable, itemsize: int) -> None:
        self.bounds = _bounds(part, variable)
        self._value = part.value
        self._pieces: Iterator[Buffer] | None = None
        self._rest = memoryview(b"")
        self._left = prod(part.value.shape) * itemsize

    def take(self, size: int) -> bytearray:
        if self._pieces is None:
            self._pieces = self._value.stored()
        taken = bytearray(size)
        end = 0
        while end < size:
            if not self._rest:
                piece = next(self._pieces, None)
                if piece is None:
                    raise FormatError("found fewer bytes than a slice takes")
                self._rest = memoryview(piece)
            begin, end = end, min(size, end + len(self._rest))
            taken[begin:end] = self._rest[: end - begin]
            self._rest = self._rest[end - begin :]
        self._left -= size
        if not self._left:
            # The checksum is compared behind the last piece.
            for _ in self._pieces:
                pass
        return taken


def _gathered(variable: Variable, itemsize: int) -> Iterator[Buffer]:
    """Box by box: what is in one lies together in the whole, and in each slice it meets.

    A box has one index along the first axes, a range along the next, all of the rest. Each slice
    is so taken from its first to its last byte.
    """
    shape = variable.shape
    axis = next(i for i in range(len(shape)) if prod(shape[i + 1 :]) <= BLOCK)
    inner = tuple((0, size) for size in shape[axis + 1 :])
    step = max(1, BLOCK // max(1, prod(shape[axis + 1 :])))
    parts = [_Part(part, variable, itemsize) for part in variable.slices if prod(part.value.shape)]
    for number in range(prod(shape[:axis])):
        outer = _index(number, shape[:axis])
        for start in range(0, shape[axis], step):
            box = (*outer, (start, min(start + step, shape[axis])), *inner)
            yield _box(box, parts, itemsize)


def _index(number: int, shape: tuple[int, ...]) -> _Bounds:
    """The position with that number in row-major order, as ranges of one."""
    index = []
    for size in reversed(shape):
        number, position = divmod(number, size)
        index.append((position, position + 1))
    return tuple(reversed(index))


def _box(box: _Bounds, parts: list[_Part], itemsize: int) -> memoryview:
    import numpy as np

    sizes = tuple(end - start for start, end in box)
    try:
        gathered: Any = np.empty((*sizes, itemsize), np.uint8)
    except ValueError as error:
        raise UnsupportedError(
            f"found {len(box)} dimensions that NumPy cannot hold: {error}"
        ) from None
    missing = prod(sizes)
    for part in parts:
        shared = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(box, part.bounds, strict=True)]
        if any(end <= start for start, end in shared):
            continue
        shape = [end - start for start, end in shared]
        taken = np.frombuffer(part.take(prod(shape) * itemsize), np.uint8)
        place = tuple(
            slice(start - origin, end - origin)
            for (start, end), (origin, _) in zip(shared, box, strict=True)
        )
        gathered[place] = taken.reshape(*shape, itemsize)
        missing -= prod(shape)
    if missing:
        raise FormatError("found slices that overlap, or parts that are in none")
    return gathered.reshape(-1).data  # type: ignore[no-any-return]  # NumPy's arrays are Any here
