"""Elements of a tensor in a V2 checkpoint's data file.

    fixed-size types : elements in row-major order, in the bundle's byte order; types of less
                       than a byte take one byte each, value in the low bits
    string           : length:varint64*n  checksum:u32  bytes*n
                       checksum = masked crc over the lengths, each as u32 (as u64 if it needs
                       more), whatever they are stored as: old bundles had varint32 there
    variant          : (length:varint64 bytes checksum:u32)*n
                       checksum = masked crc so far, over the length as u64, the bytes, and every
                       stored checksum before it; bytes = VariantTensorDataProto

The index entry's crc32c covers the stored bytes; for strings the lengths in their fixed-width form,
the stored checksum, the bytes; for variants as above. Fixed-width numbers are in the bundle's byte
order. Source: tensorflow/core/util/tensor_bundle/tensor_bundle.cc, WriteStringTensor,
WriteVariantTensor, ReadStringTensor, ReadVariantTensor.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from tfartifacts.dtypes import STRING, VARIANT, DType
from tfartifacts.errors import FormatError, UnsupportedError, located
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.formats.tensor_checks import (
    check_strings,
    check_variants,
    lengths_crc,
    parts_of,
    require_checksum,
)
from tfartifacts.formats.wire import varint
from tfartifacts.model.arrays import ArrayValue, shaped, stored_elements
from tfartifacts.model.values import Buffer, Location, Shape
from tfartifacts.records import dataclass
from tfartifacts.storage.files import (
    check_range,
    opened,
    read_range,
    stream_open,
    stream_range,
)

if TYPE_CHECKING:
    from typing import Literal

    from tfartifacts.model.values import Array

    ByteOrder = Literal["little", "big"]

MAX_RANK = 254  # tensor_shape.h


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in a data file; see TensorValue for what its methods promise."""

    dtype: DType
    shape: Shape
    file: str
    shard: int
    offset: int
    size: int
    crc32c: int
    byte_order: ByteOrder = "little"

    @property
    def nbytes(self) -> int:
        return self.size

    @property
    def location(self) -> Location:
        return Location(self.file, self.shard, self.offset, self.size, self.crc32c)

    def read(self) -> Array:
        data = read_range(self.file, self.offset, self.size)
        if self.dtype.itemsize is not None:
            with located(self.file, self.offset):
                require_checksum(mask(crc32c(data)), self.crc32c)
                return decode_fixed(data, self.dtype, self.shape, self.byte_order)
        with located(self.file, self.offset):
            return object_array(self._elements(data), self.shape)

    def view(self, *, check: bool = True) -> Array:
        """See MappableValue."""
        dtype = self.dtype
        is_plain = self.size and (dtype.bits or 0) >= 8
        if not is_plain or self.offset % _alignment(dtype) or self.byte_order != _native_order():
            array = self.read()
            array.flags.writeable = False
            return array
        import numpy as np

        from tfartifacts.storage.shared_maps import mapped

        with opened(self.file) as descriptor:
            check_range(self.file, self.offset, self.size, os.fstat(descriptor).st_size)
            if check:
                crc = 0
                for piece in stream_open(descriptor, self.file, self.offset, self.size):
                    crc = crc32c(piece, crc)
                with located(self.file, self.offset):
                    require_checksum(mask(crc), self.crc32c)
            data = mapped(self.file, descriptor)
            check_range(self.file, self.offset, self.size, len(data))
        count = prod(self.shape)
        elements: Any = np.frombuffer(data, dtype.to_numpy(), count, self.offset)
        return shaped(elements, self.shape)

    def read_elements(self, first: int, count: int) -> Array:
        """See PartialValue; strings are read whole."""
        itemsize = self.dtype.itemsize
        if itemsize is None:
            return self.read().reshape(-1)[first : first + count]
        offset = self.offset + first * itemsize
        data = read_range(self.file, offset, count * itemsize)
        with located(self.file, offset):
            return decode_fixed(data, self.dtype, (count,), self.byte_order)

    def strings(self) -> list[bytes]:
        """The elements of a string tensor in row-major order, without NumPy."""
        with located(self.file, self.offset):
            return self._elements(read_range(self.file, self.offset, self.size))

    def _elements(self, data: bytes) -> list[bytes]:
        decode = decode_strings if self.dtype == STRING else decode_variants
        return decode(data, prod(self.shape), self.crc32c, self.byte_order)

    def stored(self) -> Iterator[Buffer]:
        if self.byte_order == "big" or self.dtype.itemsize is None:
            # Strings are checked by their own rules, which need the lengths first.
            elements = self.read()
            yield from ArrayTensor(self.dtype, self.shape, elements).stored()
            return
        crc = 0
        for piece in stream_range(self.file, self.offset, self.size):
            crc = crc32c(piece, crc)
            yield piece
        with located(self.file, self.offset):
            require_checksum(mask(crc), self.crc32c)


class ArrayTensor(ArrayValue):
    """A tensor in memory, whose strings and variants come as a data file stores them."""

    __slots__ = ()

    def stored(self) -> Iterator[Buffer]:
        if self.dtype == STRING:
            yield encode_strings(self.array.ravel().tolist())
        elif self.dtype == VARIANT:
            yield encode_variants(self.array.ravel().tolist())
        else:
            yield from stored_elements(self.array, self.dtype)


def check_shape(shape: Shape) -> int:
    """The number of elements. Raises FormatError for what no tensor can have."""
    if len(shape) > MAX_RANK:
        raise FormatError(f"found {len(shape)} dimensions, expected at most {MAX_RANK}")
    elements = 1
    for size in shape:
        if size < 0:
            raise FormatError(f"found a dimension of {size}, expected 0 or more")
        elements *= size
        # TensorFlow multiplies in this order, so that a later 0 does not help.
        if elements >= 1 << 63:
            raise FormatError(f"found shape {shape}, expected fewer than 2^63 elements")
    return elements


def expected_size(dtype: DType, elements: int) -> int | None:
    """Bytes of that many elements in a data file; None where it depends on the elements.

    Raises UnsupportedError for types that cannot be stored.
    """
    if dtype.is_reference or dtype.name == "resource":
        raise UnsupportedError(f"found a tensor of type {dtype}, which no checkpoint can hold")
    return None if dtype.itemsize is None else elements * dtype.itemsize


def decode_fixed(data: bytes, dtype: DType, shape: Shape, byte_order: ByteOrder) -> Array:
    """Elements of a fixed-size type as a writable array in native byte order."""
    import numpy as np

    numpy_dtype = dtype.to_numpy()
    if byte_order != _native_order() and numpy_dtype.itemsize > 1:
        # ml_dtypes' types have no byte order of their own; bytes are swapped before they are read.
        width = numpy_dtype.itemsize // (2 if numpy_dtype.kind == "c" else 1)
        data = np.frombuffer(data, f"u{width}").byteswap().tobytes()
    sub_byte = dtype.bits is not None and dtype.bits < 8
    if sub_byte and data and max(data) >= 1 << (dtype.bits or 8):
        raise FormatError(f"found an element above the {dtype.bits} bits of {dtype}")
    array: Array = shaped(np.frombuffer(data, numpy_dtype), shape).copy()
    return array


def encode_fixed(array: Any, dtype: DType) -> bytes:
    """The elements as a little-endian data file stores them."""
    return b"".join(stored_elements(array, dtype))


def _alignment(dtype: DType) -> int:
    alignment: int = dtype.to_numpy().alignment
    return alignment


def _native_order() -> str:
    import sys

    return sys.byteorder


def object_array(elements: Sequence[bytes], shape: Shape) -> Array:
    """Byte strings as an object array of that shape."""
    import numpy as np

    array = np.empty(len(elements), object)
    array[:] = elements
    return shaped(array, shape)


def decode_strings(
    data: bytes, num_elements: int, expected_crc: int, byte_order: ByteOrder = "little"
) -> list[bytes]:
    """The elements of a string tensor. Offsets in errors count from its first byte.

    Raises ChecksumError and FormatError for damage.
    """
    lengths: list[int] = []
    check_strings(parts_of(data), len(data), num_elements, expected_crc, byte_order, lengths)
    position = len(data) - sum(lengths)
    elements = []
    for length in lengths:
        elements.append(data[position : position + length])
        position += length
    return elements


def encode_strings(elements: Sequence[bytes]) -> bytes:
    """A string tensor as a little-endian data file stores it."""
    lengths = [len(element) for element in elements]
    checksum = mask(lengths_crc(lengths, "little")).to_bytes(4, "little")
    return b"".join([*map(varint, lengths), checksum, *elements])


def strings_crc(elements: Sequence[bytes]) -> int:
    """What a string tensor's index entry holds as crc32c."""
    crc = lengths_crc([len(element) for element in elements], "little")
    crc = crc32c(mask(crc).to_bytes(4, "little"), crc)
    for element in elements:
        crc = crc32c(element, crc)
    return mask(crc)


def decode_variants(
    data: bytes, num_elements: int, expected_crc: int, byte_order: ByteOrder = "little"
) -> list[bytes]:
    """The elements of a variant tensor, as encoded VariantTensorDataProto messages.

    Offsets in errors count from its first byte.
    """
    elements: list[bytes] = []
    check_variants(parts_of(data), len(data), num_elements, expected_crc, byte_order, elements)
    return elements


def encode_variants(elements: Sequence[bytes]) -> bytes:
    """A variant tensor as a little-endian data file stores it."""
    pieces = []
    crc = 0
    for element in elements:
        crc = crc32c(element, crc32c(len(element).to_bytes(8, "little"), crc))
        stored = mask(crc).to_bytes(4, "little")
        crc = crc32c(stored, crc)
        pieces += [varint(len(element)), element, stored]
    return b"".join(pieces)


def variants_crc(elements: Sequence[bytes]) -> int:
    """What a variant tensor's index entry holds as crc32c."""
    crc = 0
    for element in elements:
        crc = crc32c(element, crc32c(len(element).to_bytes(8, "little"), crc))
        crc = crc32c(mask(crc).to_bytes(4, "little"), crc)
    return mask(crc)
