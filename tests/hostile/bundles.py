"""Builders of tables and tensor bundles of anything, with checksums that are right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tfartifacts.dtypes import dtype_from_name
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.formats.slices import encode_slice_key, write_extents
from tfartifacts.formats.table import EMPTY_BLOCK, MAGIC, Handle, write_table
from tfartifacts.formats.table_blocks import BlockBuilder
from tfartifacts.formats.wire import put_always, put_bytes, put_fixed32, put_integer, varint
from tfartifacts.model.variables import Extent

Entry = tuple[bytes, bytes]


def number_of(dtype: str) -> int:
    return dtype_from_name(dtype).number


FLOAT32, STRING, INT32 = map(number_of, ("float32", "string", "int32"))
HEADER: Entry = (b"", put_integer(1, 1) + put_bytes(3, put_integer(1, 1)))


def crc_of(data: bytes) -> int:
    """What an index entry holds of a tensor's bytes."""
    return mask(crc32c(data))


FOUR = crc_of(bytes(4))


# --- entries -------------------------------------------------------------------------------------


def shape_of(*sizes: int) -> bytes:
    return b"".join(put_bytes(2, put_integer(1, size)) for size in sizes)


def entry(
    shape: Sequence[int] = (1,),
    dtype: int = FLOAT32,
    shard: int = 0,
    offset: int = 0,
    size: int = 4,
    crc: int = FOUR,
) -> bytes:
    """A BundleEntryProto of anything."""
    return (
        put_integer(1, dtype)
        + put_bytes(2, shape_of(*shape))
        + put_integer(3, shard)
        + put_integer(4, offset)
        + put_integer(5, size)
        + put_fixed32(6, crc)
    )


def sliced(
    shape: Sequence[int], slices: Sequence[tuple[Extent, ...]], dtype: int = FLOAT32
) -> bytes:
    parts = b"".join(put_bytes(7, write_extents(extents)) for extents in slices)
    return put_integer(1, dtype) + put_bytes(2, shape_of(*shape)) + parts


def slice_of(*extents: tuple[int, int]) -> tuple[Extent, ...]:
    return tuple(Extent(start, length) for start, length in extents)


def slice_key(*extents: tuple[int, int], name: bytes = b"w") -> bytes:
    return encode_slice_key(name, slice_of(*extents))


# --- tables --------------------------------------------------------------------------------------


def block(*entries: Entry, restarts: bytes = bytes(4), num_restarts: int | None = None) -> bytes:
    """A block whose entries share nothing."""
    contents = b"".join(raw_entry(key, value) for key, value in entries)
    return with_restarts(contents, restarts, num_restarts)


def with_restarts(
    contents: bytes, restarts: bytes = bytes(4), num_restarts: int | None = None
) -> bytes:
    number = len(restarts) // 4 if num_restarts is None else num_restarts
    return contents + restarts + number.to_bytes(4, "little")


def raw_entry(
    key_tail: bytes,
    value: bytes = b"",
    shared: int = 0,
    unshared: int | None = None,
    size: int | None = None,
) -> bytes:
    """An entry of a block, its three numbers what they are told to be."""
    return (
        varint(shared)
        + varint(len(key_tail) if unshared is None else unshared)
        + varint(len(value) if size is None else size)
        + key_tail
        + value
    )


class Assembly:
    """A table put together block by block, whatever comes of it."""

    def __init__(self, before: bytes = b"") -> None:
        self.output = bytearray(before)

    def add(self, contents: bytes, compression: int = 0, *, is_damaged: bool = False) -> Handle:
        handle = Handle(len(self.output), len(contents))
        covered = contents + bytes((compression,))
        crc = crc_of(covered) ^ is_damaged
        self.output += covered + crc.to_bytes(4, "little")
        return handle

    def add_index(self, handles: Iterable[Entry]) -> Handle:
        index = BlockBuilder(restart_interval=1)
        for key, value in handles:
            index.add(key, value)
        return self.add(index.contents())

    def table(self, metaindex: bytes, index: bytes) -> bytes:
        return bytes(self.output) + (metaindex + index).ljust(40, b"\0") + MAGIC


def raw_table(
    blocks: Sequence[bytes],
    handles: Sequence[Entry] | None = None,
    *,
    compression: int = 0,
    before: bytes = b"",
    metaindex: bytes | None = None,
    metaindex_block: bytes = EMPTY_BLOCK,
    index: bytes | None = None,
    behind: bytes = b"",
) -> bytes:
    """A table of blocks as given; index block, footer and what lies between as they are told."""
    made = Assembly(before)
    named = [
        (b"\xff%d" % number, made.add(contents, compression).encoded())
        for number, contents in enumerate(blocks)
    ]
    own_metaindex = made.add(metaindex_block).encoded()
    own_index = made.add_index(named if handles is None else handles).encoded()
    made.output += behind
    return made.table(
        own_metaindex if metaindex is None else metaindex, own_index if index is None else index
    )


def handle(offset: int, size: int) -> bytes:
    return Handle(offset, size).encoded()


def longer(number: int, length: int) -> bytes:
    """A varint of more bytes than it need have."""
    return bytes(number >> 7 * place & 0x7F | 0x80 for place in range(length - 1)) + bytes(
        (number >> 7 * (length - 1) & 0x7F,)
    )


# --- bundles -------------------------------------------------------------------------------------


def write_bundle(
    folder: Path, entries: Iterable[Entry], data: bytes = bytes(64), *, header: Entry = HEADER
) -> None:
    """A checkpoint `m` of these entries, sorted, with a header."""
    write_index(folder, write_table(sorted([header, *entries])), data)


def write_index(folder: Path, index: bytes, data: bytes = bytes(64)) -> None:
    (folder / "m.index").write_bytes(index)
    (folder / "m.data-00000-of-00001").write_bytes(data)


def strings(lengths: Sequence[bytes], numbers: Sequence[int], elements: bytes) -> tuple[bytes, int]:
    """A string tensor's bytes from lengths as they are encoded and as they count, and its crc."""
    fixed = b"".join(number.to_bytes(4 if number < 1 << 32 else 8, "little") for number in numbers)
    checksum = crc_of(fixed).to_bytes(4, "little")
    crc = mask(crc32c(elements, crc32c(checksum, crc32c(fixed))))
    return b"".join(lengths) + checksum + elements, crc


# --- V1 checkpoints ------------------------------------------------------------------------------


def write_v1(
    folder: Path,
    tensors: Sequence[bytes],
    values: Sequence[Entry] = (),
    versions: bytes = b"\x08\x01",
) -> None:
    """A V1 checkpoint `m` whose header lists these tensors."""
    meta = b"".join(put_bytes(1, tensor) for tensor in tensors)
    header = (b"", put_bytes(1, meta + put_bytes(2, versions)))
    (folder / "m").write_bytes(write_table(sorted([header, *values])))


def v1_tensor(
    shape: Sequence[int] = (1,),
    dtype: int = FLOAT32,
    slices: Sequence[tuple[Extent, ...]] = ((Extent(),),),
    name: bytes = b"w",
) -> bytes:
    return (
        put_bytes(1, name)
        + put_bytes(2, shape_of(*shape))
        + put_always(3, dtype)
        + b"".join(put_bytes(4, write_extents(extents)) for extents in slices)
    )


def v1_value(
    proto: bytes = put_bytes(5, bytes(4)),
    extents: tuple[Extent, ...] = (Extent(),),
    name: bytes = b"w",
) -> Entry:
    data = put_bytes(1, name) + put_bytes(2, write_extents(extents)) + put_bytes(3, proto)
    return encode_slice_key(name, extents), put_bytes(2, data)
