"""The entries of a tensor bundle's index: what each says of a tensor, and where its bytes lie.

    BundleEntryProto : 1 dtype  2 shape  3 shard_id  4 offset  5 size  6 crc32c (fixed32, masked)
                       7 slices*  (of a partitioned variable, whose own entry has no place)

Fields that are 0 are left out, but the shape is always written. See tensor_bundle for the files.
Source: tensorflow/core/protobuf/tensor_bundle.proto, core/util/tensor_bundle/naming.cc.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from tfartifacts.dtypes import DType, dtype_from_number
from tfartifacts.errors import FormatError
from tfartifacts.formats.shapes import read_shape, write_shape
from tfartifacts.formats.slices import (
    Extents,
    read_extents,
    write_extents,
)
from tfartifacts.formats.tensor_data import check_shape, expected_size
from tfartifacts.formats.wire import Message, put_bytes, put_fixed32, put_integer, signed, varint
from tfartifacts.model.values import Shape, TensorValue
from tfartifacts.model.variables import Variable
from tfartifacts.records import dataclass

SHARD_FILE = re.compile(r"\.data-(\d{5,10})-of-(\d{5,10})\Z")


def index_file(prefix: str) -> str:
    return prefix + ".index"


def data_file(prefix: str, shard: int, num_shards: int) -> str:
    return f"{prefix}.data-{shard:05d}-of-{num_shards:05d}"


def prefix_of_data_file(path: str) -> str | None:
    """`runs/model` for `runs/model.data-00000-of-00001`; None for any other name."""
    match = SHARD_FILE.search(path)
    return path[: match.start()] if match else None


@dataclass(frozen=True, slots=True)
class Entry:
    """A BundleEntryProto, checked on its own."""

    dtype: DType
    shape: Shape
    shard: int
    offset: int
    size: int
    crc32c: int
    slices: tuple[Extents, ...] = ()


def within(parse: Callable[[bytes], Message], value: bytes, what: str) -> Message:
    # A value's place in the file is lost when its key was put together; the name says it better.
    try:
        return parse(value)
    except FormatError as error:
        raise FormatError(f"{error.message} (in {what})") from None


# shard, offset, size and checksum as every writer lays them out: in order, each at most once.
# Ten bytes can hold more than 2^63; nine cannot.
_VARINT = rb"([\x80-\xff]{0,8}[\x00-\x7f])"
_TAIL = re.compile(
    rb"(?:\x18" + _VARINT + rb")?(?:\x20" + _VARINT + rb")?(?:\x28" + _VARINT + rb")?"
    rb"(?:\x35(.{4}))?",
    re.DOTALL,
)

_OFFSET_TAG = 0x20

# Offset and size of up to 8 bytes together stay far below 2^63.
_MOST_DIGITS = 8
_LARGE = 1 << 7 * _MOST_DIGITS  # a size that takes more; of one of 2^64 a varint would keep 0


class Head:
    """What an entry begins with: type and shape, for all entries that begin so.

    `length` is how many bytes that takes, 0 where an entry tells them elsewhere. `nbytes` is the
    size a tensor of them has; None where it is the entry that says so.
    """

    __slots__ = ("digits", "dtype", "length", "nbytes", "shape", "tail_length")

    def __init__(self, dtype: DType, shape: Shape, length: int, nbytes: int | None) -> None:
        self.dtype = dtype
        self.shape = shape
        self.length = length
        self.nbytes = nbytes
        # The size as a varint, as an entry has it, and how many bytes it takes with the checksum.
        self.digits = varint(nbytes) if nbytes else b""
        self.tail_length = (1 + len(self.digits) if nbytes else 0) + 5

    @property
    def is_plain(self) -> bool:
        """Whether a checksum covers the stored bytes as they are, and any bytes will do."""
        return (self.dtype.bits or 0) >= 8


# Where the digits of a number begin and end in an entry; (0, 0) if it has none.
Digits = tuple[int, int]


def plain_head(
    entry: bytes, name: str, heads: dict[bytes, Head], num_shards: int
) -> tuple[Head, Digits, Digits] | None:
    """The head of an entry that is sound and laid out as every writer does; None for any other.

    And where its shard and offset stand.

    The rule: short type and shape, then shard, offset, size and checksum in order, the size that
    type and shape say. Whatever differs is for parse_entry to look at, field by field. `heads` has
    those that were seen before. Raises FormatError, which names the variable, where type and shape
    are at fault.
    """
    if not (length := _head_length(entry)):
        return None
    head = heads.get(entry[:length])
    if head is None:
        head = heads[entry[:length]] = _parse_head(entry[:length], name)
    if not (tail := _TAIL.fullmatch(entry, length)):
        return None
    shard, offset, size, crc = tail.groups(b"")
    if (
        crc
        and (head.nbytes is None or (size == head.digits and head.nbytes < _LARGE))
        and len(size) <= _MOST_DIGITS
        and len(offset) <= _MOST_DIGITS
        and _number(shard) < num_shards
    ):
        return head, tail.span(1) if shard else (0, 0), tail.span(2) if offset else (0, 0)
    return None


_HIGH = bytes(range(0x80, 0x100))


def are_like_first(
    entries: Sequence[bytes], num_shards: int, head: Head, shard: Digits, offset: Digits
) -> bool:
    """Whether these entries differ in checksum and digits of shard and offset alone.

    They are of one size and begin with that head; the rest is what plain_head says of the first.
    Then all are as sound as the first. Compared column by column: each takes a twentieth of what
    a look at an entry takes.
    """
    first, count = entries[0], len(entries)
    size = len(first)
    together = b"".join(entries)
    columns = {place: together[place::size] for place in range(head.length, size - 4)}
    for begin, end in (shard, offset):
        for place in range(begin, end - 1):
            if columns.pop(place).translate(None, _HIGH):
                return False
        if begin < end and not columns[end - 1].isascii():
            return False
    if shard[0] < shard[1]:
        # The last digit counts most, and all before it are 0x80 or above.
        digits = [together[place::size] for place in reversed(range(*shard))]
        if _number(bytes(reversed(max(zip(*digits, strict=True))))) >= num_shards:
            return False
    ends = (shard[1] - 1, offset[1] - 1)
    return all(
        column == first[place : place + 1] * count
        for place, column in columns.items()
        if place not in ends
    )


# Shard, offset, size and crc32c.
Place = tuple[int, int, int, int]


def place_of(entry: bytes, head: Head) -> Place:
    """Shard, offset, size and crc32c of an entry with that head, which was checked before."""
    length = head.length
    if length and head.nbytes is not None:
        # plain_head saw that it is laid out so; mostly it lies in the first shard.
        end = len(entry) - head.tail_length
        if end == length:
            return 0, 0, head.nbytes, int.from_bytes(entry[-4:], "little")
        if entry[length] == _OFFSET_TAG:
            offset = _number(entry[length + 1 : end])
            return 0, offset, head.nbytes, int.from_bytes(entry[-4:], "little")
    if length and (tail := _TAIL.fullmatch(entry, length)):
        shard, digits, size, crc = tail.groups(b"")
        return _number(shard), _number(digits), _number(size), int.from_bytes(crc, "little")
    message = Message(entry)
    return message.integer(3), message.integer(4), message.integer(5), message.fixed32(6)


def _head_length(entry: bytes) -> int:
    """Bytes of an entry's type and shape, where they stand first and are short; else 0."""
    if len(entry) > 3 and entry[0] == 0x08 and entry[2] == 0x12 and (entry[1] | entry[3]) < 0x80:
        length = 4 + entry[3]
        return length if length <= len(entry) else 0
    return 0


def _number(encoded: bytes) -> int:
    """The varint that _TAIL matched; 0 where there was none."""
    size = len(encoded)
    if size <= 1:
        return encoded[0] if encoded else 0
    bits = int.from_bytes(encoded, "little")
    value = (bits & 0x7F) | (bits >> 1 & 0x3F80)
    if size > 2:
        value |= (bits >> 2 & 0x1FC000) | (bits >> 3 & 0xFE00000)
        for position in range(4, size):
            value |= (encoded[position] & 0x7F) << (7 * position)
    return value


def _parse_head(head: bytes, name: str) -> Head:
    entry = within(Message, head, f"variable {name!r}")
    with _naming(name):
        dtype = dtype_from_number(entry.integer(1))
        shape = read_shape(entry.message(2))
        size = expected_size(dtype, check_shape(shape))
    return Head(dtype, shape, len(head), size)


class _naming:  # noqa: N801 - reads as a word
    """Errors raised inside say which variable they are about."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FormatError):
            name_variable(error, self._name)


def name_variable(error: FormatError, name: str) -> None:
    if "(in variable" not in error.message:
        error.message += f" (in variable {name!r})"


def parse_entry(value: bytes, name: str, num_shards: int) -> Entry:
    """A BundleEntryProto in whatever form, checked.

    Raises FormatError that names the variable.
    """
    message = within(Message, value, f"variable {name!r}")
    with _naming(name):
        dtype = dtype_from_number(message.integer(1))
        shape = read_shape(message.message(2))
        size = expected_size(dtype, check_shape(shape))
        slices = tuple(read_extents(proto) for proto in message.messages(7))
        entry = Entry(
            dtype,
            shape,
            message.integer(3),
            message.integer(4),
            message.integer(5),
            message.fixed32(6),
            slices,
        )
        if slices:
            return entry
        if size is not None and entry.size != size:
            raise FormatError(
                f"found {entry.size} bytes for {dtype} of shape {shape}, expected {size}"
            )
        if not 0 <= entry.shard < num_shards:
            raise FormatError(f"found shard {entry.shard}, expected 0 to {num_shards - 1}")
        if entry.offset < 0 or entry.size < 0 or entry.offset + entry.size >= 1 << 63:
            raise FormatError(
                f"found {signed(entry.size)} bytes at {signed(entry.offset)}, expected a range"
            )
        return entry


def encode_entry(value: TensorValue, shard: int, offset: int, size: int, crc: int) -> bytes:
    return (
        _encode_head(value.dtype.number, tuple(value.shape))
        + put_integer(3, shard)
        + put_integer(4, offset)
        + put_integer(5, size)
        + put_fixed32(6, crc)
    )


@lru_cache(maxsize=1024)
def _encode_head(dtype_number: int, shape: Shape) -> bytes:
    """Type and shape: of a hundred thousand variables often the same few."""
    return put_integer(1, dtype_number) + put_bytes(2, write_shape(shape))


def encode_partitioned(variable: Variable) -> bytes:
    slices = b"".join(put_bytes(7, write_extents(part.extents)) for part in variable.slices)
    return _encode_head(variable.dtype.number, tuple(variable.shape)) + slices
