"""What must hold of the elements of tensors in a data file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import prod
from typing import TYPE_CHECKING

from tests.fuzz.target import check_offset
from tfartifacts.dtypes import all_dtypes
from tfartifacts.errors import FormatError, TfArtifactsError
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.formats.tensor_data import (
    ArrayTensor,
    decode_fixed,
    decode_strings,
    decode_variants,
    encode_strings,
    encode_variants,
    strings_crc,
    variants_crc,
)
from tfartifacts.formats.wire import read_varint

if TYPE_CHECKING:
    from tfartifacts.formats.tensor_data import ByteOrder

FIXED = tuple(dtype for dtype in all_dtypes() if dtype.itemsize is not None)
MOST_ELEMENTS = 256


def examine_tensor_data(data: bytes) -> bool:
    """`kind:u8 count:u8 elements`: kind 0 strings, 1 variants, 2... a type; above 128 big-endian.

    Checksums are made to fit: it is the lengths that are looked at.
    """
    if len(data) < 2:
        return False
    byte_order: ByteOrder = "big" if data[0] >= 128 else "little"
    kind, count, stored = data[0] % 128, data[1], data[2:]
    if kind == 0:
        return _examine_strings(stored, count, byte_order)
    if kind == 1:
        return _examine_variants(stored, count, byte_order)
    return _examine_fixed(stored, kind, count, byte_order)


def _examine_strings(stored: bytes, count: int, byte_order: ByteOrder) -> bool:
    fitting, crc = strings_with_checksums(stored, count, byte_order)
    refused(lambda: decode_strings(stored, count, crc, byte_order))
    try:
        elements = decode_strings(fitting, count, crc, byte_order)
    except FormatError as error:
        check_offset(error, len(fitting))
        return False
    assert len(elements) == count
    assert sum(map(len, elements)) <= len(fitting)
    encoded = encode_strings(elements)
    assert decode_strings(encoded, count, strings_crc(elements)) == elements
    if byte_order == "little":
        assert crc == strings_crc(elements) or not fitting
        # The same bytes, but for lengths that are longer than they need be.
        assert encoded == fitting or len(encoded) < len(fitting) or not fitting
    return True


def strings_with_checksums(stored: bytes, count: int, byte_order: ByteOrder) -> tuple[bytes, int]:
    """The elements with the checksum of their lengths, and what their entry would hold."""
    lengths, position = [], 0
    try:
        for _ in range(count):
            length, position = read_varint(stored, position, len(stored))
            lengths.append(length)
    except FormatError:
        return stored, 0
    fixed = b"".join(n.to_bytes(4 if n < 1 << 32 else 8, byte_order) for n in lengths)
    crc = crc32c(fixed)
    checksum = mask(crc).to_bytes(4, byte_order)
    rest = stored[position + 4 :]
    return stored[:position] + checksum + rest, mask(crc32c(rest, crc32c(checksum, crc)))


def _examine_variants(stored: bytes, count: int, byte_order: ByteOrder) -> bool:
    fitting, crc = variants_with_checksums(stored, count, byte_order)
    refused(lambda: decode_variants(stored, count, crc, byte_order))
    try:
        elements = decode_variants(fitting, count, crc, byte_order)
    except FormatError as error:
        check_offset(error, len(fitting))
        return False
    assert len(elements) == count
    encoded = encode_variants(elements)
    assert decode_variants(encoded, count, variants_crc(elements)) == elements
    if byte_order == "little":
        assert crc == variants_crc(elements)
        assert encoded == fitting or len(encoded) < len(fitting)
    return True


def variants_with_checksums(stored: bytes, count: int, byte_order: ByteOrder) -> tuple[bytes, int]:
    """The elements with a checksum behind each, and what their entry would hold."""
    output, position, crc = bytearray(stored), 0, 0
    try:
        for _ in range(count):
            length, position = read_varint(stored, position, len(stored))
            if position + length + 4 > len(stored):
                break
            crc = crc32c(
                stored[position : position + length], crc32c(length.to_bytes(8, byte_order), crc)
            )
            position += length
            checksum = mask(crc).to_bytes(4, byte_order)
            output[position : position + 4] = checksum
            crc = crc32c(checksum, crc)
            position += 4
    except FormatError:
        pass
    return bytes(output), mask(crc)


def _examine_fixed(stored: bytes, kind: int, count: int, byte_order: ByteOrder) -> bool:
    dtype = FIXED[(kind - 2) % len(FIXED)]
    assert dtype.itemsize is not None
    # A shape of as many elements as there are, with some sizes of 1 around.
    elements = len(stored) // dtype.itemsize
    shape = (1,) * (count % 66) + (elements,)
    try:
        array = decode_fixed(stored[: elements * dtype.itemsize], dtype, shape, byte_order)
    except TfArtifactsError:
        return False
    assert array.shape == shape
    assert array.nbytes == elements * dtype.itemsize
    again = b"".join(ArrayTensor(dtype, shape, array).stored())
    assert len(again) == prod(shape) * dtype.itemsize
    if byte_order == "little":
        assert again == stored[: len(again)]
    assert decode_fixed(again, dtype, shape, "little").tobytes() == array.tobytes()
    return True


def refused(call: Callable[[], object]) -> None:
    """What may be refused, but must not fail."""
    with suppress(FormatError):
        call()
