"""Numbers as another floating type, bit for bit as tf.cast of TensorFlow 2.21 makes them on a CPU.

    to        from                      how
    float16   float32, bfloat16         nearest, ties to even; a NaN keeps its high bits, quieted
              float64                   through float32: rounded twice
    bfloat16  float32                   nearest, ties to even; every NaN becomes 0x7fc0
              float16, float64          through float32; a NaN becomes quiet and keeps its sign
    float32   bfloat16                  the bits, a NaN as it is
              float16                   exact; a NaN quieted
              float64                   nearest, ties to even; what would be subnormal becomes 0
    float64   float32, bfloat16         exact, but subnormal numbers become 0
              float16                   exact; a NaN quieted

Integers, bool, float8_e5m2 and float8_e4m3fn are rounded as NumPy and ml_dtypes round. Zeros keep
their sign. What is too large becomes infinite.

TensorFlow's kernels run with subnormal numbers off (port::ScopedFlushDenormal), where NumPy's do
not; the last few elements of a tensor, which go through no vector instruction, keep the sign of a
NaN from float32 to bfloat16: here all are as the others. TensorFlow 1.15 differs in bits of NaN.
TensorFlow casts no other types of 8 bits and less. Source: core/kernels/cast_op.cc, Eigen's
BFloat16.h and Half.h; found by comparing all 16-bit numbers, see tests/test_casts.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tfartifacts.dtypes import DType, dtype_from_name
from tfartifacts.errors import ConversionError, FormatError
from tfartifacts.model.arrays import BlockValue
from tfartifacts.model.values import Shape, TensorValue
from tfartifacts.records import dataclass, field
from tfartifacts.weights.blocks import blocks

if TYPE_CHECKING:
    from tfartifacts.model.values import Array

TARGETS = ("float16", "bfloat16", "float32", "float64")
_FLOAT8 = frozenset({"float8_e5m2", "float8_e4m3fn"})
FLOATS = frozenset(TARGETS) | _FLOAT8
SOURCES = FLOATS | frozenset("bool int8 int16 int32 int64 uint8 uint16 uint32 uint64".split())

# Below this, rounding to float32 gives a subnormal number, or 0: half of the last place under the
# least normal number, where ties go up to it.
_LEAST_ROUNDED_TO_NORMAL = 2.0**-126 - 2.0**-151
_LEAST_NORMAL = 2.0**-126


def target_dtype(name: str) -> DType:
    """The type to cast to. Raises ConversionError for one that is none of TARGETS."""
    try:
        dtype = dtype_from_name(name)
    except FormatError:
        dtype = None
    if dtype is None or dtype.name not in TARGETS:
        raise ConversionError(
            f"found type {name!r} to cast to, expected one of {', '.join(TARGETS)}"
        )
    return dtype


@dataclass(frozen=True, slots=True)
class CastValue(BlockValue):
    """The elements of a value as another type, cast as they are read.

    `num_overflowed` counts the finite numbers that became infinite, of the last time that all
    were gone through (by `save`, say); None before.
    """

    value: TensorValue
    dtype: DType
    counts: list[int] = field(default_factory=list, compare=False, repr=False)

    @property
    def shape(self) -> Shape:
        return self.value.shape

    @property
    def num_overflowed(self) -> int | None:
        return self.counts[-1] if self.counts else None

    def blocks(self) -> Iterator[Array]:
        overflowed = 0
        for block in blocks(self.value):
            made, count = cast(block, self.value.dtype, self.dtype)
            overflowed += count
            yield made
        self.counts[:] = [overflowed]


def cast(array: Any, source: DType, target: DType) -> tuple[Any, int]:
    """An array of SOURCES as one of TARGETS, and how many finite elements became infinite."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        made = _CASTS[target.name](array, source.name)
        num_infinite = int(np.count_nonzero(np.isinf(made)))
        if num_infinite and source.name in FLOATS:
            num_infinite -= int(np.count_nonzero(np.isinf(array)))
    return made, num_infinite


def _to_float32(array: Any, source: str) -> Any:
    import numpy as np

    if source == "float32":
        return array
    if source == "bfloat16":
        return (array.view(np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)
    made = array.astype(np.float32)
    if source == "float64":
        is_tiny = np.abs(array) < _LEAST_ROUNDED_TO_NORMAL
        if is_tiny.any():
            made[is_tiny] = np.copysign(np.float32(0), made[is_tiny])
    if source in ("float16", "float64"):
        _quiet(made, array, 0x400000)
    return made


def _to_float64(array: Any, source: str) -> Any:
    import numpy as np

    if source not in ("float32", "bfloat16", "float16"):
        return array.astype(np.float64)
    single = _to_float32(array, source)
    made = single.astype(np.float64)
    if source != "float16":
        is_tiny = np.abs(made) < _LEAST_NORMAL
        if is_tiny.any():
            made[is_tiny] = np.copysign(0.0, made[is_tiny])
    _quiet(made, array, 0x8000000000000)
    return made


def _to_float16(array: Any, source: str) -> Any:
    import numpy as np

    if source not in ("float32", "bfloat16", "float64"):
        return array.astype(np.float16)
    single = _to_float32(array, source)
    made = single.astype(np.float16)
    is_nan = np.isnan(single)
    if is_nan.any():
        # The sign, all exponent bits and the highest fraction bit, then the next nine of it.
        bits = single.view(np.uint32)[is_nan]
        kept = (bits >> np.uint32(16) & np.uint32(0x8000)) | (
            bits >> np.uint32(13) & np.uint32(0x1FF)
        )
        made.view(np.uint16)[is_nan] = (kept | np.uint32(0x7E00)).astype(np.uint16)
    return made


def _to_bfloat16(array: Any, source: str) -> Any:
    import ml_dtypes
    import numpy as np

    if source not in ("float32", "float16", "float64"):
        return array.astype(ml_dtypes.bfloat16)
    # Rounded on its bits, several times as fast as ml_dtypes does.
    bits = _to_float32(array, source).view(np.uint32)
    rounded = bits >> np.uint32(16)
    rounded &= np.uint32(1)
    rounded += bits
    rounded += np.uint32(0x7FFF)
    rounded >>= np.uint32(16)
    made = rounded.astype(np.uint16)
    is_nan = np.isnan(array)
    if is_nan.any():
        sign = np.uint32(0 if source == "float32" else 0x8000)
        signs = bits[is_nan] >> np.uint32(16) & sign
        made[is_nan] = (signs | np.uint32(0x7FC0)).astype(np.uint16)
    return made.view(ml_dtypes.bfloat16)


_CASTS = {
    "float16": _to_float16,
    "bfloat16": _to_bfloat16,
    "float32": _to_float32,
    "float64": _to_float64,
}


def _quiet(made: Any, array: Any, bit: int) -> None:
    """Set the bit that makes NaN quiet; whether NumPy does depends on the machine."""
    import numpy as np

    is_nan = np.isnan(array)
    if is_nan.any():
        unsigned = made.view(f"u{made.dtype.itemsize}")
        unsigned[is_nan] |= np.array(bit, unsigned.dtype)
