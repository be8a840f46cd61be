"""TensorProto: the elements of a tensor in a graph's attribute or in a V1 checkpoint.

    1 dtype  2 shape  4 tensor_content: elements as bytes, little-endian
    or a repeated field of the type, packed:
    5 float_val  6 double_val  7 int_val (32-bit integers and narrower, quantized)
    8 string_val  9 scomplex_val (pairs)  10 int64_val  11 bool_val  12 dcomplex_val (pairs)
    13 half_val (bits of float16 and bfloat16)  16 uint32_val  17 uint64_val  18 float8_val (bytes)

With fewer values than elements the last one is repeated, with none all are 0. In a V1 checkpoint
type and shape stand elsewhere and every value is there.
Source: tensorflow/core/framework/{tensor.proto,tensor.cc}.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any, TypeVar

from tfartifacts.dtypes import STRING, DType, dtype_from_number
from tfartifacts.errors import FormatError, TfArtifactsError, UnsupportedError, place
from tfartifacts.formats.shapes import read_partial_shape, read_shape, write_shape
from tfartifacts.formats.tensor_data import check_shape, object_array
from tfartifacts.formats.wire import Message, put_bytes, put_integer
from tfartifacts.model.arrays import shaped
from tfartifacts.model.values import Buffer, PartialShape, Shape
from tfartifacts.records import dataclass, field

if TYPE_CHECKING:
    from tfartifacts.model.graphs import ConstantValue

T = TypeVar("T")

# Bytes a constant with fewer values than elements is expanded to at most. A few bytes can claim
# any shape; one value alone is never expanded, but repeated as a view.
MAX_EXPANDED = 1 << 30

_INT_VAL = frozenset(
    "int32 int16 int8 uint16 uint8 qint32 qint16 qint8 quint16 quint8 int4 uint4 int2 uint2".split()
)
_FIELDS: dict[str, int] = {
    **dict.fromkeys(_INT_VAL, 7),
    "float32": 5,
    "float64": 6,
    "string": 8,
    "complex64": 9,
    "int64": 10,
    "bool": 11,
    "complex128": 12,
    "float16": 13,
    "bfloat16": 13,
    "uint32": 16,
    "uint64": 17,
    **dict.fromkeys(
        "float8_e5m2 float8_e4m3fn float8_e4m3fnuz float8_e4m3b11fnuz float8_e5m2fnuz "
        "float4_e2m1fn".split(),
        18,
    ),
}

_FIXED_SIZES = {5: 4, 9: 4, 6: 8, 12: 8}


@dataclass(frozen=True, slots=True)
class ElementCount:
    """Elements that a tensor has by its shape, and values that are stored.

    `content_size` is the size of tensor_content in bytes, None where the values are in a field of
    their type; `expected_size` what all elements take (0 for strings and the like).
    """

    declared: int
    stored: int
    content_size: int | None
    expected_size: int


@dataclass(frozen=True, slots=True)
class EncodedTensor:
    """A TensorProto as it stands in the file; decoded when read. See ConstantValue.

    `path` is the file, for errors.
    """

    encoded: Buffer
    path: str | None = field(default=None, compare=False, repr=False)

    def __reduce__(self) -> tuple[object, ...]:
        return EncodedTensor, (bytes(self.encoded), self.path)

    def _ask(self, read: Callable[[Message], T]) -> T:
        try:
            return read(Message(self.encoded))
        except TfArtifactsError as error:
            if isinstance(error, FormatError):
                error.offset = None  # within the tensor: nothing to who has the file
            place(error, self.path)
            raise

    @property
    def dtype(self) -> DType:
        return self._ask(lambda message: dtype_from_number(message.integer(1)))

    @property
    def dtype_number(self) -> int:
        """The number of its type; 0 where it has none."""
        return self._ask(lambda message: message.integer(1))

    @property
    def shape(self) -> Shape:
        return self._ask(lambda message: read_shape(message.message(2)))

    @property
    def partial_shape(self) -> PartialShape:
        """Its shape, though it be unknown."""
        return self._ask(lambda message: read_partial_shape(message.message(2)))

    def count(self) -> ElementCount:
        """How many elements it claims and has, without decoding one."""
        return self._ask(_count)

    def read(self) -> Any:
        return self._ask(lambda message: decode_tensor(message, self.dtype, self.shape))

    def strings(self) -> tuple[bytes, ...]:
        return self._ask(self._strings)

    def _strings(self, message: Message) -> tuple[bytes, ...]:
        if self.dtype != STRING:
            raise FormatError(f"found a constant of type {self.dtype}, expected strings")
        values = message.all_bytes(8)
        elements = check_shape(self.shape)
        if len(values) < elements and elements > 1_000_000:
            raise UnsupportedError(f"found {elements} strings from {len(values)} stored ones")
        values += (values[-1:] or [b""]) * (elements - len(values))
        return tuple(values[:elements])


def decode_tensor(message: Message, dtype: DType, shape: Shape, *, complete: bool = False) -> Any:
    """The elements as an array of `shape`; read-only where one value stands for all.

    `complete`: every value must be there, as in a V1 checkpoint. Raises FormatError for a wrong
    number of values, UnsupportedError for a type without elements.
    """
    import numpy as np

    elements = check_shape(shape)
    numpy_dtype = dtype.to_numpy()
    if dtype.name not in _FIELDS:
        raise UnsupportedError(f"found a constant of type {dtype}, which has no elements to read")
    values: Any
    if dtype == STRING:
        strings = message.all_bytes(8)
        values = object_array(strings, (len(strings),))
    elif content := message.raw(4):
        if dtype.itemsize is None or len(content) != elements * dtype.itemsize:
            raise FormatError(
                f"found {len(content)} bytes of tensor content, expected {elements} elements of "
                f"{dtype.itemsize}"
            )
        values = _low_bits(_little_endian(content, numpy_dtype), dtype)
    else:
        values = _low_bits(_typed_values(message, dtype), dtype)
    if len(values) == elements:
        return shaped(values, shape)
    if complete or len(values) > elements:
        raise FormatError(f"found {len(values)} values, expected {elements}")
    if len(values) <= 1:
        zero = object_array([b""], (1,)) if dtype == STRING else np.zeros(1, numpy_dtype)
        try:
            # As an array of one: NumPy makes a string of its own kind of a single bytes object.
            one = (values if len(values) else zero).reshape(())
            return np.broadcast_to(one, shape)
        except ValueError as error:
            raise UnsupportedError(
                f"found one value for {elements} elements, which NumPy cannot hold: {error}"
            ) from None
    if elements * max(numpy_dtype.itemsize, 1) > MAX_EXPANDED:
        raise UnsupportedError(f"found {elements} elements from {len(values)} stored values")
    repeated = np.repeat(values[-1:], elements - len(values))
    return shaped(np.concatenate([values, repeated]), shape)


def num_values(message: Message, dtype: DType) -> int:
    """How many elements a TensorProto of that type stores, as decode_tensor finds them.

    Nothing is decoded. Raises FormatError for values that are cut, UnsupportedError for a type
    without elements.
    """
    if dtype.name not in _FIELDS:
        raise UnsupportedError(f"found a constant of type {dtype}, which has no elements to read")
    if dtype == STRING:
        return len(message.spans(8))
    itemsize = dtype.itemsize or 1
    number = _FIELDS[dtype.name]
    if size := message.raw_size(4):
        pass
    elif number in (5, 6, 9, 12):
        size = len(message.packed(number, 4 if number in (5, 9) else 8))
    elif number == 18:
        return len(message.raw(18))
    else:
        return message.num_integers(number)
    if size % itemsize:
        raise FormatError(f"found {size} bytes, expected elements of {itemsize}")
    return size // itemsize


def _typed_values(message: Message, dtype: DType) -> Any:
    import numpy as np

    number = _FIELDS[dtype.name]
    numpy_dtype = dtype.to_numpy()
    if number in (5, 9):
        return _little_endian(message.packed(number, 4), numpy_dtype)
    if number in (6, 12):
        return _little_endian(message.packed(number, 8), numpy_dtype)
    if number == 18:
        return np.frombuffer(message.raw(18), numpy_dtype)
    integers = np.array(message.integers(number), np.int64)
    if number == 13:
        return integers.astype(np.uint16).view(numpy_dtype)
    if number == 17:
        return integers.view(np.uint64)
    if dtype.bits is not None and dtype.bits < 8:
        return integers.astype(np.uint8).view(numpy_dtype)
    return integers.astype(numpy_dtype)


def _low_bits(values: Any, dtype: DType) -> Any:
    """Without the bits above those of the type, which say nothing."""
    import numpy as np

    if dtype.bits is None or dtype.bits >= 8:
        return values
    return (values.view(np.uint8) & ((1 << dtype.bits) - 1)).view(values.dtype)


def _little_endian(data: bytes, numpy_dtype: Any) -> Any:
    import sys

    import numpy as np

    if len(data) % numpy_dtype.itemsize:
        raise FormatError(f"found {len(data)} bytes, expected elements of {numpy_dtype.itemsize}")
    if sys.byteorder == "big" and numpy_dtype.itemsize > 1:
        width = numpy_dtype.itemsize // (2 if numpy_dtype.kind == "c" else 1)
        data = np.frombuffer(data, f"u{width}").byteswap().tobytes()
    return np.frombuffer(data, numpy_dtype)


def _count(message: Message) -> ElementCount:
    dtype, shape = dtype_from_number(message.integer(1)), read_shape(message.message(2))
    declared = prod(shape)
    size = declared * (dtype.itemsize or 0)
    content_size = message.raw_size(4)
    if content_size and dtype.itemsize is not None:
        return ElementCount(declared, content_size // dtype.itemsize, content_size, size)
    number = _FIELDS.get(dtype.name)
    if number is None:
        return ElementCount(declared, 0, None, size)
    if number == 8:
        stored = len(message.spans(number))
    elif number == 18:
        stored = len(message.raw(number))
    elif number in _FIXED_SIZES:
        # A complex number is two of them.
        each = _FIXED_SIZES[number] * (2 if dtype.name.startswith("complex") else 1)
        stored = len(message.packed(number, _FIXED_SIZES[number])) // each
    else:
        stored = message.num_integers(number)
    return ElementCount(declared, stored, None, size)


def encode_constant(value: ConstantValue) -> Buffer:
    """A TensorProto: the one it was read from, or one of strings or 32-bit integers made here."""
    if isinstance(value, EncodedTensor):
        return value.encoded
    head = put_integer(1, value.dtype.number) + put_bytes(2, write_shape(value.shape))
    if value.dtype == STRING:
        elements = value.strings()
        if len(elements) != prod(value.shape):
            raise ValueError(f"{len(elements)} strings for shape {value.shape}")
        return head + b"".join(put_bytes(8, element) for element in elements)
    from tfartifacts.formats.tensor_data import encode_fixed

    return head + put_bytes(4, encode_fixed(value.read(), value.dtype))
