"""CRC-32C, and how TensorFlow masks it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfartifacts.formats.checksums import combine, crc32c, mask, unmask


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),  # the check value of the Castagnoli polynomial
        (b"\0" * 32, 0x8A9136AA),  # RFC 3720, B.4
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_crc_of_known_bytes(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


def test_masked_crc_of_nothing_is_what_empty_tensors_have() -> None:
    assert mask(0) == 0xA282EAD8


def test_mask_rotates_and_adds() -> None:
    assert mask(0xE3069283) == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert mask(0xFFFFFFFF) == 0xA282EAD7


@given(st.integers(0, 2**32 - 1))
def test_unmask_undoes_mask(crc: int) -> None:
    assert unmask(mask(crc)) == crc
    assert 0 <= mask(crc) < 2**32


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_crc_goes_on_where_it_stopped(pieces: list[bytes]) -> None:
    crc = 0
    for piece in pieces:
        crc = crc32c(memoryview(piece), crc)
    assert crc == crc32c(b"".join(pieces))


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_checksums_of_parts_make_that_of_the_whole(first: bytes, second: bytes) -> None:
    assert combine(crc32c(first), crc32c(second), len(second)) == crc32c(first + second)


def test_parts_may_be_large() -> None:
    zeros = bytes(1 << 20)
    crc = whole = crc32c(b"first")
    for _ in range(70):
        whole = crc32c(zeros, whole)
    rest = 0
    for _ in range(70):
        rest = crc32c(zeros, rest)
    assert combine(crc, rest, 70 << 20) == whole
