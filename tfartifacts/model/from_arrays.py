"""A checkpoint of arrays: what NumPy holds, as variables that TensorFlow can have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tfartifacts.dtypes import STRING, DType, all_dtypes, dtype_from_name, dtype_from_numpy
from tfartifacts.errors import ConversionError, FormatError, name_not_found
from tfartifacts.model.arrays import ArrayValue, BlockValue
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.values import DTypeLike, Shape
from tfartifacts.model.variables import Variable, Variables
from tfartifacts.records import dataclass

if TYPE_CHECKING:
    import numpy as np

    from tfartifacts.model.values import Array

_QUANTIZED = frozenset(
    dtype.name for dtype in all_dtypes() if dtype.itemsize and dtype.numpy_name != dtype.name
)


def checkpoint_from_arrays(
    arrays: Mapping[str, Any],
    *,
    path: str = "model.ckpt",
    step: int | None = None,
    dtypes: Mapping[str, DTypeLike] | None = None,
) -> Checkpoint:
    """See Checkpoint.from_arrays."""
    if step is not None and step < 0:
        raise ConversionError(f"found step {step}, expected 0 or more")
    given = dtypes or {}
    for name in given:
        if name not in arrays:
            raise name_not_found("array", name, filter(_is_text, arrays))
    made = [variable_from_array(name, array, given.get(name)) for name, array in arrays.items()]
    made.sort(key=lambda variable: variable.name.encode("utf-8", "surrogateescape"))
    return Checkpoint(
        path if step is None else f"{path}-{step}",
        "V2",
        1,
        Variables((variable.name, variable) for variable in made),
    )


def _is_text(name: object) -> bool:
    return isinstance(name, str)


def variable_from_array(name: str, array: Any, dtype: DTypeLike | None = None) -> Variable:
    """A variable of that name with the elements of an array, or of another variable.

    Raises ConversionError, which names the variable, for what no checkpoint can hold.
    """
    check_name(name)
    try:
        wanted = None if dtype is None else storable_dtype(dtype)
        if isinstance(array, Variable):
            if wanted not in (None, array.dtype):
                raise ConversionError(f"found {array.dtype}, expected {wanted}")
            return Variable(str(name), array.dtype, array.shape, array.value, array.slices)
        value = array_value(array, wanted)
    except ConversionError as error:
        error.message += f" (in variable {name!r})"
        raise
    return Variable(str(name), value.dtype, value.shape, value)


def variable_from_blocks(
    name: str, dtype: DTypeLike, shape: Shape, blocks: Iterable[Any]
) -> Variable:
    """A variable whose elements come in row-major order as arrays of any size, once.

    Raises as variable_from_array; whether the blocks fit is told when they are asked for.
    """
    check_name(name)
    wanted = storable_dtype(dtype)
    return Variable(str(name), wanted, shape, _Blocks(wanted, shape, blocks))


@dataclass(frozen=True, slots=True)
class _Blocks(BlockValue):
    """Elements that come once."""

    dtype: DType
    shape: Shape
    given: Iterable[Any]

    def blocks(self) -> Iterator[Array]:
        for block in self.given:
            yield array_value(block, self.dtype).array


def check_name(name: object) -> None:
    """Raise ConversionError for what cannot be a variable's name in a checkpoint."""
    if not isinstance(name, str):
        raise ConversionError(f"found {name!r} as the name of a variable, expected a str")
    if not name:
        raise ConversionError("found a variable without a name, expected one")
    if name.startswith("\0"):
        raise ConversionError(
            f"found a NUL byte at the start of the name {name!r}, where only keys of slices have it"
        )
    try:
        name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ConversionError(f"found the name {name!r}, which UTF-8 cannot hold") from None


def storable_dtype(dtype: DTypeLike) -> DType:
    """The type of that name. Raises ConversionError where no array holds it."""
    try:
        found = dtype if isinstance(dtype, DType) else dtype_from_name(dtype)
    except FormatError as error:
        raise ConversionError(error.message) from None
    if found.is_reference or (found.itemsize is None and found != STRING):
        raise ConversionError(f"found type {found}, which arrays do not hold")
    return found


def array_value(array: Any, dtype: DType | None = None) -> ArrayValue:
    """An array, or what NumPy makes one of, as a value; `dtype` where NumPy has no type of it.

    An array that is in native byte order is not copied, whatever its layout. Raises
    ConversionError for a type that TensorFlow does not have.
    """
    import numpy as np

    if isinstance(array, np.ma.MaskedArray):
        raise ConversionError("found a masked array, expected one whose elements are all there")
    elements = _as_array(array)
    if dtype is not None and not elements.size and not isinstance(array, np.ndarray):
        # An empty list is a list of anything.
        return ArrayValue(dtype, elements.shape, elements.astype(dtype.to_numpy()))
    if elements.dtype.kind in "OSUT":
        found = STRING
        elements = _strings(elements)
    else:
        found, elements = _numbers(elements)
    if dtype is not None and dtype != found:
        # A quantized type is known to NumPy only as the integer that it is stored in.
        if dtype.numpy_name != found.numpy_name:
            wanted = dtype.numpy_name if dtype.name in _QUANTIZED else dtype
            raise ConversionError(f"found an array of {found}, expected {wanted}")
        found = dtype
    return ArrayValue(found, elements.shape, elements)


def _as_array(array: Any) -> np.ndarray[Any, Any]:
    import numpy as np

    if isinstance(array, np.ndarray):
        return np.asarray(array)
    try:
        # NumPy would cut zeros from the ends of bytes, and make text of numbers beside text.
        found = np.asarray(array, object) if isinstance(array, bytes | str) else np.asarray(array)
        return np.array(array, object) if found.dtype.kind in "SU" else found
    except (ValueError, TypeError, OverflowError) as error:
        raise ConversionError(f"found what NumPy makes no array of: {error}") from None


def _strings(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same shape with bytes as elements; text as UTF-8."""
    import numpy as np

    elements = np.empty(array.size, object)
    for position, element in enumerate(array.reshape(-1).tolist()):
        if isinstance(element, bytes):
            elements[position] = bytes(element)
        elif isinstance(element, str):
            try:
                elements[position] = element.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError:
                raise ConversionError(
                    f"found the text {element!r}, which UTF-8 cannot hold"
                ) from None
        else:
            raise ConversionError(
                f"found an element of type {type(element).__name__} in an array of objects, "
                "expected bytes or str"
            )
    shaped: np.ndarray[Any, Any] = elements.reshape(array.shape)
    return shaped


def _numbers(array: np.ndarray[Any, Any]) -> tuple[DType, np.ndarray[Any, Any]]:
    names = array.dtype.names
    if names is not None and len(names) == 1 and names[0] in _QUANTIZED:
        # TensorFlow's own type in NumPy of a quantized one: a field of that name.
        array = array[names[0]]
        found = storable_dtype(names[0])
        if array.dtype != found.to_numpy():
            raise ConversionError(f"found {array.dtype} as {found}, expected {found.numpy_name}")
        return found, array
    return dtype_from_numpy(array.dtype), array.astype(array.dtype.newbyteorder("="), copy=False)
