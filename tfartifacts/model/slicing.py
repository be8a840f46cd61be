"""Parts of a variable: `variable[10:20]` reads the rows that it needs.

Rows are along the first axis. In a file they are one range of bytes, of a partitioned variable one
in each slice concerned; further axes are cut in memory. A checksum covers a tensor as a whole, so
that of a part it cannot be compared. Strings, whose places are known only behind their lengths, are
read whole, as is a variable of which every row is asked for; then checksums are compared. Values
that cannot be read in part, such as those of a V1 checkpoint, are read whole, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from operator import index
from typing import TYPE_CHECKING, Any

from tfartifacts.errors import FormatError, UnsupportedError
from tfartifacts.model.row_major import BLOCK, check_whole, cut, stored_row_major
from tfartifacts.model.values import PartialValue, Shape, TensorValue

if TYPE_CHECKING:
    from tfartifacts.model.values import Array
    from tfartifacts.model.variables import Variable, VariableSlice


def select(variable: Variable, key: Any) -> Any:
    """What NumPy gives for `variable.read()[key]`, with as little read as that takes.

    Raises IndexError where NumPy does, before anything is read, and what reading raises.
    """
    parts = key if isinstance(key, tuple) else (key,)
    if variable.dtype.itemsize is None or not all(map(_is_basic, parts)):
        return variable.read()[key]
    _check_key(variable, key)
    place = _first_axis(parts, len(variable.shape))
    if place is None:
        return variable.read()[key]
    rows, within = _rows_of(parts[place], variable.shape[0])
    chosen = read_rows(variable, rows.start, rows.stop)
    within_rows = (*parts[:place], within, *parts[place + 1 :])
    return chosen[within_rows]


def _is_basic(part: Any) -> bool:
    """Whether it selects a view; bool, arrays and lists pick element by element."""
    if part is None or part is Ellipsis or isinstance(part, slice):
        return True
    # Arrays of one element have an index, too; NumPy's bool has none.
    if isinstance(part, bool) or bool(getattr(part, "ndim", 0)):
        return False
    return hasattr(part, "__index__")


def _check_key(variable: Variable, key: Any) -> None:
    """Ask NumPy, with an array of that shape and without elements."""
    import numpy as np

    try:
        like = np.broadcast_to(np.zeros((), np.uint8), variable.shape)
    except ValueError as error:
        raise UnsupportedError(
            f"found {variable.name!r} of shape {variable.shape}, which NumPy cannot hold: {error}"
        ) from None
    like[key]


def _first_axis(parts: tuple[Any, ...], rank: int) -> int | None:
    """Which part selects along the first axis; None if all of it is wanted."""
    num_indices = sum(part is not None and part is not Ellipsis for part in parts)
    for position, part in enumerate(parts):
        if part is None:
            continue
        if part is not Ellipsis:
            return position
        if num_indices < rank:
            return None
    return None


def _rows_of(part: Any, size: int) -> tuple[range, Any]:
    """The rows to read, and what selects the wanted ones among them."""
    if not isinstance(part, slice):
        row = index(part) % size
        return range(row, row + 1), 0
    wanted = range(*part.indices(size))
    if not wanted:
        return range(0), slice(0, 0)
    first, last = min(wanted[0], wanted[-1]), max(wanted[0], wanted[-1])
    return range(first, last + 1), slice(None, None, wanted.step)


def read_rows(variable: Variable, first: int, last: int) -> Array:
    """Rows `first` to `last` (not included), an array of its own."""
    if variable.dtype.itemsize is None:
        return variable.read()[first:last]
    if (first, last) == (0, variable.shape[0]):
        return variable.read()
    if variable.value is not None:
        return _rows(variable.value, first, last)
    return _rows_of_slices(variable, first, last)


def read_elements(value: TensorValue, first: int, count: int) -> Array:
    """`count` elements in row-major order from the one numbered `first`, as a flat array.

    All are read where the value cannot do better.
    """
    if isinstance(value, PartialValue):
        return value.read_elements(first, count)
    return value.read().reshape(-1)[first : first + count]


def _rows(value: TensorValue, first: int, last: int) -> Array:
    row = prod(value.shape[1:])
    elements = read_elements(value, first * row, (last - first) * row)
    return elements.reshape(last - first, *value.shape[1:])


def _rows_of_slices(variable: Variable, first: int, last: int) -> Array:
    shape = (last - first, *variable.shape[1:])
    concerned: list[tuple[VariableSlice, int, int]] = []
    for part in variable.slices:
        begin, end = part.extents[0].bounds(variable.shape[0])
        if max(begin, first) < min(end, last):
            concerned.append((part, max(begin, first), min(end, last)))
    covered = sum((end - begin) * prod(part.value.shape[1:]) for part, begin, end in concerned)
    if covered != prod(shape):
        raise FormatError(
            f"found {covered} of {prod(shape)} elements of {variable.name!r} in the files there "
            "are; the others are in a shard that is missing"
        )
    whole: Any = None
    for part, begin, end in concerned:
        start = part.extents[0].start
        rows = _rows(part.value, begin - start, end - start)
        if whole is None:
            # What the file does not hold failed before this is allocated.
            whole = _empty(variable, shape)
        place = (slice(begin - first, end - first), *_place(part, variable.shape)[1:])
        whole[place] = rows
    found: Array = _empty(variable, shape) if whole is None else whole
    return found


def _empty(variable: Variable, shape: Shape) -> Any:
    import numpy as np

    try:
        return np.empty(shape, variable.dtype.to_numpy())
    except (ValueError, MemoryError) as error:
        raise UnsupportedError(
            f"found {variable.name!r} of shape {variable.shape}, for which there is no room: "
            f"{error}"
        ) from None


def _place(part: VariableSlice, shape: Shape) -> tuple[slice, ...]:
    """A slice as NumPy indexes the whole."""
    return tuple(
        slice(*extent.bounds(size)) for extent, size in zip(part.extents, shape, strict=True)
    )


def read_slices(variable: Variable) -> Array:
    """All elements of a partitioned variable."""
    check_whole(variable)
    whole: Any = None
    # The largest first: a shape that the file does not fill fails before it is allocated.
    for part in sorted(variable.slices, key=lambda part: prod(part.value.shape), reverse=True):
        elements = part.value.read()
        if whole is None:
            whole = _empty(variable, variable.shape)
        whole[_place(part, variable.shape)] = elements
    assert whole is not None  # it has slices, or is not whole
    found: Array = whole
    return found


def rows(variable: Variable) -> Iterator[Any]:
    """The rows one after the other; of a fixed-size type some at a time are in memory.

    Checksums are compared by the time the last one was asked for.
    """
    row = prod(variable.shape[1:])
    if variable.dtype.itemsize is None or not variable.num_elements:
        yield from variable.read()
        return
    most = max(1, BLOCK // row) * row
    elements = stored_row_major(variable)
    for block in cut(elements, variable.dtype, variable.num_elements, most):
        yield from block.reshape(-1, *variable.shape[1:]).copy()
