"""V1 checkpoints: tables that hold the tensors themselves.

    `<prefix>`, or shards `<prefix>-SSSSS-of-NNNNN`, each a table of its own:
    key ""    : SavedTensorSlices {1 meta {1 tensor* {1 name 2 shape 3 type 4 slice*}  2 versions}}
    slice key : SavedTensorSlices {2 data {1 name  2 slice  3 TensorProto}}

A whole tensor is one slice that covers every dimension. A value has neither type nor shape of its
own; all its elements are in the field of its type (see tensor_proto). Several shards, or several
slices of one, make up a partitioned variable.

Source: tensorflow/core/util/{saved_tensor_slice.proto,tensor_slice_reader.cc,
tensor_slice_writer.cc}. TensorFlow's CheckpointReader refuses half, complex, quantized and sliced
tensors; RestoreV2 and this reader do not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING

from tfartifacts.dtypes import DType, dtype_from_number
from tfartifacts.errors import FormatError, NotThisFormatError, PathNotFoundError, located
from tfartifacts.formats.shapes import read_shape
from tfartifacts.formats.slices import (
    Extents,
    check_tiling,
    encode_slice_key,
    read_extents,
    slice_shape,
)
from tfartifacts.formats.table import Table, open_table
from tfartifacts.formats.tensor_data import ArrayTensor, check_shape, expected_size
from tfartifacts.formats.tensor_proto import decode_tensor
from tfartifacts.formats.versions import check_versions, read_versions
from tfartifacts.formats.wire import Message
from tfartifacts.model.checkpoints import Checkpoint, File
from tfartifacts.model.graphs import Versions
from tfartifacts.model.values import Always, Buffer, Deferred, Shape
from tfartifacts.model.variables import Variable, Variables, VariableSlice
from tfartifacts.records import dataclass
from tfartifacts.storage.files import FileSource, absolute, describe_file, not_readable

if TYPE_CHECKING:
    from tfartifacts.errors import TfArtifactsError
    from tfartifacts.model.values import Array

_VERSION = 1  # core/public/version.h, TF_CHECKPOINT_VERSION
_MIN_PRODUCER = 0

_SHARD_FILE = re.compile(r"-(\d{5,10}|\?{5})-of-(\d{5,10})\Z")


def prefix_of_shard(path: str) -> str | None:
    """`runs/model` for `runs/model-00000-of-00002`, also for `?????` as number; else None."""
    match = _SHARD_FILE.search(path)
    return path[: match.start()] if match else None


def set_of_shard(path: str) -> str | None:
    """What to open for a shard's name or the pattern of a set; None for any other name.

    The prefix alone if it has one set of shards; the pattern `runs/model-?????-of-00002`, as
    TensorFlow calls a set, where saves of several numbers of shards lie side by side.
    """
    match = _SHARD_FILE.search(path)
    if match is None:
        return None
    prefix = path[: match.start()]
    num_shards = int(match[2])
    if set(_shard_sets(prefix)) <= {num_shards}:
        return prefix
    return f"{prefix}-?????-of-{num_shards:05d}"


@dataclass(frozen=True, slots=True)
class TableTensor:
    """A tensor inside a V1 table; see TensorValue for what its methods promise."""

    dtype: DType
    shape: Shape
    table: Table
    key: bytes

    @property
    def nbytes(self) -> int:
        size = expected_size(self.dtype, check_shape(self.shape))
        # The size of strings is not known before they are read.
        return self._in_memory().nbytes if size is None else size

    @property
    def location(self) -> None:
        return None

    def read(self) -> Array:
        array: Array = self._in_memory().array
        return array

    def stored(self) -> Iterator[Buffer]:
        return self._in_memory().stored()

    def _in_memory(self) -> ArrayTensor:
        value = self.table.get(self.key)
        path = self.table.source.path
        if value is None:
            raise FormatError(f"found no value for the stored slice {self.key!r}", path=path)
        with located(path):
            try:
                data = Message(value).message(2)
                proto = None if data is None else data.message(3)
                array = decode_tensor(
                    Message(b"") if proto is None else proto, self.dtype, self.shape, complete=True
                )
            except FormatError as error:
                # An offset within the value means nothing to who has the file.
                raise type(error)(f"{error.message} (in the slice {self.key!r})") from None
        return ArrayTensor(self.dtype, self.shape, array.copy())


def shard_files(prefix: str) -> tuple[str, ...]:
    """The files of a V1 checkpoint: the prefix itself, or all shards of the same set, by name.

    Empty where there is none. A complete set wins over an incomplete one.
    """
    if os.path.isfile(prefix):
        return (prefix,)
    match = _SHARD_FILE.search(prefix)
    if match is not None:
        return tuple(_shard_sets(prefix[: match.start()]).get(int(match[2]), ()))
    sets = _shard_sets(prefix)
    if not sets:
        return ()
    return tuple(max(sets.items(), key=lambda item: (len(item[1]) == item[0], item[0]))[1])


def _shard_sets(prefix: str) -> dict[int, list[str]]:
    """The shards there are of a prefix, by the number of shards in their names."""
    folder, base = os.path.split(prefix)
    try:
        names = os.listdir(folder or ".")
    except (OSError, ValueError):
        return {}
    sets: dict[int, list[str]] = {}
    for name in sorted(names):
        match = _SHARD_FILE.search(name) if name.startswith(base + "-") else None
        if match and match.start() == len(base) and "?" not in match[1]:
            sets.setdefault(int(match[2]), []).append(os.path.join(folder, name))
    return sets


def refuse_several_sets(prefix: str) -> None:
    """Raise NotThisFormatError where a prefix may mean one of several sets of shards."""
    if os.path.isfile(prefix) or _SHARD_FILE.search(prefix):
        return
    complete = [paths for number, paths in _shard_sets(prefix).items() if len(paths) == number]
    if len(complete) > 1:
        first = " or ".join(os.path.basename(paths[0]) for paths in complete)
        raise NotThisFormatError(
            f"found {len(complete)} sets of shards, expected one; pass a shard of the one meant: "
            f"{first}",
            path=prefix,
        )


def read_v1_checkpoint(prefix: str) -> Checkpoint:
    """The V1 checkpoint of that prefix. Index and header of each table are read and checked.

    Raises FormatError (with the byte offset), PathNotFoundError where there is none.
    """
    refuse_several_sets(prefix)
    paths = shard_files(prefix)
    if not paths:
        raise PathNotFoundError("no such checkpoint", path=prefix)
    stored: dict[str, tuple[DType, Shape, list[VariableSlice]]] = {}
    files: list[File] = []
    versions = Versions()
    for path in paths:
        file = describe_file(path)
        if file is None:
            raise not_readable(path, FileNotFoundError(2, ""))
        files.append(file)
        table = open_table(FileSource(absolute(path), file.size))
        with located(path):
            versions = _read_header(table, stored)
    num_shards, problems = missing_shards(paths)
    variables = Variables()
    for name in sorted(stored, key=lambda name: name.encode("utf-8", "surrogateescape")):
        dtype, shape, slices = stored[name]
        try:
            variables[name] = variable_of(name, dtype, shape, slices)
        except FormatError as error:
            present = sum(prod(part.value.shape) for part in slices)
            if not problems or present >= prod(shape):
                raise FormatError(f"{error.message} (in variable {name!r})", path=prefix) from None
            # A shard is missing, and with it slices: the rest of the variable is still shown.
            variables[name] = Variable(name, dtype, shape, None, tuple(slices))
    return Checkpoint(
        path=prefix,
        format="V1",
        num_shards=num_shards,
        variables=variables,
        versions=versions,
        files=tuple(files),
        problems_part=Deferred(Always(problems)),
    )


def missing_shards(paths: Sequence[str]) -> tuple[int, tuple[TfArtifactsError, ...]]:
    """How many shards there should be, and an error if some are missing."""
    match = _SHARD_FILE.search(paths[0])
    if match is None:
        return 1, ()
    num_shards = int(match[2])
    if len(paths) == num_shards:
        return num_shards, ()
    present = ", ".join(os.path.basename(path) for path in paths[:3])
    missing = PathNotFoundError(
        f"found {len(paths)} of {num_shards} shards ({present}); the variables in the others are "
        "missing",
        path=paths[0][: match.start()],
    )
    return num_shards, (missing,)


def _read_header(
    table: Table, stored: dict[str, tuple[DType, Shape, list[VariableSlice]]]
) -> Versions:
    first = table.first_entry()
    if first is None or first[0] != b"":
        raise FormatError("found no header, expected one as the first entry", offset=0)
    versions, declared = read_header(first[1])
    for tensor in declared:
        add_declared(tensor, table, stored)
    return versions


@dataclass(frozen=True, slots=True)
class Declared:
    """What a header says of a variable: its stored slices by their keys in the table."""

    name: str
    dtype: DType
    shape: Shape
    slices: tuple[tuple[bytes, Extents], ...]


def read_header(
    value: bytes, tell: Callable[[FormatError], None] | None = None
) -> tuple[Versions, list[Declared]]:
    """The version and the variables of a header.

    Raises FormatError; with `tell` every fault is told instead, and what has one left out.
    """
    declared: list[Declared] = []

    def fault(error: FormatError) -> None:
        named = type(error)(f"{error.message} (in the header)", offset=0)
        if tell is None:
            raise named from None
        tell(named)

    versions = Versions()
    try:
        meta = Message(value).message(1)
        if meta is None:
            raise FormatError("found no list of tensors in the header")
        versions = read_versions(meta.message(2))
        tensors = meta.spans(1)
    except FormatError as error:
        fault(error)
        return versions, declared
    try:
        check_versions(versions, _VERSION, _MIN_PRODUCER, "checkpoint")
    except FormatError as error:
        fault(error)
    for start, end in tensors:
        try:
            declared.append(_read_declared(Message(meta.buffer, start, end, meta.depth + 1)))
        except FormatError as error:
            fault(error)
    return versions, declared


def _read_declared(message: Message) -> Declared:
    raw_name = message.raw(1)
    dtype = dtype_from_number(message.integer(3))
    shape = read_shape(message.message(2))
    expected_size(dtype, check_shape(shape))
    slices = []
    for proto in message.messages(4):
        extents = read_extents(proto)
        slice_shape(extents, shape)
        slices.append((encode_slice_key(raw_name, extents), extents))
    return Declared(str(raw_name, "utf-8", "surrogateescape"), dtype, shape, tuple(slices))


def add_declared(
    tensor: Declared, table: Table, stored: dict[str, tuple[DType, Shape, list[VariableSlice]]]
) -> None:
    """Add the slices of a variable that a table's header declares to those of other tables.

    Raises FormatError where another declares it otherwise.
    """
    dtype, shape = tensor.dtype, tensor.shape
    known = stored.setdefault(tensor.name, (dtype, shape, []))
    if known[:2] != (dtype, shape):
        raise FormatError(
            f"found {tensor.name!r} as {dtype} of shape {shape} and as {known[0]} of shape "
            f"{known[1]} (in the header)",
            offset=0,
        )
    for key, extents in tensor.slices:
        value = TableTensor(dtype, slice_shape(extents, shape), table, key)
        known[2].append(VariableSlice(extents, value))


def variable_of(name: str, dtype: DType, shape: Shape, slices: list[VariableSlice]) -> Variable:
    """The variable that slices make up. Raises FormatError where they do not."""
    extents: list[Extents] = [part.extents for part in slices]
    if len(set(extents)) != len(extents):
        raise FormatError("found a slice stored twice")
    check_tiling(extents, shape)
    if not slices:  # of a shape without elements
        raise FormatError("found no slice, expected one or more")
    if len(slices) == 1:
        return Variable(name, dtype, shape, slices[0].value)
    return Variable(name, dtype, shape, None, tuple(slices))
