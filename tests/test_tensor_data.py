"""Elements in a data file: their bytes by hand, any value through and back."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tests.judges.client import sha256
from tfartifacts.dtypes import STRING, VARIANT, DType, dtype_from_name
from tfartifacts.errors import ChecksumError, FormatError, PathNotFoundError, UnsupportedError
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.formats.tensor_checks import PART, check_strings
from tfartifacts.formats.tensor_data import (
    ArrayTensor,
    StoredTensor,
    check_shape,
    decode_fixed,
    decode_strings,
    decode_variants,
    encode_fixed,
    encode_strings,
    encode_variants,
    expected_size,
    object_array,
    strings_crc,
    variants_crc,
)
from tfartifacts.storage.files import CHUNK

HELLO = bytes.fromhex(
    "05"  # length of the only element
    "d9c69c43"  # masked CRC of the lengths, each as four bytes: 05000000
    "68656c6c6f"  # "hello"
)
HELLO_CRC = 0x29C0E0EC


def test_string_tensor_byte_by_byte() -> None:
    assert encode_strings([b"hello"]) == HELLO
    assert strings_crc([b"hello"]) == HELLO_CRC
    assert decode_strings(HELLO, 1, HELLO_CRC) == [b"hello"]


def test_checksum_of_strings_covers_lengths_in_four_bytes_not_as_stored() -> None:
    elements = [b"", b"x" * 300]
    encoded = encode_strings(elements)
    assert encoded[:3] == bytes.fromhex("00 ac02")  # 0; 300 as a varint
    lengths = crc32c(bytes.fromhex("00000000 2c010000"))
    assert int.from_bytes(encoded[3:7], "little") == mask(lengths)
    assert strings_crc(elements) == mask(crc32c(elements[1], crc32c(encoded[3:7], lengths)))


def test_empty_string_tensor_still_has_the_checksum_of_its_lengths() -> None:
    assert encode_strings([]) == bytes.fromhex("d8ea82a2")
    assert decode_strings(encode_strings([]), 0, strings_crc([])) == []
    # Old writers may leave it out.
    assert decode_strings(b"", 0, 0) == []


def test_strings_of_a_big_endian_machine_swap_lengths_and_their_checksum() -> None:
    lengths = mask(crc32c((5).to_bytes(4, "big"))).to_bytes(4, "big")
    data = b"\x05" + lengths + b"hello"
    crc = mask(crc32c(b"hello", crc32c(lengths, crc32c((5).to_bytes(4, "big")))))
    assert decode_strings(data, 1, crc, "big") == [b"hello"]
    with pytest.raises(ChecksumError):
        decode_strings(data, 1, crc, "little")


@given(st.lists(strategies.byte_strings, max_size=8))
def test_any_strings_come_back(elements: list[bytes]) -> None:
    encoded = encode_strings(elements)
    assert decode_strings(encoded, len(elements), strings_crc(elements)) == elements


def test_strings_that_take_several_parts_are_one_tensor() -> None:
    # Lengths of one, two and three bytes over the ends of parts of 64 KiB; bytes over 512 KiB.
    elements = [b"x" * (position % 300) for position in range(70_000)] + [b"y" * 700_000]
    for some in (elements, [b"ab"] * 150_000):
        encoded = encode_strings(some)
        assert decode_strings(encoded, len(some), strings_crc(some)) == some
        pulled: list[int] = []

        def read(position: int, size: int, encoded: bytes = encoded) -> bytes:
            pulled.append(size)  # noqa: B023 - called before the next turn
            return encoded[position : position + size]

        check_strings(read, len(encoded), len(some), strings_crc(some))
        assert max(pulled) <= PART
        with pytest.raises(ChecksumError, match="strings that do not fit"):
            check_strings(read, len(encoded), len(some), strings_crc(some) ^ 1)


@pytest.mark.parametrize(
    ("data", "num_elements", "kind", "said", "offset"),
    [
        (HELLO, 7, FormatError, "found 10 bytes for 7 strings", 0),
        (b"", 1, FormatError, "found 0 bytes for 1 strings", 0),
        (HELLO[:4], 1, FormatError, "found 4 bytes for 1 strings", 0),
        (b"\x80" * 6, 1, FormatError, "found the end", 2),
        (b"\x06" + HELLO[1:], 1, ChecksumError, "lengths that do not fit their checksum", 1),
        (HELLO[:2] + b"\0" + HELLO[3:], 1, ChecksumError, "lengths that do not fit", 1),
        (HELLO + b"!", 1, FormatError, "found strings of 5 bytes, expected 6", 5),
        (HELLO[:-1], 1, FormatError, "found strings of 5 bytes, expected 4", 5),
        (HELLO[:-1] + b"O", 1, ChecksumError, "strings that do not fit their checksum", 5),
    ],
)
def test_each_fault_in_strings_is_told_with_its_offset(
    data: bytes, num_elements: int, kind: type[FormatError], said: str, offset: int
) -> None:
    with pytest.raises(kind, match=said) as caught:
        decode_strings(data, num_elements, HELLO_CRC)
    assert caught.value.offset == offset


def test_a_length_of_2_to_the_63_allocates_nothing() -> None:
    length = bytes.fromhex("80808080808080808001")
    fixed = (1 << 63).to_bytes(8, "little")  # above 32 bits lengths enter the checksum as eight
    data = length + mask(crc32c(fixed)).to_bytes(4, "little")
    with pytest.raises(FormatError, match="found strings of 9223372036854775808 bytes, expected 0"):
        decode_strings(data, 1, 0)


# ---------------------------------------------------------------- variants

VARIANT_ELEMENT = b"\x0a\x01t"  # VariantTensorDataProto {type_name: "t"}


def test_variant_tensor_byte_by_byte() -> None:
    covered = (3).to_bytes(8, "little") + VARIANT_ELEMENT
    checksum = mask(crc32c(covered)).to_bytes(4, "little")
    assert encode_variants([VARIANT_ELEMENT]) == b"\x03" + VARIANT_ELEMENT + checksum
    assert variants_crc([VARIANT_ELEMENT]) == mask(crc32c(covered + checksum))


@given(st.lists(strategies.byte_strings, max_size=5))
def test_any_variants_come_back(elements: list[bytes]) -> None:
    encoded = encode_variants(elements)
    assert decode_variants(encoded, len(elements), variants_crc(elements)) == elements


TWO_VARIANTS = encode_variants([VARIANT_ELEMENT, b""])


@pytest.mark.parametrize(
    ("data", "kind", "said", "offset"),
    [
        (b"\x7f" + TWO_VARIANTS[1:], FormatError, "reaches past its tensor", 0),
        (TWO_VARIANTS[:1] + b"\x0b" + TWO_VARIANTS[2:], ChecksumError, "a variant", 0),
        (TWO_VARIANTS[:-1] + b"\0", ChecksumError, "a variant that does not fit", 8),
        (TWO_VARIANTS + b"\0", FormatError, "1 bytes after the last variant", 0),
        (TWO_VARIANTS[:8], FormatError, "found the end", 8),
    ],
)
def test_each_fault_in_variants_is_told_with_its_offset(
    data: bytes, kind: type[FormatError], said: str, offset: int
) -> None:
    with pytest.raises(kind, match=said) as caught:
        decode_variants(data, 2, variants_crc([VARIANT_ELEMENT, b""]))
    assert caught.value.offset == offset


def test_variants_of_another_save_are_told() -> None:
    with pytest.raises(ChecksumError, match="variants that do not fit"):
        decode_variants(TWO_VARIANTS, 2, 0)


# ---------------------------------------------------------------- fixed sizes


@pytest.mark.parametrize(
    ("name", "array", "data"),
    [
        ("float32", [1.0, -2.0], "0000803f 000000c0"),
        ("int64", [-1], "ffffffffffffffff"),
        ("bool", [True, False], "01 00"),
        ("complex64", [1 + 2j], "0000803f 00000040"),  # real part first
        ("bfloat16", [1.0], "803f"),
        ("float16", [1.0], "003c"),
        # Less than a byte: one byte an element, the value in its low bits.
        ("int4", [-1, 7, -8], "0f 07 08"),
        ("uint4", [15], "0f"),
        ("int2", [-1, -2], "03 02"),
        ("uint2", [3], "03"),
    ],
)
def test_elements_byte_by_byte(name: str, array: list[Any], data: str) -> None:
    dtype = dtype_from_name(name)
    values = np.array(array).astype(dtype.to_numpy())
    assert encode_fixed(values, dtype) == bytes.fromhex(data)
    assert sha256(decode_fixed(bytes.fromhex(data), dtype, values.shape, "little")) == sha256(
        values
    )


@given(strategies.tensors(strategies.FIXED_DTYPES))
def test_any_bits_come_back(tensor: ArrayTensor) -> None:
    data = encode_fixed(tensor.array, tensor.dtype)
    assert len(data) == expected_size(tensor.dtype, tensor.array.size) == tensor.nbytes
    read = decode_fixed(data, tensor.dtype, tensor.shape, "little")
    assert read.dtype == tensor.dtype.to_numpy()
    assert read.shape == tensor.shape
    assert encode_fixed(read, tensor.dtype) == data
    assert read.flags.writeable
    assert read.dtype.isnative


@given(strategies.tensors(strategies.FIXED_DTYPES))
def test_big_endian_elements_are_swapped_by_their_parts(tensor: ArrayTensor) -> None:
    data = encode_fixed(tensor.array, tensor.dtype)
    # A complex number is two: each is swapped on its own.
    width = (tensor.dtype.itemsize or 0) // (2 if tensor.dtype.name.startswith("complex") else 1)
    swapped = b"".join(data[i : i + width][::-1] for i in range(0, len(data), width))
    read = decode_fixed(swapped, tensor.dtype, tensor.shape, "big")
    assert encode_fixed(read, tensor.dtype) == data


@pytest.mark.parametrize("name", ["int4", "uint4", "float4_e2m1fn", "int2", "uint2"])
def test_bits_above_those_of_the_type_are_refused(name: str) -> None:
    dtype = dtype_from_name(name)
    with pytest.raises(FormatError, match="above the"):
        decode_fixed(bytes((0, 1 << (dtype.bits or 0))), dtype, (2,), "little")


def test_arrays_of_any_layout_are_written_in_row_major_order() -> None:
    dtype = dtype_from_name("int16")
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    assert encode_fixed(array.T, dtype) == encode_fixed(np.ascontiguousarray(array.T), dtype)
    assert encode_fixed(array[:, ::2], dtype) == bytes.fromhex("0000 0200 0300 0500")


# ---------------------------------------------------------------- shapes


def test_what_no_tensor_can_have_is_refused() -> None:
    assert check_shape(()) == 1
    assert check_shape((3, 0)) == 0
    assert check_shape((2**31, 2**31)) == 2**62
    for shape, said in [
        ((2**32, 2**31), "fewer than 2\\^63"),
        ((2**32, 2**32, 0), "fewer than 2\\^63"),
        ((-1,), "a dimension of -1"),
        ((1,) * 255, "255 dimensions"),
    ]:
        with pytest.raises(FormatError, match=said):
            check_shape(shape)


def test_references_and_resources_are_never_stored() -> None:
    for name in ("float32_ref", "resource", "string_ref"):
        with pytest.raises(UnsupportedError, match=name):
            expected_size(dtype_from_name(name), 1)
    assert expected_size(STRING, 3) is expected_size(VARIANT, 3) is None


# ---------------------------------------------------------------- files


def store(
    folder: Path, data: bytes, dtype: DType, shape: tuple[int, ...], crc: int
) -> StoredTensor:
    """A tensor 7 bytes into a file, with something behind it."""
    path = folder / "m.data-00000-of-00001"
    path.write_bytes(b"before!" + data + b"after")
    return StoredTensor(dtype, shape, str(path), 0, 7, len(data), crc)


@pytest.fixture
def floats(tmp_path: Path) -> StoredTensor:
    data = np.arange(6, dtype="<f4").tobytes()
    return store(tmp_path, data, dtype_from_name("float32"), (2, 3), mask(crc32c(data)))


def test_stored_tensor_is_read_from_its_place(floats: StoredTensor) -> None:
    assert floats.read().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (
        b"".join(bytes(piece) for piece in floats.stored()) == np.arange(6, dtype="<f4").tobytes()
    )
    assert floats.nbytes == 24
    assert floats.location.file == floats.file
    assert (floats.location.offset, floats.location.size) == (7, 24)


def test_reading_gives_an_array_of_ones_own(floats: StoredTensor) -> None:
    first = floats.read()
    first[:] = 0
    assert floats.read().ravel().tolist() == [0, 1, 2, 3, 4, 5]


def test_elements_are_streamed_in_pieces(tmp_path: Path) -> None:
    data = bytes(CHUNK * 2 + 3)
    tensor = store(tmp_path, data, dtype_from_name("uint8"), (len(data),), mask(crc32c(data)))
    assert [len(piece) for piece in tensor.stored()] == [CHUNK, CHUNK, 3]


def test_damage_is_told_with_file_and_offset(floats: StoredTensor) -> None:
    with open(floats.file, "r+b") as file:
        file.seek(20)
        file.write(b"\xff")
    for read in (floats.read, lambda: list(floats.stored())):
        with pytest.raises(ChecksumError, match="expected 0x") as caught:
            read()
        assert (caught.value.path, caught.value.offset) == (floats.file, 7)


def test_damaged_strings_are_told_with_their_place_in_the_file(tmp_path: Path) -> None:
    tensor = store(tmp_path, HELLO[:-1] + b"O", STRING, (), HELLO_CRC)
    for read in (tensor.read, tensor.strings, lambda: list(tensor.stored())):
        with pytest.raises(ChecksumError) as caught:
            read()
        assert (caught.value.path, caught.value.offset) == (tensor.file, 7 + 5)


def test_short_and_missing_files_are_told(floats: StoredTensor) -> None:
    os.truncate(floats.file, 20)
    for read in (floats.read, lambda: list(floats.stored())):
        with pytest.raises(FormatError, match="expected 11 more bytes") as caught:
            read()
        assert (caught.value.path, caught.value.offset) == (floats.file, 20)
    os.unlink(floats.file)
    with pytest.raises(PathNotFoundError) as missing:
        floats.read()
    assert missing.value.path == floats.file


def test_stored_tensors_can_be_pickled(floats: StoredTensor) -> None:
    again = pickle.loads(pickle.dumps(floats))
    assert again == floats
    assert again.read().tolist() == floats.read().tolist()


@given(strategies.tensors())
def test_tensors_in_memory_are_stored_as_they_are_read(tensor: ArrayTensor) -> None:
    data = b"".join(bytes(piece) for piece in tensor.stored())
    assert len(data) == tensor.nbytes
    assert tensor.location is None
    if tensor.dtype == STRING:
        assert decode_strings(
            data, tensor.array.size, strings_crc(tensor.array.ravel().tolist())
        ) == (tensor.array.ravel().tolist())
    else:
        assert sha256(decode_fixed(data, tensor.dtype, tensor.shape, "little")) == sha256(
            tensor.array
        )
    copy = tensor.read()
    assert copy.flags.writeable
    assert sha256(copy) == sha256(tensor.array)


def test_strings_of_equal_length_stay_apart() -> None:
    # NumPy would make a matrix of bytes of them, and drop zeros at their ends.
    array = object_array([b"a\0", b"b\0"], (2,))
    assert array.tolist() == [b"a\0", b"b\0"]
    assert object_array([b"ab"], ()).item() == b"ab"
    assert object_array([], (0, 2)).shape == (0, 2)
