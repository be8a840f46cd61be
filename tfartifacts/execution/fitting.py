"""A value in the type and shape of the input it is for.

    float64 -> float32       any float to any other, unless what was finite would not be
    int64   -> float32       any integer to any float
    int64   -> int8          where every value fits
    float32 -> complex64     as real parts

Everything else is refused: floats for integers, numbers for bools, numbers for strings.
"""

from __future__ import annotations

from typing import Any

from tfartifacts.errors import ConversionError
from tfartifacts.execution.json_values import shortened
from tfartifacts.model.graphs import TensorInfo

_INTEGERS_OF_ML_DTYPES = ("int4", "uint4", "int2", "uint2")


def fitting(value: Any, info: TensorInfo, shown: str) -> Any:
    """The value as the input takes it. Raises ConversionError where type or shape do not fit.

    `shown` is what the caller wrote for the value.
    """
    import numpy as np

    value = np.asarray(value)
    there = value.dtype
    if info.dtype is not None:
        if info.dtype.name in ("resource", "variant"):
            raise ConversionError(f"{info.name} takes a {info.dtype}, which no value is")
        value = _cast(value, info, shown)
    shape = info.shape
    if shape is not None and (
        len(shape) != value.ndim
        or any(size not in (None, found) for size, found in zip(shape, value.shape, strict=True))
    ):
        raise ConversionError(
            f"found shape {value.shape} ({there}) in {shortened(shown)}, expected {info}"
        )
    return value


def _cast(value: Any, info: TensorInfo, shown: str) -> Any:
    import numpy as np

    assert info.dtype is not None  # the caller looked
    if info.dtype.name == "string":
        return _bytes(value, info, shown)
    wanted = info.dtype.base.to_numpy()
    if value.dtype == wanted:
        return value
    kind, wanted_kind = _kind(value.dtype), _kind(wanted)
    if value.dtype.type is np.void:
        # NumPy's files have no name for bfloat16, float8 and the like: two bytes, one byte.
        if wanted.isbuiltin == 1 or value.dtype.itemsize != wanted.itemsize:
            raise _other_type(value, info, shown)
        return value.view(wanted)
    if wanted_kind == "integer" and kind == "integer":
        return _whole(value, wanted, info, shown)
    if (wanted_kind, kind) in _CASTS:
        with np.errstate(all="ignore"):
            cast = value.astype(wanted)
        _refuse_loss(value, cast, info, shown)
        return cast
    raise _other_type(value, info, shown)


# To a type, from a type, however wide.
_CASTS = frozenset(
    {
        ("float", "float"),
        ("float", "integer"),
        ("complex", "complex"),
        ("complex", "float"),
        ("complex", "integer"),
    }
)


def _kind(dtype: Any) -> str:
    if dtype.kind in "iu" or dtype.name in _INTEGERS_OF_ML_DTYPES:
        return "integer"
    # ml_dtypes' floats are of kind "V" to NumPy.
    return {"f": "float", "V": "float", "c": "complex", "b": "bool"}.get(dtype.kind, "other")


def _other_type(value: Any, info: TensorInfo, shown: str) -> ConversionError:
    return ConversionError(f"found {value.dtype} in {shortened(shown)}, expected {info}")


def _whole(value: Any, wanted: Any, info: TensorInfo, shown: str) -> Any:
    import ml_dtypes

    if value.size:
        limits: Any = ml_dtypes.iinfo(wanted)  # type: ignore[no-untyped-call]
        low, high = int(value.min()), int(value.max())
        if low < limits.min or high > limits.max:
            outside = low if low < limits.min else high
            raise ConversionError(
                f"found {outside} in {shortened(shown)}, expected {info}: {limits.min} to "
                f"{limits.max}"
            )
    return value.astype(wanted)


def _refuse_loss(value: Any, cast: Any, info: TensorInfo, shown: str) -> None:
    """Refuse a cast that made something else of a number than a rounded one."""
    import numpy as np

    wide = np.complex128 if cast.dtype.kind == "c" else np.float64
    before = value if value.dtype.kind in "iufc" else value.astype(np.float64)
    after = cast if cast.dtype.kind in "fc" else cast.astype(wide)
    lost = np.isfinite(before) != np.isfinite(after)
    if not np.isfinite(before).all():
        # A type without an infinity makes NaN of one, and one without NaN a number.
        lost |= np.isnan(before) != np.isnan(after)
    if lost.any():
        first = before.ravel()[int(np.argmax(lost.ravel()))]
        raise ConversionError(
            f"found {first.item()} in {shortened(shown)}, expected {info}, which cannot hold it"
        )


def _bytes(value: Any, info: TensorInfo, shown: str) -> Any:
    import numpy as np

    if value.dtype.kind == "U":
        array = np.empty(value.shape, object)
        try:
            array.reshape(-1)[:] = [
                text.encode("utf-8", "surrogateescape") for text in value.ravel().tolist()
            ]
        except ValueError as error:
            raise ConversionError(f"found what is no text in {shortened(shown)}: {error}") from None
        return array
    if value.dtype.kind == "S":
        return value.astype(object)
    if value.dtype != object or not all(isinstance(item, bytes) for item in value.ravel()):
        raise _other_type(value, info, shown)
    return value
