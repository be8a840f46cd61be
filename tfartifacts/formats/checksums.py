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


def combine(first: int, second: int, size: int) -> int:
    """CRC-32C of two parts that follow each other, by theirs; `size` bytes has the second.

    A checksum is a polynomial's remainder: that of the first is multiplied by x^(8 * size).
    Source: https://github.com/madler/zlib, crc32.c, crc32_combine.
    """
    return _times(_power(8 * size), first) ^ second


# Polynomials modulo that of CRC-32C, the highest bit the coefficient of x^0.
_POLYNOMIAL = 0x82F63B78
_ONE = 1 << 31


def _power(exponent: int) -> int:
    """x to that power."""
    power, square = _ONE, _ONE >> 1
    while exponent:
        if exponent & 1:
            power = _times(square, power)
        square = _times(square, square)
        exponent >>= 1
    return power


def _times(a: int, b: int) -> int:
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & _BITS
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
    return product


def mask(crc: int) -> int:
    return (((crc >> 15) | (crc << 17)) + _DELTA) & _BITS


def unmask(masked: int) -> int:
    rotated = (masked - _DELTA) & _BITS
    return ((rotated >> 17) | (rotated << 15)) & _BITS
