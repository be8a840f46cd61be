"""What is equal without being read, and a number by which equal variables are found.

A V2 checkpoint stores the size and the CRC-32C of each tensor's bytes (tensor_bundle.proto): where
both are equal, of two values of one type and shape, so are the values, but for one chance in 2^32
and for damage that nobody looked for.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastcrc.crc32 import iscsi

from tfartifacts.model import Variable
from tfartifacts.model.row_major import stored_row_major
from tfartifacts.model.values import TensorValue
from tfartifacts.weights.holders import MOST_REPEATED, single_element

_MASK_DELTA = 0xA282EAD8  # tensorflow/core/lib/hash/crc32c.h
_BITS = 0xFFFFFFFF


def have_equal_checksums(ours: Variable, theirs: Variable) -> bool:
    """Whether two variables of one type, shape and byte order are stored as the same bytes.

    False where that cannot be told: other files store no checksum of a tensor.
    """
    if ours.value is not None and theirs.value is not None:
        return _equal(ours.value, theirs.value)
    if not ours.slices or len(ours.slices) != len(theirs.slices):
        return False
    there = {part.extents: part.value for part in theirs.slices}
    return all(
        part.extents in there and _equal(part.value, there[part.extents]) for part in ours.slices
    )


def _equal(ours: TensorValue, theirs: TensorValue) -> bool:
    one, other = ours.location, theirs.location
    return (
        one is not None
        and other is not None
        and (one.size, one.crc32c) == (other.size, other.crc32c)
    )


def stored_checksum(variable: Variable, byte_order: str) -> int | None:
    """The checksum an index has of a variable that is stored whole, little-endian; else None."""
    if variable.value is None or byte_order != "little":
        return None
    location = variable.value.location
    return None if location is None else location.crc32c


def computed_checksum(variable: Variable) -> int | None:
    """The same of any variable of a fixed-size type, which is read for it; None for others.

    None too for a constant that repeats one value too often to be gone through.
    """
    if variable.dtype.itemsize is None:
        return None
    if variable.num_elements > MOST_REPEATED and single_element(variable) is not None:
        return None
    crc = 0
    for piece in stored_row_major(variable):
        crc = iscsi(piece, crc)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & _BITS


def checksums(
    variables: Mapping[str, Variable], byte_order: str, *, may_read: bool
) -> dict[str, int]:
    """The checksums of variables by name, as far as they are stored or may be computed.

    Raises what reading does.
    """
    found: dict[str, int] = {}
    for name, variable in variables.items():
        checksum = stored_checksum(variable, byte_order)
        if checksum is None and may_read:
            checksum = computed_checksum(variable)
        if checksum is not None:
            found[name] = checksum
    return found
