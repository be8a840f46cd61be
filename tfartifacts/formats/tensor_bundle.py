"""V2 checkpoints: `<prefix>.index`, a table of entries, and `<prefix>.data-SSSSS-of-NNNNN`.

    key ""         : BundleHeaderProto {1 num_shards  2 endianness: 0 little, 1 big  3 versions}
    key name       : BundleEntryProto {1 dtype  2 shape  3 shard_id  4 offset  5 size
                                       6 crc32c (fixed32, masked)  7 slices*}
    slice key      : BundleEntryProto of one slice of a partitioned variable, whose own entry has
                     dtype, full shape and slices only

A tensor is `size` bytes from `offset` of its shard's data file; see tensor_data for what is in
them. Fields that are 0 are left out, but the shape is always written. Tensors follow each other
without gaps in the order they were added; readers go by offsets only.

Source: tensorflow/core/util/tensor_bundle/{tensor_bundle.cc,naming.cc},
core/protobuf/tensor_bundle.proto.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from contextlib import AbstractContextManager
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

from tfartifacts.dtypes import STRING, DType, dtype_from_number
from tfartifacts.errors import FormatError, PathNotFoundError, UnsupportedError, located
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.formats.shapes import read_shape, write_shape
from tfartifacts.formats.slices import (
    Extents,
    check_tiling,
    encode_slice_key,
    read_extents,
    slice_shape,
    write_extents,
)
from tfartifacts.formats.table import Source, open_table, write_table
from tfartifacts.formats.tensor_data import (
    StoredTensor,
    check_shape,
    encode_strings,
    encode_variants,
    expected_size,
    strings_crc,
    variants_crc,
)
from tfartifacts.formats.wire import (
    Message,
    put_bytes,
    put_fixed32,
    put_integer,
    signed,
    varint,
)
from tfartifacts.model.checkpoints import BUNDLE_VERSIONS, Checkpoint, File
from tfartifacts.model.graphs import Versions
from tfartifacts.model.values import Buffer, Deferred, Location, Shape, Sink, TensorValue
from tfartifacts.model.variables import Variable, VariableSlice
from tfartifacts.storage.files import BytesSource, absolute, describe_file, read_file

if TYPE_CHECKING:
    from tfartifacts.errors import TfArtifactsError
    from tfartifacts.formats.tensor_data import ByteOrder
    from tfartifacts.model.values import Array

# tensor_bundle.h: what this reader understands, and the least a producer may require of it.
_VERSION = 1
_MIN_PRODUCER = 0

# Shards beyond one for each tensor that are believed: a count alone costs a writer two bytes, and
# whoever copies the bundle a file for each.
_SPARE_SHARDS = 10_000

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"

_SHARD_FILE = re.compile(r"\.data-(\d{5,10})-of-(\d{5,10})\Z")


def index_file(prefix: str) -> str:
    return prefix + ".index"


def data_file(prefix: str, shard: int, num_shards: int) -> str:
    return f"{prefix}.data-{shard:05d}-of-{num_shards:05d}"


def prefix_of_data_file(path: str) -> str | None:
    """`runs/model` for `runs/model.data-00000-of-00001`; None for any other name."""
    match = _SHARD_FILE.search(path)
    return path[: match.start()] if match else None


@dataclass(frozen=True, slots=True)
class Header:
    num_shards: int
    byte_order: ByteOrder
    versions: Versions


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


def read_bundle(prefix: str, index: bytes | None = None) -> Checkpoint:
    """The checkpoint of that prefix; its index is read and checked, its data files only measured.

    `index` gives the index file's bytes where they were read already. Data files that are missing
    or too short, and tensors that overlap, are told in Checkpoint.problems. Raises FormatError
    (with the byte offset) for anything wrong in the index, PathNotFoundError where it is missing.
    """
    path = index_file(prefix)
    source = BytesSource(path, read_file(path) if index is None else index)
    header, variables, orphans = read_index(source, prefix)
    files = _data_files(prefix, header.num_shards, variables)
    notes = _stale_files(prefix, header.num_shards)
    if orphans:
        notes = (*notes, f"{orphans} stored slices belong to no variable")
    own = describe_file(path)
    return Checkpoint(
        path=prefix,
        format="V2",
        num_shards=header.num_shards,
        variables=variables,
        versions=header.versions,
        byte_order=header.byte_order,
        files=tuple(file for file in (own, *files) if file is not None),
        problems_part=Deferred(_FindProblems(absolute(prefix), header.num_shards, variables)),
        notes=notes,
    )


def read_index(source: Source, prefix: str) -> tuple[Header, BundleVariables, int]:
    """Header, variables, and the number of stored slices that no variable refers to."""
    entries = open_table(source).entries()
    with located(source.path):
        key, value = next(entries, (None, b""))
        if key != b"":
            raise FormatError("found no bundle header, expected one as the first entry", offset=0)
        header = parse_header(value)
        variables, orphans = _parse_entries(entries, header, prefix)
    return header, variables, orphans


def parse_header(value: bytes) -> Header:
    """The header's fields, if a reader of this version may read the bundle."""
    with located(None):
        message = _within(Message, value, "the bundle header")
    num_shards = message.integer(1)
    endianness = message.integer(2)
    versions = read_versions(message.message(3))
    if not 0 <= num_shards <= 0x7FFFFFFF:
        raise FormatError(f"found {num_shards} shards in the bundle header")
    if endianness not in (0, 1):
        raise FormatError(f"found endianness {endianness}, expected 0 (little) or 1 (big)")
    check_versions(versions, _VERSION, _MIN_PRODUCER, "bundle")
    return Header(num_shards, "big" if endianness else "little", versions)


def read_versions(message: Message | None) -> Versions:
    """A VersionDef {1 producer  2 min_consumer  3 bad_consumers*}."""
    if message is None:
        return Versions()
    return Versions(message.integer(1), message.integer(2), tuple(message.integers(3)))


def write_versions(versions: Versions) -> bytes:
    bad = b"".join(map(varint, versions.bad_consumers))
    return (
        put_integer(1, versions.producer)
        + put_integer(2, versions.min_consumer)
        + (put_bytes(3, bad) if bad else b"")
    )


def check_versions(versions: Versions, version: int, min_producer: int, what: str) -> None:
    """Refuse what its writer says this reader cannot read (core/framework/versions.cc)."""
    reason = None
    if versions.producer < min_producer:
        reason = f"version {versions.producer}, older than {min_producer}"
    elif versions.min_consumer > version:
        reason = f"that only readers of version {versions.min_consumer} or later can read"
    elif version in versions.bad_consumers:
        reason = f"that forbids readers of version {version}"
    if reason is not None:
        raise UnsupportedError(f"found a {what} {reason}; expected version {version}")


def _within(parse: Callable[[bytes], Message], value: bytes, what: str) -> Message:
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

_OFFSET = re.compile(rb"(?:\x20[\x80-\xff]{0,8}[\x00-\x7f])?")

# Type, shape, and what an entry with them must hold behind shard and offset but for the checksum:
# its size (None: any size).
Head = tuple[DType, Shape, bytes | None]


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
    def location(self) -> Location:
        return self._stored().location

    def read(self) -> Array:
        return self._stored().read()

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


def place_of(entry: bytes) -> tuple[int, int, int, int]:
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
            if found:
                path = data_file(self._files.prefix, shard, self._files.num_shards)
                yield FormatError(message, path=path, offset=first)


class _Values(ValuesView[Variable]):
    _mapping: BundleVariables

    def __iter__(self) -> Iterator[Variable]:
        return self._mapping.made()


class _Items(ItemsView[str, Variable]):
    _mapping: BundleVariables

    def __iter__(self) -> Iterator[tuple[str, Variable]]:
        return ((variable.name, variable) for variable in self._mapping.made())


def _parse_entries(
    entries: Iterable[tuple[bytes, bytes]], header: Header, prefix: str
) -> tuple[BundleVariables, int]:
    files = DataFiles(absolute(prefix), header.num_shards, header.byte_order)
    named: dict[str, bytes] = {}
    sliced: dict[str, tuple[bytes, Entry]] = {}
    stored_slices: dict[bytes, bytes] = {}
    heads: dict[bytes, Head] = {}
    repeated: dict[str, Variable] = {}
    is_offset = _OFFSET.fullmatch
    has_shards = header.num_shards > 0
    for key, value in entries:
        if key[0] == 0:
            stored_slices[key] = value
            continue
        name = str(key, "utf-8", "surrogateescape")
        named[name] = value
        # The rule: short type and shape, no shard (0), an offset or none (0), the size that type
        # and shape say, a checksum. Whatever differs is looked at field by field.
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
        checked = parse_entry(value, name, header.num_shards)
        if checked.slices:
            sliced[name] = (key, checked)
        elif head is not None and head[:2] != (checked.dtype, checked.shape):
            # What an entry begins with is not all it says: a later field of the same number holds.
            tensor = BundleTensor(checked.dtype, checked.shape, value, files)
            repeated[name] = Variable(name, checked.dtype, checked.shape, tensor)
    partitioned = {
        name: _partitioned_variable(name, key, entry, stored_slices, files)
        for name, (key, entry) in sliced.items()
    }
    used = sum(len(variable.slices) for variable in partitioned.values())
    made = {**partitioned, **repeated}
    return BundleVariables(files, named, heads, made), len(stored_slices) - used


def _parse_head(head: bytes, name: str) -> Head:
    """Type and shape, with the size an entry must have, as it is encoded; None: any size."""
    entry = _within(Message, head, f"variable {name!r}")
    with _naming(name):
        dtype = dtype_from_number(entry.integer(1))
        shape = read_shape(entry.message(2))
        size = expected_size(dtype, check_shape(shape))
    return dtype, shape, None if size is None else put_integer(5, size)


class _naming:  # noqa: N801 - reads as a word
    """Errors raised inside say which variable they are about."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FormatError) and "(in variable" not in error.message:
            error.message += f" (in variable {self._name!r})"


def parse_entry(value: bytes, name: str, num_shards: int) -> Entry:
    """A BundleEntryProto in whatever form, checked.

    Raises FormatError that names the variable.
    """
    message = _within(Message, value, f"variable {name!r}")
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
) -> Variable:
    parts = []
    with _naming(name):
        if len(set(entry.slices)) != len(entry.slices):
            raise FormatError("found a slice listed twice")
        check_tiling(entry.slices, entry.shape)
        for extents in entry.slices:
            shown = ":".join(map(str, extents))
            encoded = stored_slices.get(encode_slice_key(key, extents))
            if encoded is None:
                raise FormatError(f"found no entry for slice {shown}")
            stored = parse_entry(encoded, name, files.num_shards)
            shape = slice_shape(extents, entry.shape)
            if stored.slices or stored.dtype != entry.dtype or stored.shape != shape:
                raise FormatError(
                    f"found {stored.dtype} of shape {stored.shape} for slice {shown}, expected "
                    f"{entry.dtype} of shape {shape}"
                )
            value = BundleTensor(stored.dtype, shape, encoded, files)
            parts.append(VariableSlice(extents, value))
    return Variable(name, entry.dtype, entry.shape, None, tuple(parts))


def _most_shards(variables: Mapping[str, Variable]) -> int:
    return sum(len(variable.values) for variable in variables.values()) + _SPARE_SHARDS


def _data_files(prefix: str, num_shards: int, variables: BundleVariables) -> list[File]:
    """The data files there are."""
    most = num_shards
    if num_shards > _SPARE_SHARDS:
        # A hostile header may claim 2^31 shards: no more are looked for than can hold something.
        most = min(num_shards, _most_shards(variables))
    shards = range(most)
    files = (describe_file(data_file(prefix, shard, num_shards)) for shard in shards)
    return [file for file in files if file is not None]


@dataclass(frozen=True, slots=True)
class _FindProblems:
    """Looks, when called, for data files that are missing or too short, and for overlaps."""

    prefix: str
    num_shards: int
    variables: BundleVariables

    def __call__(self) -> tuple[TfArtifactsError, ...]:
        problems: list[TfArtifactsError] = []
        ranges = self.variables.ranges()
        for shard, parts in ranges.items():
            _, end, name = max(parts, key=itemgetter(1))
            path = data_file(self.prefix, shard, self.num_shards)
            file = describe_file(path)
            if file is None:
                problems.append(
                    PathNotFoundError(
                        f"no such file; it holds {name!r} and what else is in shard {shard}",
                        path=path,
                    )
                )
            elif file.size < end:
                problems.append(
                    FormatError(
                        f"found the end of the file, expected {end - file.size} more bytes, up to "
                        f"the end of {name!r}; the file is truncated, or belongs to another save "
                        "than its index",
                        path=path,
                        offset=file.size,
                    )
                )
        return (*problems, *self.variables.overlaps(ranges))


def _stale_files(prefix: str, num_shards: int) -> tuple[str, ...]:
    """Data files of this prefix that another save must have left."""
    folder, base = os.path.split(prefix)
    stale = []
    try:
        for name in os.listdir(folder or "."):
            match = _SHARD_FILE.search(name) if name.startswith(base + ".data-") else None
            if match and match.start() == len(base) and int(match[2]) != num_shards:
                stale.append(name)
    except OSError:
        return ()
    return tuple(
        f"{name} belongs to another save: the index counts {num_shards} shards"
        for name in sorted(stale)
    )


def refuse_unwritable(checkpoint: Checkpoint) -> None:
    """Raise FormatError for a bundle that would come out far larger than it is stored.

    That is one with many more shards than tensors, or with tensors that share bytes. Variables
    that a caller put together are his own: several may have one value.
    """
    _refuse_empty_shards(checkpoint)
    variables = checkpoint.variables
    if isinstance(variables, BundleVariables):
        for overlap in variables.overlaps(variables.ranges()):
            raise overlap


def _refuse_empty_shards(checkpoint: Checkpoint) -> None:
    num_shards = checkpoint.num_shards
    if checkpoint.format != "V2" or num_shards <= _SPARE_SHARDS:
        return
    most = _most_shards(checkpoint.variables)
    if num_shards > most:
        raise FormatError(
            f"found {num_shards} shards for {most - _SPARE_SHARDS} stored tensors, expected at "
            f"most {most}: each would be a file to write",
            path=index_file(checkpoint.path),
        )


def write_bundle(
    checkpoint: Checkpoint, prefix: str, create: Callable[[str], AbstractContextManager[Sink]]
) -> None:
    """Write data files and index of a checkpoint, whatever its format, as V2 on little-endian.

    `create` opens a new file for writing. Variables stay in their shard and in the order of their
    source's data file, so that a bundle TensorFlow wrote comes out byte for byte. Every value's
    stored checksum is compared on the way. See refuse_unwritable for what comes first.
    """
    _refuse_empty_shards(checkpoint)
    num_shards = checkpoint.num_shards if checkpoint.format == "V2" else 1
    slices = [
        (variable, part) for variable in checkpoint.variables.values() for part in _parts(variable)
    ]
    entries: list[tuple[bytes, bytes]] = []
    by_shard: dict[int, list[tuple[int, int, int]]] = {}
    for position, (_, (_, value)) in enumerate(slices):
        location = value.location
        shard, offset, size = 0, 1 << 63, 0
        if location is not None:
            shard, offset, size = location.shard, location.offset, location.size
        # An empty tensor lies where the next one begins, and before it.
        by_shard.setdefault(shard, []).append((offset, size, position))
    for shard in range(num_shards):
        with create(data_file(prefix, shard, num_shards)) as sink:
            offset = 0
            for *_, position in sorted(by_shard.get(shard, ())):
                variable, (extents, value) = slices[position]
                size, crc = _write_value(value, sink)
                key = variable.name.encode("utf-8", "surrogateescape")
                if extents is not None:
                    key = encode_slice_key(key, extents)
                entries.append((key, encode_entry(value, shard, offset, size, crc)))
                offset += size
    entries += [
        (
            variable.name.encode("utf-8", "surrogateescape"),
            encode_partitioned(variable),
        )
        for variable in checkpoint.variables.values()
        if variable.value is None
    ]
    versions = checkpoint.versions if checkpoint.format == "V2" else BUNDLE_VERSIONS
    header = put_integer(1, num_shards) + put_bytes(3, write_versions(versions))
    with create(index_file(prefix)) as sink:
        sink.write(write_table(sorted([(b"", header), *entries])))


def _parts(variable: Variable) -> list[tuple[Extents | None, TensorValue]]:
    if variable.value is not None:
        return [(None, variable.value)]
    return [(part.extents, part.value) for part in variable.slices]


def _write_value(value: TensorValue, sink: Sink) -> tuple[int, int]:
    """Write the elements; their size and masked checksum."""
    if value.dtype.itemsize is None:
        elements = value.read().ravel().tolist()
        is_string = value.dtype == STRING
        data = encode_strings(elements) if is_string else encode_variants(elements)
        sink.write(data)
        return len(data), strings_crc(elements) if is_string else variants_crc(elements)
    size = crc = 0
    for piece in value.stored():
        crc = crc32c(piece, crc)
        size += len(piece)
        sink.write(piece)
    return size, mask(crc)


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
