"""A .npy file: a header of NumPy's and the elements of one array.

    file   : "\\x93NUMPY" major:u8 minor:u8 size:u16 (version 1) or u32 (2, 3) header elements
    header : a Python literal, {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }

bfloat16, float8 and float4 are none of NumPy's types: their elements are void (`|V2`, `|V1`), as
`numpy.save` writes them; the types that others hold (see holding) are those. Which it is stands
beside the arrays: see npz and npy_folder. Strings are

    fixed    `|S7`, where none ends with a zero byte, which NumPy takes for padding, and the
             padding does not make them much larger: NumPy reads them as they are
    joined   else: uint8, all bytes one after the other; and a second array of uint64, where each
             begins, and the end of the last

Nothing is pickled or unpickled: arrays of objects are refused.

Source: numpy/lib/format.py.
"""

from __future__ import annotations

import tokenize
import warnings
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from itertools import accumulate
from math import prod
from typing import Any, cast

from tfartifacts.dtypes import STRING, DType
from tfartifacts.errors import FormatError, NotThisFormatError, UnsupportedError
from tfartifacts.exchange.file_values import Deflated, HeldValue, Span
from tfartifacts.exchange.holding import dtype_of_descr, numpy_descr, refuse_other_holder
from tfartifacts.exchange.string_values import FixedStrings, JoinedStrings
from tfartifacts.exchange.transposed import TransposedValue
from tfartifacts.formats.tensor_data import check_shape
from tfartifacts.model.values import Shape, TensorValue
from tfartifacts.records import dataclass, replace

MAGIC = b"\x93NUMPY"
SUFFIX = ".npy"
MAX_RANK = 64  # NumPy's own
MAX_HEADER = 10_000  # bytes; NumPy's own limit for what it is not told to trust
MAX_START = 12 + MAX_HEADER
_MOST_KEPT = 256  # bytes of a header that is kept for the next array with the same
_PADDING_IS_FINE = 1 << 16  # bytes


@dataclass(frozen=True, slots=True)
class Start:
    """What a header says; `size` bytes in all come before the elements.

    `descr` is NumPy's, little-endian where `swaps` is not set.
    """

    descr: str
    shape: Shape
    size: int
    by_columns: bool = False
    swaps: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return prod(self.shape) * int(self.itemsize)

    @property
    def itemsize(self) -> int:
        width = int(self.descr[2:])
        return width * 4 if self.descr[1] == "U" else width


@dataclass(frozen=True, slots=True)
class JoinedForm:
    """How joined strings are stored, and where: the name of the second array, and their shape."""

    offsets: str
    shape: Shape


# --- writing --------------------------------------------------------------------------------------


def encode_start(descr: str, shape: Shape) -> bytes:
    """What comes before the elements, to the byte as `numpy.save` writes it."""
    import numpy as np

    written = BytesIO()
    np.lib.format.write_array_header_1_0(
        written, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return written.getvalue()


def fixed_start(value: TensorValue) -> bytes:
    """The same for a value of a type of fixed size."""
    return encode_start(numpy_descr(value.dtype), value.shape)


def fixed_width(elements: Sequence[bytes]) -> int | None:
    """Bytes of an element where they are written as `fixed` strings; None if they cannot be."""
    width = max([1, *map(len, elements)])
    together = sum(map(len, elements))
    if any(element.endswith(b"\0") for element in elements):
        return None
    return width if width * len(elements) <= 2 * together + _PADDING_IS_FINE else None


def joined_offsets(elements: Sequence[bytes]) -> bytes:
    """Where each of `joined` strings begins, and the end, as little-endian uint64."""
    ends = accumulate(map(len, elements), initial=0)
    return b"".join(end.to_bytes(8, "little") for end in ends)


# --- reading --------------------------------------------------------------------------------------


def read_start(data: bytes) -> Start:
    """The header at the beginning of these bytes, at most MAX_START of which are looked at.

    Raises NotThisFormatError, FormatError, UnsupportedError for arrays of objects and structures.
    """
    if data[:6] != MAGIC or len(data) < 10:
        raise NotThisFormatError(f"found {data[:6]!r}, expected {MAGIC!r} and an array", offset=0)
    width = {1: 2, 2: 4, 3: 4}.get(data[6])
    if width is None:
        raise UnsupportedError(f"found version {data[6]} of .npy, expected 1 to 3", offset=6)
    size = int.from_bytes(data[8 : 8 + width], "little")
    if size > MAX_HEADER:
        raise FormatError(
            f"found a header of {size} bytes, expected at most {MAX_HEADER}", offset=8
        )
    end = 8 + width + size
    if len(data) < end:
        raise FormatError(f"found {len(data)} bytes, expected a header of {end}", offset=8)
    start = bytes(data[:end])
    return _parsed_again(start, width) if end <= _MOST_KEPT else _parsed(start, width)


def _parsed(start: bytes, width: int) -> Start:
    """The header that these bytes are, whose size takes `width` bytes."""
    import numpy as np

    read = (
        np.lib.format.read_array_header_1_0 if width == 2 else np.lib.format.read_array_header_2_0
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers that Python 2 wrote
            shape, by_columns, dtype = read(BytesIO(start[8:]))
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        RecursionError,
        SyntaxError,
        TypeError,
        ValueError,
        tokenize.TokenError,
    ) as error:
        raise FormatError(f"found a header that cannot be read: {error}", offset=8) from None
    if any(type(size) is not int for size in shape):
        raise FormatError(f"found shape {shape}, expected sizes", offset=8)
    sizes: Shape = tuple(shape)
    header = Start(_descr(dtype), sizes, len(start), bool(by_columns), dtype.byteorder == ">")
    count = check_shape(sizes)
    if not header.itemsize and count:
        raise FormatError(f"found {count} elements of no bytes, expected some", offset=8)
    return header


# Arrays of one type and shape have the same header: Python's parser, which reads it, takes 50 us.
_parsed_again = lru_cache(maxsize=256)(_parsed)


def _descr(dtype: Any) -> str:
    if dtype.hasobject:
        raise UnsupportedError(
            "found pickled Python objects, which are never loaded; save numbers, or strings of a "
            "fixed size",
            offset=8,
        )
    if dtype.kind not in "biufcSUV" or dtype.fields is not None or dtype.subdtype is not None:
        raise UnsupportedError(f"found elements of type {dtype}, expected numbers", offset=8)
    return cast(str, dtype.newbyteorder("<").str)


def array_value(
    start: Start, held: Span | Deflated, name: str, told: DType | None = None
) -> TensorValue:
    """The array behind a header as a value; nothing of it is read yet.

    `told` is the type that somebody says the elements have. Raises UnsupportedError for a type
    that TensorFlow has not, FormatError for one that does not hold what is told.
    """
    if start.descr[1] in "SU":
        if told not in (None, STRING):
            raise FormatError(f"found strings, expected {told} (in tensor {name!r})")
        strings = FixedStrings(start.shape, held, start.size, start.descr, start.swaps)
        return _in_order(replace(strings, by_columns=start.by_columns))
    dtype = dtype_of_descr(start.descr)
    if told is not None:
        if told.itemsize is None:
            raise FormatError(f"found {start.descr!r} said to be {told} (in tensor {name!r})")
        refuse_other_holder(told, start.descr, name)
        dtype = told
    if dtype is None:
        hint = "; say which of ml_dtypes' types it is: --dtype NAME=bfloat16"
        raise UnsupportedError(
            f"found elements {start.descr!r}, of which TensorFlow has no type (in tensor {name!r})"
            + (hint if start.descr in ("|V1", "|V2") else "")
        )
    shape = start.shape[::-1] if start.by_columns else start.shape
    value = HeldValue(dtype, shape, held, start.size, start.swaps)
    return TransposedValue(value) if start.by_columns and len(shape) > 1 else value


def _in_order(strings: FixedStrings) -> FixedStrings:
    return strings if len(strings.shape) > 1 else replace(strings, by_columns=False)


def joined_value(
    data: tuple[Start, Span | Deflated],
    offsets: tuple[Start, Span | Deflated],
    shape: Shape,
    name: str,
) -> TensorValue:
    """Joined strings as a value of that shape. Raises FormatError where the two do not fit."""
    count = check_shape(shape)
    for start, descr, what in ((data[0], "|u1", "bytes"), (offsets[0], "<u8", "their places")):
        if start.descr != descr or len(start.shape) != 1 or start.swaps:
            raise FormatError(
                f"found {start.descr!r} of shape {start.shape}, expected {descr!r} in one row: "
                f"{what} of strings (in tensor {name!r})"
            )
    if offsets[0].shape != (count + 1,):
        raise FormatError(
            f"found {offsets[0].shape[0]} places for {count} strings, expected one more than "
            f"these (in tensor {name!r})"
        )
    return JoinedStrings(shape, data[1], data[0].size, offsets[1], offsets[0].size)


def is_void(dtype: DType) -> bool:
    """Whether NumPy alone does not know the elements of the type."""
    return dtype.itemsize is not None and numpy_descr(dtype).startswith("|V")
