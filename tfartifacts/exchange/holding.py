"""Which types of other formats hold the values of TensorFlow's, and the bytes of their elements.

A type is held by one that has the same values, so that whoever reads it sees the right numbers:

    qint8 int4 int2        int8      quint8 uint4 uint2   uint8
    qint16                 int16     quint16              uint16
    qint32                 int32     every other type     itself

Of int4 and int2 a checkpoint has the low bits of a byte, int8 the sign as well. Which of them it
was stands beside the data, in a form that each format's module describes: read again, the types
come back. All elements are little-endian, in row-major order, and one byte or more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from tfartifacts.dtypes import DType, dtype_from_name
from tfartifacts.errors import FormatError
from tfartifacts.model.values import Buffer

_HOLDERS = {
    "qint8": "int8",
    "int4": "int8",
    "int2": "int8",
    "quint8": "uint8",
    "uint4": "uint8",
    "uint2": "uint8",
    "qint16": "int16",
    "quint16": "uint16",
    "qint32": "int32",
}

# NumPy's own types, of which `descr` in a .npy file is enough (numpy/lib/format.py).
_NUMPY = {
    "float16": "<f2",
    "float32": "<f4",
    "float64": "<f8",
    "complex64": "<c8",
    "complex128": "<c16",
    "int8": "|i1",
    "int16": "<i2",
    "int32": "<i4",
    "int64": "<i8",
    "uint8": "|u1",
    "uint16": "<u2",
    "uint32": "<u4",
    "uint64": "<u8",
    "bool": "|b1",
}


def holder(dtype: DType) -> DType:
    """The type, most often the same, that holds its values elsewhere."""
    return dtype_from_name(_HOLDERS.get(dtype.name, dtype.name))


def numpy_descr(dtype: DType) -> str:
    """What a .npy file says of the elements: NumPy's own type, or void where it has none.

    That is what `numpy.save` writes for the types of ml_dtypes: `.view(ml_dtypes.bfloat16)` turns
    what `numpy.load` gives back into numbers.
    """
    return _NUMPY.get(holder(dtype).name, f"|V{dtype.itemsize}")


def is_told_by_numpy(dtype: DType) -> bool:
    """Whether `descr` alone tells the type."""
    return dtype.name in _NUMPY


def dtype_of_descr(descr: str) -> DType | None:
    """NumPy's own type that has this `descr` in little-endian; None for any other."""
    return next((dtype_from_name(name) for name, text in _NUMPY.items() if text == descr), None)


def refuse_other_holder(dtype: DType, found: str, name: str) -> None:
    """Raise FormatError unless `found`, a type in a file, holds the type that it is said to be."""
    if found != numpy_descr(dtype):
        raise FormatError(
            f"found elements {found!r} said to be {dtype}, expected {numpy_descr(dtype)!r} (in "
            f"tensor {name!r})"
        )


# --- bytes ----------------------------------------------------------------------------------------


def to_holder(pieces: Iterable[Buffer], dtype: DType) -> Iterator[Buffer]:
    """Elements as a checkpoint stores them, as their holder's.

    Raises FormatError for a bool other than 0 and 1, and for bits that the type does not have.
    """
    allowed = _stored_values(dtype)
    if allowed is None:
        return iter(pieces)
    return _translated(pieces, dtype, allowed, _held_values(dtype))


def from_holder(pieces: Iterable[Buffer], dtype: DType) -> Iterator[Buffer]:
    """The other way. Raises FormatError for a number that the type cannot have."""
    stored = _stored_values(dtype)
    if stored is None:
        return iter(pieces)
    return _translated(pieces, dtype, _held_values(dtype), stored)


def _translated(
    pieces: Iterable[Buffer], dtype: DType, allowed: bytes, meaning: bytes
) -> Iterator[Buffer]:
    table = None if allowed == meaning else bytes.maketrans(allowed, meaning)
    for piece in pieces:
        data = bytes(piece)
        if odd := data.translate(None, allowed):
            raise FormatError(f"found the byte {odd[0]} as an element, which no {dtype} is")
        yield data if table is None else data.translate(table)


@lru_cache(maxsize=32)
def _stored_values(dtype: DType) -> bytes | None:
    """The bytes that an element can be in a checkpoint; None for any."""
    bits = 1 if dtype.name == "bool" else dtype.bits
    return None if bits is None or bits >= 8 else bytes(range(1 << bits))


@lru_cache(maxsize=32)
def _held_values(dtype: DType) -> bytes:
    """The same as their holder's, in the same order."""
    stored = _stored_values(dtype) or b""
    if dtype.name not in ("int2", "int4"):
        return stored
    half = len(stored) // 2
    return bytes(value if value < half else value + 256 - len(stored) for value in stored)
