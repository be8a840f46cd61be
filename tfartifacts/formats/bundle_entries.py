"""The entries of a tensor bundle's index: what each says of a tensor, and where its bytes lie.

    BundleEntryProto : 1 dtype  2 shape  3 shard_id  4 offset  5 size  6 crc32c (fixed32, masked)
                       7 slices*  (of a partitioned variable, whose own entry has no place)

Fields that are 0 are left out, but the shape is always written. See tensor_bundle for the files.
Source: tensorflow/core/protobuf/tensor_bundle.proto, core/util/tensor_bundle/naming.cc.
"""

from __future__ import annotations

import re
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from typing import TYPE_CHECKING

from tfartifacts.dtypes import DType, dtype_from_number
from tfartifacts.errors import FormatError
from tfartifacts.formats.shapes import read_shape, write_shape
from tfartifacts.formats.slices import (
    Extents,
    check_tiling,
    encode_slice_key,
    read_extents,
    slice_shape,
    write_extents,
)
from tfartifacts.formats.tensor_data import StoredTensor, check_shape, expected_size
from tfartifacts.formats.wire import Message, put_bytes, put_fixed32, put_integer, signed
from tfartifacts.model.values import Buffer, Location, Shape, TensorValue
from tfartifacts.model.variables import Variable, VariableSlice
from tfartifacts.records import dataclass

if TYPE_CHECKING:
    from tfartifacts.formats.tensor_data import ByteOrder
    from tfartifacts.model.values import Array

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

# Offset and size of up to 8 bytes together stay far below 2^63.
_OFFSET = re.compile(rb"(?:\x20[\x80-\xff]{0,7}[\x00-\x7f])?")
_LARGE = 1 << 56

# Type, shape, and what an entry with them must hold behind shard and offset but for the checksum:
# its size (None: it is looked at field by field).
Head = tuple[DType, Shape, bytes | None]


# Shard, offset, size and crc32c.
Place = tuple[int, int, int, int]


class BundleTensor:
    """A tensor of a bundle by its index entry; where it lies is decoded when it is asked for.

    Opening and listing 100,000 variables should not cost more than reading their names. See
    TensorValue for what the methods promise.
    """

    __slots__ = ("_entry", "_files", "dtype", "shape")

    def __init__(self, dtype: DType, shape: Shape, entry: bytes, files: DataFiles) -> None:
        self.dtype = dtype
        self.shape = shape
        self._entry = entry
        self._files = files

    def _stored(self) -> StoredTensor:
        shard, offset, size, crc = place_of(self._entry)
        files = self._files
        file = data_file(files.prefix, shard, files.num_shards)
        return StoredTensor(
            self.dtype, self.shape, file, shard, offset, size, crc, files.byte_order
        )

    def __repr__(self) -> str:
        return f"BundleTensor({self._stored()!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BundleTensor) and self._stored() == other._stored()

    def __hash__(self) -> int:
        return hash(self._entry)

    @property
    def nbytes(self) -> int:
        return place_of(self._entry)[2]

    @property
    def place(self) -> Place:
        """What is in `location`, sooner."""
        return place_of(self._entry)

    @property
    def byte_order(self) -> ByteOrder:
        return self._files.byte_order

    @property
    def location(self) -> Location:
        return self._stored().location

    def read(self) -> Array:
        return self._stored().read()

    def read_elements(self, first: int, count: int) -> Array:
        return self._stored().read_elements(first, count)

    def strings(self) -> list[bytes]:
        """The elements of a string tensor in row-major order, without NumPy."""
        return self._stored().strings()

    def stored(self) -> Iterator[Buffer]:
        return self._stored().stored()


@dataclass(frozen=True, slots=True)
class DataFiles:
    """What the tensors of a bundle have in common."""

    prefix: str
    num_shards: int
    byte_order: ByteOrder


def place_of(entry: bytes) -> Place:
    """Shard, offset, size and crc32c of an entry that was checked before."""
    if (split := _head_length(entry)) and (tail := _TAIL.fullmatch(entry, split)):
        shard, offset, size, crc = tail.groups(b"")
        return _number(shard), _number(offset), _number(size), int.from_bytes(crc, "little")
    message = Message(entry)
    return message.integer(3), message.integer(4), message.integer(5), message.fixed32(6)


def _head_length(entry: bytes) -> int:
    """Bytes of an entry's type and shape, where they stand first and are short; else 0."""
    if entry[:1] == b"\x08" and entry[2:3] == b"\x12" and entry[1] < 0x80 and entry[3] < 0x80:
        length = 4 + entry[3]
        return length if length <= len(entry) else 0
    return 0


def _number(encoded: bytes) -> int:
    """The varint that _TAIL matched; 0 where there was none."""
    if len(encoded) <= 1:
        return encoded[0] if encoded else 0
    value = 0
    for position, byte in enumerate(encoded):
        value |= (byte & 0x7F) << (7 * position)
    return value


# Where a tensor begins and ends in its data file, and whose it is.
Range = tuple[int, int, str]


class BundleVariables(Mapping[str, Variable]):
    """A bundle's variables in file order; a Variable is made when it is asked for."""

    def __init__(
        self,
        files: DataFiles,
        entries: dict[str, bytes],
        heads: dict[bytes, Head],
        made: dict[str, Variable],
    ) -> None:
        self._files = files
        self._entries = entries  # every name, in file order, with its entry as it is stored
        self._heads = heads
        self._made = made  # those whose entry's first bytes do not tell type and shape

    def __getitem__(self, name: str) -> Variable:
        return self._variable(name, self._entries[name])

    def _variable(self, name: str, entry: bytes) -> Variable:
        if name in self._made:
            return self._made[name]
        split = _head_length(entry)
        head = self._heads.get(entry[:split])
        dtype, shape, _ = _parse_head(entry, name) if head is None else head
        return Variable(name, dtype, shape, BundleTensor(dtype, shape, entry, self._files))

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def items(self) -> ItemsView[str, Variable]:
        return _Items(self)

    def values(self) -> ValuesView[Variable]:
        return _Values(self)

    def _repr_html_(self) -> str:
        from tfartifacts.model.notebooks import variable_table

        return variable_table(self.made(), len(self))

    def made(self) -> Iterator[Variable]:
        """Each variable in turn, without a look-up for each."""
        heads, files, made = self._heads, self._files, self._made
        for name, entry in self._entries.items():
            head = heads.get(entry[: 4 + entry[3]]) if len(entry) > 4 else None
            if head is None or name in made:
                yield self._variable(name, entry)
            else:
                dtype, shape, _ = head
                yield Variable(name, dtype, shape, BundleTensor(dtype, shape, entry, files))

    def stored(self) -> Iterator[tuple[str, Place, BundleTensor | None]]:
        """Name and place of each stored tensor.

        And the tensor itself, but where its checksum covers the bytes as they are and any bytes
        will do: at the cost of a name.
        """
        made = self._made
        plain = {
            head
            for head, (dtype, _, size) in self._heads.items()
            if size is not None and (dtype.bits or 0) >= 8
        }
        for name, entry in self._entries.items():
            if name in made:
                continue
            if len(entry) > 4 and entry[: 4 + entry[3]] in plain:
                yield name, place_of(entry), None
            else:
                yield from _stored_of(self._variable(name, entry))
        for variable in self._made.values():
            yield from _stored_of(variable)

    def ranges(self) -> dict[int, list[Range]]:
        """For each shard that is used, in order: the range of each tensor in its data file."""
        ranges: dict[int, list[Range]] = {}
        for name, entry in self._entries.items():
            if name not in self._made:
                shard, offset, size, _ = place_of(entry)
                ranges.setdefault(shard, []).append((offset, offset + size, name))
        for name, variable in self._made.items():
            for value in variable.values:
                location = value.location
                assert location is not None  # a BundleTensor has one
                part = (location.offset, location.offset + location.size, name)
                ranges.setdefault(location.shard, []).append(part)
        return dict(sorted(ranges.items()))

    def overlaps(self, ranges: dict[int, list[Range]]) -> Iterator[FormatError]:
        """An error for each data file in which tensors lie over each other.

        No writer makes such a file, but a small one could hold thousands of large tensors.
        """
        for shard, parts in ranges.items():
            path = data_file(self._files.prefix, shard, self._files.num_shards)
            if (fault := overlap_fault(path, parts)) is not None:
                yield fault


def _stored_of(variable: Variable) -> Iterator[tuple[str, Place, BundleTensor]]:
    for value in variable.values:
        assert isinstance(value, BundleTensor)  # what a bundle's variables have
        yield variable.name, value.place, value


def overlap_fault(path: str, parts: Iterable[Range]) -> FormatError | None:
    """An error for tensors of a data file that lie over each other; None where none do."""
    found = 0
    message = ""
    first = 0
    reached, holder = 0, ""
    for start, end, name in sorted(parts):
        if start < reached and start < end:
            found += 1
            if found == 1:
                first = start
                message = (
                    f"found {name!r} at bytes {start} to {end}, of which {holder!r} holds "
                    f"those up to {reached}, expected each tensor in bytes of its own"
                )
        if end > reached:
            reached, holder = end, name
    if found > 1:
        message += f"; {found - 1} more overlap in this file"
    return FormatError(message, path=path, offset=first) if found else None


class _Values(ValuesView[Variable]):
    _mapping: BundleVariables

    def __iter__(self) -> Iterator[Variable]:
        return self._mapping.made()


class _Items(ItemsView[str, Variable]):
    _mapping: BundleVariables

    def __iter__(self) -> Iterator[tuple[str, Variable]]:
        return ((variable.name, variable) for variable in self._mapping.made())


# Told the name of a variable whose entry is at fault, and the fault.
Tell = Callable[[str, FormatError], None]


def parse_entries(
    entries: Iterable[tuple[bytes, bytes]], files: DataFiles, tell: Tell | None = None
) -> tuple[BundleVariables, list[bytes]]:
    """Variables, and the keys of stored slices that none of them refers to.

    `entries` are those behind the header. Raises FormatError that names the variable; with `tell`
    every fault is told instead, and variables with one are left out.
    """
    named: dict[str, bytes] = {}
    sliced: dict[str, tuple[bytes, Entry]] = {}
    stored_slices: dict[bytes, bytes] = {}
    heads: dict[bytes, Head] = {}
    repeated: dict[str, Variable] = {}
    is_offset = _OFFSET.fullmatch
    has_shards = files.num_shards > 0
    for key, value in entries:
        if key[0] == 0:
            stored_slices[key] = value
            continue
        name = str(key, "utf-8", "surrogateescape")
        named[name] = value
        try:
            # The rule: short type and shape, no shard (0), an offset or none (0), the size that
            # type and shape say, a checksum. Whatever differs is looked at field by field.
            head = None
            if len(value) > 4 and has_shards:
                split = 4 + value[3]
                head = heads.get(value[:split])
                if head is None and split == _head_length(value):
                    head = heads[value[:split]] = _parse_head(value[:split], name)
                if head is not None and (size_field := head[2]) is not None:
                    size_start = len(value) - 5 - len(size_field)
                    if (
                        value[-5] == 0x35
                        and value.startswith(size_field, size_start)
                        and is_offset(value, split, size_start)
                    ):
                        continue
            checked = parse_entry(value, name, files.num_shards)
        except FormatError as error:
            if tell is None:
                raise
            tell(name, error)
            del named[name]
            continue
        if checked.slices:
            sliced[name] = (key, checked)
        elif head is not None and head[:2] != (checked.dtype, checked.shape):
            # What an entry begins with is not all it says: a later field of the same number holds.
            tensor = BundleTensor(checked.dtype, checked.shape, value, files)
            repeated[name] = Variable(name, checked.dtype, checked.shape, tensor)
    partitioned = {}
    used: set[bytes] = set()
    for name, (key, entry) in sliced.items():
        variable = _partitioned_variable(name, key, entry, stored_slices, files, tell)
        used.update(encode_slice_key(key, extents) for extents in entry.slices)
        if variable is None:
            del named[name]
        else:
            partitioned[name] = variable
    made = {**partitioned, **repeated}
    orphans = [key for key in stored_slices if key not in used]
    return BundleVariables(files, named, heads, made), orphans


def _parse_head(head: bytes, name: str) -> Head:
    """Type and shape, with the size an entry must have, as it is encoded: see Head."""
    entry = within(Message, head, f"variable {name!r}")
    with _naming(name):
        dtype = dtype_from_number(entry.integer(1))
        shape = read_shape(entry.message(2))
        size = expected_size(dtype, check_shape(shape))
    return dtype, shape, None if size is None or size >= _LARGE else put_integer(5, size)


class _naming:  # noqa: N801 - reads as a word
    """Errors raised inside say which variable they are about."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FormatError):
            _name(error, self._name)


def _name(error: FormatError, name: str) -> None:
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


def _partitioned_variable(
    name: str,
    key: bytes,
    entry: Entry,
    stored_slices: Mapping[bytes, bytes],
    files: DataFiles,
    tell: Tell | None,
) -> Variable | None:
    """The variable; None where faults were told."""
    parts: list[VariableSlice] = []
    is_whole = True
    for fault in _slice_faults(name, key, entry, stored_slices, files, parts):
        _name(fault, name)
        if tell is None:
            raise fault
        tell(name, fault)
        is_whole = False
    return Variable(name, entry.dtype, entry.shape, None, tuple(parts)) if is_whole else None


def _slice_faults(
    name: str,
    key: bytes,
    entry: Entry,
    stored_slices: Mapping[bytes, bytes],
    files: DataFiles,
    parts: list[VariableSlice],
) -> Iterator[FormatError]:
    """What is wrong with the slices of a variable; those that are not go to `parts`."""
    if len(set(entry.slices)) != len(entry.slices):
        yield FormatError("found a slice listed twice")
    try:
        check_tiling(entry.slices, entry.shape)
    except FormatError as error:
        yield error
    for extents in entry.slices:
        shown = ":".join(map(str, extents))
        encoded = stored_slices.get(encode_slice_key(key, extents))
        if encoded is None:
            yield FormatError(f"found no entry for slice {shown}")
            continue
        try:
            shape = slice_shape(extents, entry.shape)
            stored = parse_entry(encoded, name, files.num_shards)
        except FormatError as error:
            yield error
            continue
        if stored.slices or stored.dtype != entry.dtype or stored.shape != shape:
            yield FormatError(
                f"found {stored.dtype} of shape {stored.shape} for slice {shown}, expected "
                f"{entry.dtype} of shape {shape}"
            )
            continue
        parts.append(VariableSlice(extents, BundleTensor(stored.dtype, shape, encoded, files)))


def encode_entry(value: TensorValue, shard: int, offset: int, size: int, crc: int) -> bytes:
    return (
        put_integer(1, value.dtype.number)
        + put_bytes(2, write_shape(value.shape))
        + put_integer(3, shard)
        + put_integer(4, offset)
        + put_integer(5, size)
        + put_fixed32(6, crc)
    )


def encode_partitioned(variable: Variable) -> bytes:
    slices = b"".join(put_bytes(7, write_extents(part.extents)) for part in variable.slices)
    return (
        put_integer(1, variable.dtype.number) + put_bytes(2, write_shape(variable.shape)) + slices
    )
