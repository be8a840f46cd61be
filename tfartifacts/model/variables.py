"""A variable: one named entry of a checkpoint, stored whole or in slices.

What reads parts or shows tables is imported when it is used: listing names should start fast.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any

from tfartifacts.dtypes import DType
from tfartifacts.errors import FormatError
from tfartifacts.model.unread import ValueReadLater, ValueSource
from tfartifacts.model.values import MappableValue, Shape, TensorValue
from tfartifacts.records import dataclass

if TYPE_CHECKING:
    from tfartifacts.model.values import Array


@dataclass(frozen=True, slots=True)
class Extent:
    """The part of one dimension that a slice covers.

    `length` None means the whole dimension (tensor_slice.proto: an extent without length).
    """

    start: int = 0
    length: int | None = None

    def bounds(self, dimension: int) -> tuple[int, int]:
        """First and one past the last index covered, for a dimension of that size."""
        if self.length is None:
            return 0, dimension
        return self.start, self.start + self.length

    def __str__(self) -> str:
        """As in a shape_and_slice string: `0,2`, or `-` for the whole dimension."""
        return "-" if self.length is None else f"{self.start},{self.length}"


@dataclass(frozen=True, slots=True)
class VariableSlice:
    """A stored part of a partitioned variable: one extent for each dimension."""

    extents: tuple[Extent, ...]
    value: TensorValue

    def __str__(self) -> str:
        return ":".join(str(extent) for extent in self.extents)


@dataclass(frozen=True, slots=True)
class Variable(ValueReadLater):
    """A checkpoint's entry: a name, a type, a shape, and elements that are read when asked for.

    `value` holds the elements; a partitioned variable has None there and its parts in `slices`,
    which together cover `shape` without overlap.
    """

    name: str
    dtype: DType
    shape: Shape
    value: TensorValue | None
    slices: tuple[VariableSlice, ...] = ()

    @property
    def num_elements(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes as stored in a V2 checkpoint (strings: with their lengths), all slices together."""
        if self.value is not None:
            return self.value.nbytes
        return sum(value.nbytes for value in self.values)

    @property
    def values(self) -> tuple[TensorValue, ...]:
        """The stored pieces: one, or one for each slice."""
        if self.value is not None:
            return (self.value,)
        return tuple(part.value for part in self.slices)

    @property
    def shard(self) -> int | None:
        """The shard it lies in; None if its slices lie in several, or it is in no data file."""
        if self.value is not None:
            location = self.value.location
            return None if location is None else location.shard
        shards = {value.location.shard for value in self.values if value.location is not None}
        return shards.pop() if len(shards) == 1 else None

    def read(self) -> Array:
        """All elements as an array of `shape`; opens the file now and checks its checksum.

        Strings and variants come as an object array of bytes, bfloat16, float8 and the types of
        less than a byte as ml_dtypes', quantized types as the integers they are stored in.

        Raises ChecksumError for damage, FormatError for a data file that is too short,
        PathNotFoundError where it is missing.
        """
        if self.value is not None:
            return self.value.read()
        from tfartifacts.model.slicing import read_slices

        return read_slices(self)

    def view(self, *, check: bool = True) -> Array:
        """All elements as a read-only array of `shape`, which is the file itself (mmap): no copy.

        Where the file does not have them as NumPy does, it is a copy, read-only too: strings,
        slices, types of less than a byte, another byte order, a place in the file that the type
        cannot have in memory, V1 checkpoints. The checksum is compared now, which reads the file;
        with `check` False it is not, where nothing is copied, and pages are read when they are
        touched. Do not shorten or rewrite the file in place while a view is in use: what it holds
        changes, or the process ends. Replacing or removing it does no harm.

        Raises as `read`.
        """
        if isinstance(self.value, MappableValue):
            return self.value.view(check=check)
        array = self.read()
        array.flags.writeable = False
        return array

    def __getitem__(self, key: Any) -> Any:
        """As NumPy indexes, reading only the rows along the first axis that are needed.

        Of a part the checksum cannot be compared; of all rows, and of strings, which are read
        whole, it is. An index array or a mask reads the whole. Raises IndexError, and as `read`.
        """
        from tfartifacts.model.slicing import select

        return select(self, key)

    def __len__(self) -> int:
        """The size of the first axis."""
        if not self.shape:
            raise TypeError(f"variable {self.name!r} is a scalar, which has no length")
        return self.shape[0]

    def __bool__(self) -> bool:
        """True: that there is a variable, whatever is in it."""
        return True

    def __iter__(self) -> Iterator[Any]:
        """The rows along the first axis, some at a time in memory.

        Checksums are compared where slices end, the last one by the end.
        """
        if not self.shape:
            raise TypeError(f"variable {self.name!r} is a scalar, over which nobody can iterate")
        from tfartifacts.model.slicing import rows

        return rows(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """For `numpy.asarray(variable)`: all elements, as `read` gives them."""
        if copy is False:
            raise ValueError(
                f"variable {self.name!r} is read from a file, which is never without a copy"
            )
        array = self.read()
        return array if dtype is None else array.astype(dtype, copy=False)

    def _repr_html_(self) -> str:
        from tfartifacts.model.notebooks import variable_table

        return variable_table([self])


class VariableDraft(ValueReadLater):
    """A Variable that is being made, of which there may be a million.

    A frozen dataclass sets each of its fields by a call, which takes four times as long; this one
    has the same fields, not frozen, and turns into a Variable by `draft.__class__ = Variable`. Its
    value is what `source` makes of `head` and `entry` when it is asked for.
    """

    __slots__ = Variable.__slots__

    def __init__(
        self,
        name: str,
        dtype: DType,
        shape: Shape,
        source: ValueSource,
        head: object,
        entry: bytes,
    ) -> None:
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.slices = ()
        self._source = source
        self._head = head
        self._entry = entry


class Variables(dict[str, Variable]):
    """Variables by name, shown as a table in notebooks."""

    def _repr_html_(self) -> str:
        from tfartifacts.model.notebooks import variable_table

        return variable_table(self.values(), len(self))


def parse_shape_and_slice(text: str) -> tuple[Shape | None, tuple[Extent, ...] | None]:
    """`"4 3 0,2:-"` as ((4, 3), extents); "" (the whole tensor) as (None, None).

    Raises FormatError for anything else. Source: checkpoint_utils in
    tensorflow/core/kernels/save_restore_tensor.cc, ParseShapeAndSlice.
    """
    if not text:
        return None, None
    *sizes, spec = text.split(" ")
    try:
        shape = tuple(int(size) for size in sizes)
        extents = tuple(_parse_extent(part) for part in spec.split(":"))
    except ValueError:
        raise FormatError(f"found {text!r}, expected a shape and slice") from None
    if len(extents) != len(shape):
        raise FormatError(f"found {text!r}, expected as many extents as sizes")
    return shape, extents


def _parse_extent(text: str) -> Extent:
    if text == "-":
        return Extent()
    start, length = text.split(",")
    return Extent(int(start), int(length))
