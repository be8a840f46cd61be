"""TensorFlow's data types: number in a file, name, bytes per element, NumPy's equivalent.

Source: tensorflow/core/framework/types.proto (numbers), tensorflow/python/framework/dtypes.py
(names). Types of less than a byte use one byte per element in a checkpoint, value in the low bits
(tensor_bundle.cc, as written by TensorFlow 2.21). A reference type is its base plus 100.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfartifacts.errors import ConversionError, FormatError
from tfartifacts.records import dataclass

if TYPE_CHECKING:
    import numpy as np

REFERENCE_OFFSET = 100


@dataclass(frozen=True, slots=True)
class DType:
    """One of TensorFlow's data types.

    `itemsize` is in bytes as stored in a checkpoint; None for string, resource and variant, whose
    elements have no fixed size. `str(dtype)` is TensorFlow's name, such as `float32`.
    """

    number: int
    name: str
    itemsize: int | None
    numpy_name: str
    is_reference: bool = False

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<DType {self.name}>"

    @property
    def base(self) -> DType:
        """The same type without reference: `float32` for `float32_ref`."""
        return _BY_NUMBER[self.number - REFERENCE_OFFSET] if self.is_reference else self

    @property
    def bits(self) -> int | None:
        """Significant bits of an element: 4 for int4, though it is stored in a byte."""
        narrow = {"int4": 4, "uint4": 4, "int2": 2, "uint2": 2, "float4_e2m1fn": 4}
        if self.itemsize is None:
            return None
        return narrow.get(self.name, self.itemsize * 8)

    def to_numpy(self) -> np.dtype[Any]:
        """NumPy's type of an element (ml_dtypes' where NumPy has none; object for strings)."""
        import numpy as np

        if self.numpy_name in _FROM_ML_DTYPES:
            import ml_dtypes

            dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, self.numpy_name))
            return dtype
        return np.dtype(self.numpy_name)


_FROM_ML_DTYPES = frozenset(
    "bfloat16 float8_e5m2 float8_e4m3fn float8_e4m3fnuz float8_e4m3b11fnuz float8_e5m2fnuz "
    "int4 uint4 int2 uint2 float4_e2m1fn".split()
)

# number, name, bytes per element, NumPy's name where it differs
_TABLE: tuple[tuple[int, str, int | None, str], ...] = (
    (1, "float32", 4, ""),
    (2, "float64", 8, ""),
    (3, "int32", 4, ""),
    (4, "uint8", 1, ""),
    (5, "int16", 2, ""),
    (6, "int8", 1, ""),
    (7, "string", None, "object"),
    (8, "complex64", 8, ""),
    (9, "int64", 8, ""),
    (10, "bool", 1, ""),
    (11, "qint8", 1, "int8"),
    (12, "quint8", 1, "uint8"),
    (13, "qint32", 4, "int32"),
    (14, "bfloat16", 2, ""),
    (15, "qint16", 2, "int16"),
    (16, "quint16", 2, "uint16"),
    (17, "uint16", 2, ""),
    (18, "complex128", 16, ""),
    (19, "float16", 2, ""),
    (20, "resource", None, "object"),
    (21, "variant", None, "object"),
    (22, "uint32", 4, ""),
    (23, "uint64", 8, ""),
    (24, "float8_e5m2", 1, ""),
    (25, "float8_e4m3fn", 1, ""),
    (26, "float8_e4m3fnuz", 1, ""),
    (27, "float8_e4m3b11fnuz", 1, ""),
    (28, "float8_e5m2fnuz", 1, ""),
    (29, "int4", 1, ""),
    (30, "uint4", 1, ""),
    (31, "int2", 1, ""),
    (32, "uint2", 1, ""),
    (33, "float4_e2m1fn", 1, ""),
)

_BY_NUMBER: dict[int, DType] = {}
for _number, _name, _itemsize, _numpy_name in _TABLE:
    _BY_NUMBER[_number] = DType(_number, _name, _itemsize, _numpy_name or _name)
    _BY_NUMBER[_number + REFERENCE_OFFSET] = DType(
        _number + REFERENCE_OFFSET, _name + "_ref", _itemsize, _numpy_name or _name, True
    )

_BY_NAME: dict[str, DType] = {dtype.name: dtype for dtype in _BY_NUMBER.values()}
_BY_NAME["half"] = _BY_NAME["float16"]
_BY_NAME["float"] = _BY_NAME["float32"]
_BY_NAME["double"] = _BY_NAME["float64"]

STRING = _BY_NUMBER[7]
VARIANT = _BY_NUMBER[21]


def dtype_from_number(number: int) -> DType:
    """The type with that number in types.proto.

    Raises FormatError where TensorFlow 2.21 has none.
    """
    dtype = _BY_NUMBER.get(number)
    if dtype is None:
        raise FormatError(f"found data type number {number}, expected one TensorFlow 2.21 knows")
    return dtype


def dtype_from_name(name: str) -> DType:
    """The type with TensorFlow's name, such as `float32`, `string` or `float32_ref`.

    Raises FormatError for any other name.
    """
    dtype = _BY_NAME.get(name)
    if dtype is None:
        raise FormatError(f"found data type {name!r}, expected TensorFlow's name of one")
    return dtype


def dtype_from_numpy(dtype: np.dtype[Any]) -> DType:
    """The type of fixed-size elements that NumPy (or ml_dtypes) holds so, in any byte order.

    A quantized type is held as an integer, and taken for one. Raises ConversionError for what
    TensorFlow has no type of, such as datetime64, longdouble and structured types.
    """
    found = _BY_NAME.get(dtype.name)
    if found is None or found.numpy_name != dtype.name or found.itemsize is None:
        raise ConversionError(f"found NumPy's type {dtype}, of which TensorFlow has none")
    if found.to_numpy() != dtype.newbyteorder("="):
        raise ConversionError(f"found another type that calls itself {dtype}, expected ml_dtypes'")
    return found


def all_dtypes() -> tuple[DType, ...]:
    """Every type that is not a reference, by number."""
    return tuple(dtype for dtype in _BY_NUMBER.values() if not dtype.is_reference)
