"""What must hold of tables, of what is in them, and of Snappy."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from tests.fuzz.messages import parsed
from tests.fuzz.target import check_offset
from tfartifacts.errors import FormatError, TfArtifactsError
from tfartifacts.formats.bundle_entries import encode_entry, encode_partitioned, parse_entry
from tfartifacts.formats.bundle_variables import BundleTensor
from tfartifacts.formats.shapes import read_shape
from tfartifacts.formats.slices import (
    Extents,
    check_tiling,
    encode_slice_key,
    read_extents,
    slice_shape,
    write_extents,
)
from tfartifacts.formats.snappy import decompress
from tfartifacts.formats.sniff import table_kind
from tfartifacts.formats.table import open_table, write_table
from tfartifacts.formats.table_blocks import parse_block
from tfartifacts.formats.tensor_bundle import most_shards, parse_header, read_index
from tfartifacts.formats.tensor_data import check_shape
from tfartifacts.formats.v1_checkpoint import read_v1_checkpoint
from tfartifacts.formats.wire import Message
from tfartifacts.model.values import Shape, TensorValue
from tfartifacts.model.variables import Variable, parse_shape_and_slice
from tfartifacts.storage.files import BytesSource

# Bytes of keys and values for each byte of the block they come from. Keys share beginnings: of 16
# entries, which lie between restarts, each may repeat the first.
MOST_FOR_BYTE = 64
MOST_PACKED = 22  # bytes for each byte of Snappy


def examine_table(data: bytes) -> bool:
    try:
        table = open_table(BytesSource("fuzzed", data))
        entries = list(table.entries())
        assert table_kind(BytesSource("fuzzed", data)) in ("V1", "V2")
    except TfArtifactsError:
        return False
    size = sum(len(key) + len(value) for key, value in entries)
    assert size <= MOST_FOR_BYTE * MOST_PACKED * len(data), f"{size} bytes from {len(data)}"
    assert all(first < second for (first, _), (second, _) in pairwise(entries))
    for key, value in entries[:2] + entries[-2:]:
        assert table.get(key) == value, f"another value of {key!r}"
    assert table.first_entry() == (entries[0] if entries else None)
    written = write_table(entries)
    assert list(open_table(BytesSource("written", written)).entries()) == entries
    return True


def examine_block(data: bytes) -> bool:
    """A block's contents, without the table around it."""
    try:
        entries = parse_block(data)
    except FormatError as error:
        check_offset(error, len(data))
        return False
    size = sum(len(key) + len(value) for key, value in entries)
    assert size <= MOST_FOR_BYTE * len(data), f"{size} bytes from {len(data)}"
    return True


def examine_snappy(data: bytes) -> bool:
    try:
        unpacked = decompress(data)
    except FormatError as error:
        check_offset(error, len(data))
        return False
    assert len(unpacked) <= MOST_PACKED * len(data)
    return True


def examine_bundle(data: bytes) -> bool:
    """An index, and every place it names."""
    try:
        header, variables, *_ = read_index(BytesSource("fuzzed", data), "/fuzzed/model")
    except TfArtifactsError:
        return False
    assert 0 <= header.num_shards < 1 << 31
    ranges = variables.ranges()
    for error in variables.overlaps(ranges):
        assert error.path is not None
    assert most_shards(variables) >= sum(len(parts) for parts in ranges.values())
    listed = list(variables.values())
    assert (
        [variable.name for variable in listed]
        == list(variables)
        == [n for n, _ in variables.items()]
    )
    assert len(listed) == len(variables)
    by_protobuf = _entries_by_protobuf(data)
    for variable in listed:
        if (expected := by_protobuf.get(variable.name)) is not None:
            _check_same(variable, expected)
        # Read one by one and all in turn, fast and slowly, an entry is the same.
        assert variables[variable.name] == variable
        _check_variable(variable, header.num_shards)
    return True


def _entries_by_protobuf(data: bytes) -> dict[str, Any]:
    """Each entry as protobuf reads it, by name; without those it does not read."""
    return {
        str(key, "utf-8", "surrogateescape"): entry
        for key, value in open_table(BytesSource("fuzzed", data)).entries()
        if (entry := parsed("BundleEntryProto", value)) is not None
    }


def _check_same(variable: Variable, entry: Any) -> None:
    assert variable.dtype.number == entry.dtype
    assert variable.shape == tuple(dim.size for dim in entry.shape.dim)
    assert len(variable.slices) == len(entry.slices)
    if variable.value is not None:
        place = variable.value.location
        assert place is not None
        assert (place.shard, place.offset) == (entry.shard_id, entry.offset)
        assert (place.size, place.crc32c) == (entry.size, entry.crc32c)


def _check_variable(variable: Variable, num_shards: int) -> None:
    elements = check_shape(variable.shape)
    if variable.value is not None:
        _check_place(variable.value, variable.name, num_shards)
    else:
        entry = parse_entry(encode_partitioned(variable), variable.name, num_shards)
        assert (entry.dtype, entry.shape) == (variable.dtype, variable.shape)
        assert entry.slices == tuple(part.extents for part in variable.slices)
        for part in variable.slices:
            _check_place(part.value, variable.name, num_shards)
        assert sum(prod(part.value.shape) for part in variable.slices) == elements
    assert variable.nbytes >= 0


def _check_place(value: TensorValue, name: str, num_shards: int) -> None:
    assert isinstance(value, BundleTensor)
    place = value.location
    if value.dtype.itemsize is not None:
        assert place.size == check_shape(value.shape) * value.dtype.itemsize
    again = parse_entry(
        encode_entry(value, place.shard, place.offset, place.size, place.crc32c), name, num_shards
    )
    assert (again.dtype, again.shape) == (value.dtype, value.shape)
    assert (again.shard, again.offset, again.size) == (place.shard, place.offset, place.size)
    assert again.crc32c == place.crc32c
    assert 0 <= place.shard < num_shards
    assert 0 <= place.offset <= place.offset + place.size < 1 << 63


def examine_header(data: bytes) -> bool:
    try:
        parse_header(data)
    except TfArtifactsError:
        return False
    return True


def examine_slices(data: bytes) -> bool:
    """A BundleEntryProto's shape (2) and slices (7), as a partitioned variable has them."""
    try:
        message = Message(data)
        shape = read_shape(message.message(2))
        elements = check_shape(shape)
        slices = [read_extents(part) for part in message.messages(7)]
    except TfArtifactsError:
        return False
    keys = [encode_slice_key(data[:8], extents) for extents in slices]
    # A whole dimension is written one way, whatever start stands beside it.
    assert len(set(keys)) == len({_as_keyed(extents) for extents in slices})
    for extents in slices:
        assert read_extents(Message(write_extents(extents))) == extents
    try:
        shapes = [slice_shape(extents, shape) for extents in slices]
    except FormatError:
        return False
    for extents in slices:
        text = " ".join([*map(str, shape), ":".join(map(str, extents))])
        if shape:
            parsed = parse_shape_and_slice(text)
            assert parsed[0] == shape
            assert parsed[1] is not None
            assert slice_shape(parsed[1], shape) == slice_shape(extents, shape)
    try:
        check_tiling(slices, shape)
    except FormatError as error:
        if "in no order" not in error.message and "interlocking" not in error.message:
            assert _tiles(slices, shape, elements) is not True
        return False
    assert sum(map(prod, shapes)) == elements
    assert _tiles(slices, shape, elements) is not False
    return True


def _as_keyed(extents: Extents) -> tuple[tuple[int, int], ...]:
    return tuple((0, -1) if e.length is None else (e.start, e.length) for e in extents)


def _tiles(slices: list[Extents], shape: Shape, elements: int) -> bool | None:
    """Whether each element is in one slice, found by counting; None where there are too many."""
    if elements > 4096 or len(shape) > 32 or max(shape, default=0) > 4096:
        return None
    counts = np.zeros(shape, np.int64)
    for extents in slices:
        bounds = (extent.bounds(size) for extent, size in zip(extents, shape, strict=True))
        counts[tuple(slice(*pair) for pair in bounds)] += 1
    return bool((counts == 1).all())


@cache
def _folder() -> str:
    folder = tempfile.mkdtemp(prefix="tfartifacts-fuzz-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def examine_v1_checkpoint(data: bytes) -> bool:
    """A V1 checkpoint of one file, and every value in it that is not too large to look at."""
    path = os.path.join(_folder(), f"model-{os.getpid()}")
    with open(path, "wb") as file:
        file.write(data)
    try:
        checkpoint = read_v1_checkpoint(path)
    except TfArtifactsError:
        return False
    for variable in checkpoint.variables.values():
        elements = check_shape(variable.shape)
        try:
            array = variable.read()
        except TfArtifactsError:
            continue
        # Every value is in the file, so that none is larger than it; booleans take a byte each.
        assert array.shape == variable.shape
        assert elements <= 8 * len(data) * MOST_PACKED
        for value in variable.values:
            size = sum(len(piece) for piece in value.stored())
            assert size == value.nbytes
    return True
