"""How two arrays differ, bit for bit."""

from __future__ import annotations

from typing import Any

from tfartifacts.records import dataclass


@dataclass(frozen=True, slots=True)
class OutputComparison:
    """One output of one signature, in the source and in the result.

    `dtype` and `shape` are the source's, `result_dtype` and `result_shape` the result's.
    `num_different` counts elements whose bytes differ, all of them where type or shape do;
    `num_nan` are those of them that are NaN in both, with other bits. `largest_difference` is the
    largest distance of two numbers, 0.0 where only the sign of a zero differs, None where there
    is none (strings, NaN, other shapes). `repeatable`: the source gives the same when it is run
    once more, without which a difference says nothing of the result.
    """

    signature: str
    key: str
    tensor: str
    dtype: str
    shape: tuple[int, ...]
    num_elements: int
    num_different: int
    largest_difference: float | None
    result_dtype: str
    result_shape: tuple[int, ...]
    num_nan: int = 0
    repeatable: bool = True

    @property
    def equal(self) -> bool:
        return self.num_different == 0


def compared(signature: str, key: str, tensor: str, one: Any, other: Any) -> OutputComparison:
    """The comparison of the source's output with the result's."""
    import numpy as np

    def row(different: int, largest: float | None = None, both_nan: int = 0) -> OutputComparison:
        return OutputComparison(
            signature,
            key,
            tensor,
            _name(one),
            one.shape,
            one.size,
            different,
            largest,
            _name(other),
            other.shape,
            both_nan,
        )

    if one.shape != other.shape or one.dtype != other.dtype:
        return row(max(one.size, other.size, 1))
    if one.dtype == object:
        return row(sum(a != b for a, b in zip(one.ravel(), other.ravel(), strict=True)))
    unlike = (_bytes(one) != _bytes(other)).any(axis=1)
    different = int(unlike.sum())
    if not different:
        return row(0, 0.0)
    wide = np.complex128 if one.dtype.kind == "c" else np.float64
    first, second = (array.reshape(-1)[unlike].astype(wide) for array in (one, other))
    with np.errstate(all="ignore"):
        distance = np.abs(first - second)
    numbers = distance[~np.isnan(distance)]
    return row(
        different,
        float(numbers.max()) if numbers.size else None,
        int((np.isnan(first) & np.isnan(second)).sum()),
    )


def _name(array: Any) -> str:
    return "string" if array.dtype == object else str(array.dtype)


def _bytes(array: Any) -> Any:
    """The bytes of each element, a row each."""
    import numpy as np

    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint8).reshape(flat.size, array.dtype.itemsize)
