"""FarmHash's Fingerprint64, which TensorFlow makes fingerprints with: fast, not cryptographic.

    0 to 16, 17 to 32, 33 to 64 bytes : one formula each
    more                              : blocks of 64 into seven words of state, and the last 64
                                        bytes once more

All words are 64 bits, little-endian, arithmetic is modulo 2^64.
Source: github.com/google/farmhash, farmhash.cc, namespace farmhashna.

The libraries that bind it have no wheels for every Python and platform this package runs on; what
is hashed are index files, of a few MB at most.
"""

from __future__ import annotations

import struct

_MASK = 0xFFFFFFFFFFFFFFFF
_K0 = 0xC3A5C85C97CB3127
_K1 = 0xB492B66FBE98F273
_K2 = 0x9AE16A3B2F90404F
_CAT = 0xC6A4A7935BD1E995
_SEED = 81
_BLOCK = 64
_WORDS = struct.Struct("<8Q")


def fingerprint64(data: bytes) -> int:
    """The hash of some bytes, unsigned; some 40 MB in a second."""
    size = len(data)
    if size <= 16:
        return _hash_0_to_16(data, size)
    if size <= 32:
        return _hash_17_to_32(data, size)
    if size <= 64:
        return _hash_33_to_64(data, size)
    return _hash_long(data, size)


def concatenated(first: int, second: int) -> int:
    """The hash of two hashes (TensorFlow's FingerprintCat64, tsl/platform/fingerprint.h)."""
    value = first ^ _CAT
    value ^= _mix(second * _CAT & _MASK) * _CAT & _MASK
    value = value * _CAT & _MASK
    return _mix(_mix(value) * _CAT & _MASK)


def _word(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 8], "little")


def _half_word(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")


def _rotate(value: int, bits: int) -> int:
    """To the right; `value` must fit in 64 bits."""
    return (value >> bits | value << 64 - bits) & _MASK


def _mix(value: int) -> int:
    return value ^ value >> 47


def _hash_16(first: int, second: int, factor: int) -> int:
    first &= _MASK
    second &= _MASK
    mixed = _mix((first ^ second) * factor & _MASK)
    return _mix((second ^ mixed) * factor & _MASK) * factor & _MASK


def _hash_0_to_16(data: bytes, size: int) -> int:
    factor = _K2 + size * 2 & _MASK
    if size >= 8:
        a = _word(data, 0) + _K2 & _MASK
        b = _word(data, size - 8)
        c = _rotate(b, 37) * factor + a
        d = (_rotate(a, 25) + b) * factor
        return _hash_16(c, d, factor)
    if size >= 4:
        return _hash_16(size + (_half_word(data, 0) << 3), _half_word(data, size - 4), factor)
    if size:
        y = data[0] + (data[size >> 1] << 8)
        z = size + (data[size - 1] << 2)
        return _mix((y * _K2 ^ z * _K0) & _MASK) * _K2 & _MASK
    return _K2


def _hash_17_to_32(data: bytes, size: int) -> int:
    factor = _K2 + size * 2 & _MASK
    a = _word(data, 0) * _K1 & _MASK
    b = _word(data, 8)
    c = _word(data, size - 8) * factor & _MASK
    d = _word(data, size - 16) * _K2
    first = _rotate(a + b & _MASK, 43) + _rotate(c, 30) + d
    return _hash_16(first, a + _rotate(b + _K2 & _MASK, 18) + c, factor)


def _hash_33_to_64(data: bytes, size: int) -> int:
    factor = _K2 + size * 2 & _MASK
    a = _word(data, 0) * _K2 & _MASK
    b = _word(data, 8)
    c = _word(data, size - 8) * factor & _MASK
    d = _word(data, size - 16) * _K2
    y = _rotate(a + b & _MASK, 43) + _rotate(c, 30) + d & _MASK
    z = _hash_16(y, a + _rotate(b + _K2 & _MASK, 18) + c, factor)
    e = _word(data, 16) * factor & _MASK
    f = _word(data, 24)
    g = (y + _word(data, size - 32)) * factor & _MASK
    h = (z + _word(data, size - 24)) * factor
    first = _rotate(e + f & _MASK, 43) + _rotate(g, 30) + h
    return _hash_16(first, e + _rotate(f + a & _MASK, 18) + g, factor)


def _hash_long(data: bytes, size: int) -> int:
    mask, k1 = _MASK, _K1
    x = _SEED
    y = _SEED * _K1 + 113 & mask
    z = _mix(y * _K2 + 113 & mask) * _K2 & mask
    v0 = v1 = w0 = w1 = 0
    x = x * _K2 + _word(data, 0)
    whole = (size - 1) // _BLOCK * _BLOCK  # 1 to 64 bytes are left for the end
    view = memoryview(data)
    # Rotations and what is done to v and w are written out: a call costs more than all of it.
    for s0, s1, s2, s3, s4, s5, s6, s7 in _WORDS.iter_unpack(view[:whole]):
        t = x + y + v0 + s1 & mask
        x = ((t >> 37 | t << 27) & mask) * k1 & mask ^ w1
        t = y + v1 + s6 & mask
        y = ((t >> 42 | t << 22) & mask) * k1 + v0 + s5
        t = z + w0 & mask
        z = ((t >> 33 | t << 31) & mask) * k1 & mask
        a = v1 * k1 + s0
        t = x + w0 + a + s3 & mask
        b = t >> 21 | t << 43
        v0 = a + s1 + s2 & mask
        b += v0 >> 44 | v0 << 20
        v1 = b + a & mask
        v0 += s3
        a = z + w1 + s4
        t = y + s2 + a + s7 & mask
        b = t >> 21 | t << 43
        w0 = a + s5 + s6 & mask
        b += w0 >> 44 | w0 << 20
        w1 = b + a & mask
        w0 += s7
        x, z = z, x
    return _end(_WORDS.unpack(view[size - _BLOCK :]), size, (x, y, z, v0, v1, w0, w1))


def _end(last: tuple[int, ...], size: int, state: tuple[int, int, int, int, int, int, int]) -> int:
    """What the last 64 bytes, some of which were hashed before, make of the state."""
    x, y, z, v0, v1, w0, w1 = (word & _MASK for word in state)
    factor = _K1 + ((z & 0xFF) << 1) & _MASK
    w0 = w0 + (size - 1 & 63) & _MASK
    v0 = v0 + w0 & _MASK
    w0 = w0 + v0 & _MASK
    x = _rotate(x + y + v0 + last[1] & _MASK, 37) * factor & _MASK
    y = _rotate(y + v1 + last[6] & _MASK, 42) * factor & _MASK
    x ^= w1 * 9 & _MASK
    y = y + v0 * 9 + last[5] & _MASK
    z = _rotate(z + w0 & _MASK, 33) * factor & _MASK
    v0, v1 = _weak(last[:4], v1 * factor, x + w0)
    w0, w1 = _weak(last[4:], z + w1, y + last[2])
    z, x = x, z
    return _hash_16(
        _hash_16(v0, w0, factor) + _mix(y) * _K0 + z,
        _hash_16(v1, w1, factor) + x,
        factor,
    )


def _weak(words: tuple[int, ...], a: int, b: int) -> tuple[int, int]:
    a = a + words[0] & _MASK
    b = _rotate(b + a + words[3] & _MASK, 21)
    c = a
    a = a + words[1] + words[2] & _MASK
    b += _rotate(a, 44)
    return a + words[3] & _MASK, b + c & _MASK
