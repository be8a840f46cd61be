"""CRC-32C as TensorFlow stores it: masked, so that a checksum of checksums stays strong.

    masked = rotate_right(crc, 15) + 0xa282ead8   (mod 2^32)

Source: tensorflow/core/lib/hash/crc32c.h.
"""

from __future__ import annotations

from fastcrc.crc32 import iscsi

from tfartifacts.model.values import Buffer

_DELTA = 0xA282EAD8
_BITS = 0xFFFFFFFF


def crc32c(data: Buffer, crc: int = 0) -> int:
    """CRC-32C of data, or of what `crc` is the checksum of followed by data."""
    return iscsi(data, crc)


def mask(crc: int) -> int:
    return (((crc >> 15) | (crc << 17)) + _DELTA) & _BITS


def unmask(masked: int) -> int:
    rotated = (masked - _DELTA) & _BITS
    return ((rotated >> 17) | (rotated << 15)) & _BITS
