"""Slices of partitioned variables: their keys in a table, their strings, whether they fit.

    slice key : num(0) text(name) num(rank) (signed_num(start) signed_num(length))*rank
                a whole dimension is start 0, length -1
    num(v)    : n:u8 then v as n big-endian bytes without leading zeros; 0 is n = 0
    text(s)   : s with 00 as 00 ff and ff as ff 00, then 00 01
    signed_num: v as n big-endian two's complement bytes, n the least with room for n bits of
                header; the header (n-1 ones, then a zero, inverted for negative v) is XORed in,
                so that encodings sort as numbers do
    TensorSliceProto : 1 extent*      Extent : 1 start, 2 length (missing: the whole dimension)
    shape and slice  : "4 3 0,2:-", the full shape, then extents joined by ":"

Sources: tensorflow/core/util/saved_tensor_slice_util.cc, core/lib/strings/ordered_code.cc,
core/framework/tensor_slice.cc. A slice key starts with a zero byte: it sorts right after the header
and is never shown as a name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod

from tfartifacts.errors import FormatError
from tfartifacts.formats.wire import Message, put_always, put_bytes, put_integer
from tfartifacts.model.values import Shape
from tfartifacts.model.variables import Extent

Extents = tuple[Extent, ...]

_SLICE_KEY = re.compile(rb"\x00((?:[^\x00\xff]|\x00\xff|\xff\x00)*)\x00\x01", re.DOTALL)

# Bits XORed into the first bytes of a signed number of n bytes.
_HEADERS = {n: (((1 << n) - 1) << (8 * n - n)) for n in range(1, 11)}


def encode_slice_key(name: bytes, extents: Extents) -> bytes:
    key = _number(0) + _text(name) + _number(len(extents))
    for extent in extents:
        start, length = (0, -1) if extent.length is None else (extent.start, extent.length)
        key += _signed_number(start) + _signed_number(length)
    return key


def name_in_slice_key(key: bytes) -> str:
    """The variable that a slice key says it belongs to; "" where it is no slice key."""
    match = _SLICE_KEY.match(key)
    if match is None:
        return ""
    name = re.sub(rb"(\x00)\xff|(\xff)\x00", lambda found: found[1] or found[2], match[1])
    return str(name, "utf-8", "surrogateescape")


def _number(value: int) -> bytes:
    size = (value.bit_length() + 7) // 8
    return bytes((size,)) + value.to_bytes(size, "big")


def _text(value: bytes) -> bytes:
    # ff first: its replacement brings in zeros that must not be escaped again.
    escaped = b"\xff\x00".join(part.replace(b"\x00", b"\x00\xff") for part in value.split(b"\xff"))
    return escaped + b"\x00\x01"


def _signed_number(value: int) -> bytes:
    magnitude = ~value if value < 0 else value
    size = next(n for n in range(1, 11) if magnitude < 1 << (7 * n - 1))
    bits = value & ((1 << (8 * size)) - 1)
    return (bits ^ _HEADERS[size]).to_bytes(size, "big")


def read_extents(proto: Message) -> Extents:
    """The extents of a TensorSliceProto."""
    extents = []
    for extent in proto.messages(1):
        start, length = extent.integer(1), extent.optional_integer(2)
        if start < 0 or (length is not None and length < 0):
            raise FormatError(
                f"found a slice from {start} of length {length}, expected neither below 0",
                offset=extent.start,
            )
        extents.append(Extent(start, length))
    return tuple(extents)


def write_extents(extents: Extents) -> bytes:
    """An encoded TensorSliceProto."""
    encoded = b""
    for extent in extents:
        # An extent's length is a oneof: written even if it is 0.
        length = b"" if extent.length is None else put_always(2, extent.length)
        encoded += put_bytes(1, put_integer(1, extent.start) + length)
    return encoded


def slice_shape(extents: Extents, shape: Shape) -> Shape:
    """Shape of the slice of a tensor of that full shape.

    Raises FormatError where it reaches beyond.
    """
    if len(extents) != len(shape):
        raise FormatError(f"found a slice of rank {len(extents)}, expected rank {len(shape)}")
    sizes = []
    for extent, dimension in zip(extents, shape, strict=True):
        start, end = extent.bounds(dimension)
        if end > dimension:
            raise FormatError(f"found a slice up to {end}, expected at most {dimension}")
        sizes.append(end - start)
    return tuple(sizes)


def check_tiling(slices: Sequence[Extents], shape: Shape) -> None:
    """Raise FormatError unless the slices cover a tensor of that shape, each element once."""
    covered = sum(prod(slice_shape(extents, shape)) for extents in slices)
    if covered != prod(shape):
        raise FormatError(
            f"found slices of {covered} elements together, expected {prod(shape)}; "
            "a part is missing or stored twice"
        )
    boxes = [
        tuple(extent.bounds(dimension) for extent, dimension in zip(extents, shape, strict=True))
        for extents in slices
        if prod(slice_shape(extents, shape))
    ]
    if _some_overlap(boxes, len(shape)):
        raise FormatError("found slices that overlap, expected each element once")


Box = tuple[tuple[int, int], ...]


def _some_overlap(boxes: list[Box], rank: int) -> bool:
    """Whether two boxes share an element.

    Boxes are parted along an axis wherever a cut crosses none of them, then each part along the
    others. TensorFlow's partitioners cut into a grid, where this ends with parts of one box; a
    part that no cut separates is compared pair by pair, the first overlap ending it.
    """
    parts = [boxes]
    # A grid takes one look at each box and axis; a hostile file could make each cut part one box.
    looks = 16 * len(boxes) * rank + 10_000
    while parts:
        part = parts.pop()
        if len(part) < 2:
            continue
        for axis in range(rank):
            looks -= len(part)
            if looks < 0:
                raise FormatError(f"found {len(boxes)} slices in no order, expected a grid")
            groups = _cut(part, axis)
            if len(groups) > 1:
                parts.extend(groups)
                break
        else:
            if _some_pair_overlaps(part):
                return True
    return False


def _cut(boxes: list[Box], axis: int) -> list[list[Box]]:
    groups: list[list[Box]] = []
    reach = -1
    for box in sorted(boxes, key=lambda box: box[axis]):
        if not groups or box[axis][0] >= reach:
            groups.append([])
        groups[-1].append(box)
        reach = max(reach, box[axis][1])
    return groups


def _some_pair_overlaps(boxes: list[Box]) -> bool:
    # Volumes add up to the whole here, so a part of n boxes that no cut separates is rare and
    # small in genuine files; 100 bound what a hostile one can cost.
    if len(boxes) > 100:
        raise FormatError(f"found {len(boxes)} interlocking slices, expected a grid")
    return any(
        all(a[0] < b[1] and b[0] < a[1] for a, b in zip(first, second, strict=True))
        for position, first in enumerate(boxes)
        for second in boxes[:position]
    )
