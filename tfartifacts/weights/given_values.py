"""Values that a caller writes down, as elements of a variable's type."""

from __future__ import annotations

from typing import Any

from tfartifacts.dtypes import STRING, DType
from tfartifacts.errors import ConversionError, UnsupportedError
from tfartifacts.model.arrays import ArrayValue
from tfartifacts.model.variables import Variable


def given_value(variable: Variable, value: Any) -> ArrayValue:
    """A number, bool or text for all elements, or nested lists of them of the variable's shape.

    Raises ConversionError for another shape, and for what the type cannot hold: a fraction or too
    large a number for integers, a finite number that becomes infinite, anything but bool for bool.
    """
    import numpy as np

    dtype, shape = variable.dtype, variable.shape
    try:
        found = _array(value, dtype)
        if found.shape not in ((), shape):
            raise ConversionError(f"found values of shape {found.shape}, expected {shape}")
        array = np.broadcast_to(found, shape)
    except ConversionError as error:
        raise ConversionError(f"{error.message} (for variable {variable.name!r})") from None
    except ValueError as error:
        raise UnsupportedError(
            f"found {variable.name!r} of shape {shape}, which NumPy cannot hold: {error}"
        ) from None
    return ArrayValue(dtype, shape, array)


def _array(value: Any, dtype: DType) -> Any:
    import numpy as np

    if dtype == STRING:
        return _strings(value)
    if dtype.itemsize is None or dtype.name.startswith("complex"):
        raise ConversionError(f"found type {dtype}, for which no values can be given")
    try:
        given = np.asarray(value)
    except (ValueError, OverflowError) as error:
        raise ConversionError(f"found no array of numbers: {error}") from None
    wanted = dtype.to_numpy()
    kinds = "b" if dtype.name == "bool" else "iuf"
    if given.size and given.dtype.kind not in kinds:
        raise ConversionError(
            f"found {value!r}, expected {'true or false' if kinds == 'b' else 'numbers'}"
        )
    if kinds == "iuf" and "float" not in dtype.name and given.dtype.kind == "f":
        # Of integers NumPy makes float64 where one needs uint64, or stands beside a fraction.
        return _integers(np.array(value, object), dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        array = given.astype(wanted)
        back = array.astype(np.float64)
        if "float" in dtype.name:
            is_lost = np.isfinite(given.astype(np.float64)) & ~np.isfinite(back)
        else:
            # Through float64 an int64 would not come back: compared as Python's integers.
            is_lost = array.astype(object) != given.astype(object)
    if np.any(is_lost):
        first = np.asarray(given)[is_lost].reshape(-1)[0]
        raise ConversionError(f"found {first}, which {dtype} cannot hold")
    return array


def _integers(given: Any, dtype: DType) -> Any:
    """Python's numbers as integers of a type."""
    import numpy as np

    elements = given.reshape(-1).tolist()
    for element in elements:
        if isinstance(element, float | np.floating) and not float(element).is_integer():
            raise ConversionError(f"found {element}, which {dtype} cannot hold")
    whole = list(map(int, elements))
    wide = np.uint64 if max(whole, default=0) >= 1 << 63 else np.int64
    try:
        array = np.array(whole, wide).astype(dtype.to_numpy())
    except OverflowError:
        raise ConversionError(f"found a number that {dtype} cannot hold") from None
    for element, made in zip(whole, array.tolist(), strict=True):
        if int(made) != element:
            raise ConversionError(f"found {element}, which {dtype} cannot hold")
    return array.reshape(given.shape)


def _strings(value: Any) -> Any:
    import numpy as np

    array = np.array(value, object)
    encoded = np.empty(array.size, object)
    for position, element in enumerate(array.reshape(-1).tolist()):
        if not isinstance(element, str | bytes):
            raise ConversionError(f"found {element!r}, expected text")
        encoded[position] = element.encode() if isinstance(element, str) else element
    return encoded.reshape(array.shape)
