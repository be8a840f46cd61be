"""The files of an export, each made piece by piece into a sink."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import RawIOBase
from math import prod
from typing import Any, cast

from tfartifacts.dtypes import STRING, DType
from tfartifacts.errors import FormatError
from tfartifacts.exchange import npy, npy_folder, npz, safetensors, safetensors_shards
from tfartifacts.exchange.holding import to_holder
from tfartifacts.exchange.selecting import Outgoing
from tfartifacts.model.values import Buffer, Shape, Sink, TensorValue
from tfartifacts.records import dataclass


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file by its name in the destination's folder; `size` is None where it is not known.

    `write` hands its bytes to a sink.
    """

    name: str
    size: int | None
    write: Callable[[Sink], None]


def elements(value: TensorValue) -> Iterator[Buffer]:
    """The bytes of all elements, as the type that holds them has them.

    Raises FormatError where the value has other than its shape takes.
    """
    left = prod(value.shape) * (value.dtype.itemsize or 0)
    for piece in to_holder(value.stored(), value.dtype):
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        raise FormatError(
            f"found {'more' if left < 0 else 'fewer'} elements than shape {value.shape} has"
        )


def nbytes(value: TensorValue) -> int:
    """Bytes of all elements of a type of fixed size."""
    return prod(value.shape) * (value.dtype.itemsize or 0)


def _file(name: str, data: bytes) -> OutputFile:
    return OutputFile(name, len(data), lambda sink: cast(None, sink.write(data)))


# --- safetensors ----------------------------------------------------------------------------------


def safetensors_files(
    stem: str, tensors: Sequence[Outgoing], metadata: Mapping[str, str], most: int
) -> list[OutputFile]:
    """One file, or several that are each at most so large and an index, the index last."""
    values = {tensor.name: tensor.value for tensor in tensors}
    dtypes = {name: value.dtype for name, value in values.items()}
    shards = safetensors_shards.split({n: nbytes(v) for n, v in values.items()}, most)
    names = safetensors_shards.shard_names(stem, len(shards))
    files = []
    places: dict[str, str] = {}
    for file, shard in zip(names, shards, strict=True):
        own = {**metadata, **safetensors.dtypes_metadata(dtypes, shard)}
        files.append(_safetensors_file(file, {name: values[name] for name in shard}, own))
        places |= dict.fromkeys(shard, file)
    if len(shards) > 1:
        index = safetensors_shards.encode_index(places, sum(map(nbytes, values.values())))
        files.append(_file(stem + safetensors_shards.INDEX_SUFFIX, index))
    return files


def _safetensors_file(
    name: str, values: Mapping[str, TensorValue], metadata: Mapping[str, str]
) -> OutputFile:
    start, order = safetensors.laid_out(values, metadata)

    def write(sink: Sink) -> None:
        sink.write(start)
        for tensor in order:
            for piece in elements(values[tensor]):
                sink.write(piece)

    return OutputFile(name, len(start) + sum(map(nbytes, values.values())), write)


# --- NumPy ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Array:
    """An array to write: what comes before its elements, and these."""

    name: str
    dtype: DType
    shape: Shape
    start: bytes
    nbytes: int
    pieces: Callable[[], Iterable[Buffer]]

    @property
    def size(self) -> int:
        return len(self.start) + self.nbytes

    def write(self, sink: Sink) -> None:
        sink.write(self.start)
        for piece in self.pieces():
            sink.write(piece)


def _arrays(tensors: Sequence[Outgoing]) -> tuple[list[_Array], dict[str, npy.JoinedForm]]:
    """The arrays, and how those of joined strings are stored; strings are read."""
    arrays: list[_Array] = []
    forms: dict[str, npy.JoinedForm] = {}
    taken = {tensor.name for tensor in tensors}
    for tensor in tensors:
        value = tensor.value
        if value.dtype != STRING:
            start = npy.fixed_start(value)
            arrays.append(
                _Array(tensor.name, value.dtype, value.shape, start, nbytes(value), _pieces(value))
            )
            continue
        strings: list[bytes] = value.read().ravel().tolist()
        width = npy.fixed_width(strings)
        if width is not None:
            start = npy.encode_start(f"|S{width}", value.shape)
            data = b"".join(element.ljust(width, b"\0") for element in strings)
            arrays.append(_given(tensor.name, STRING, value.shape, start, data))
            continue
        offsets = _unused(tensor.name + ".offsets", taken)
        forms[tensor.name] = npy.JoinedForm(offsets, value.shape)
        data = b"".join(strings)
        start = npy.encode_start("|u1", (len(data),))
        arrays.append(_given(tensor.name, STRING, value.shape, start, data))
        places = npy.joined_offsets(strings)
        start = npy.encode_start("<u8", (len(strings) + 1,))
        arrays.append(_given(offsets, STRING, (len(strings) + 1,), start, places))
    return arrays, forms


def _pieces(value: TensorValue) -> Callable[[], Iterable[Buffer]]:
    return lambda: elements(value)


def _given(name: str, dtype: DType, shape: Shape, start: bytes, data: bytes) -> _Array:
    return _Array(name, dtype, shape, start, len(data), lambda: [data])


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def npz_files(
    name: str, tensors: Sequence[Outgoing], metadata: Mapping[str, str], *, compress: bool
) -> list[OutputFile]:
    """One archive."""
    arrays, forms = _arrays(tensors)
    dtypes = {tensor.name: tensor.value.dtype for tensor in tensors}
    text = npz.encode_metadata(metadata, dtypes, forms)
    start = npy.encode_start(f"|S{len(text)}", ())
    arrays.append(_given(npz.METADATA, STRING, (), start, text))

    def write(sink: Sink) -> None:
        with zipfile.ZipFile(cast(Any, _Stream(sink)), "w") as archive:
            for array in arrays:
                info = zipfile.ZipInfo(array.name + npy.SUFFIX)
                info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
                info.external_attr = 0o600 << 16
                with archive.open(info, "w", force_zip64=True) as member:
                    array.write(member)

    return [OutputFile(name, None if compress else _archive_size(arrays), write)]


def _archive_size(arrays: Iterable[_Array]) -> int:
    """Bytes of a stored archive, as zipfile writes one into a stream."""
    limit = zipfile.ZIP64_LIMIT
    end = directory = count = 0
    for array in arrays:
        name = len((array.name + npy.SUFFIX).encode())
        # In the directory, numbers of 8 bytes where 4 do not suffice.
        wide = 2 * (array.size > limit) + (end > limit)
        directory += 46 + name + (4 + 8 * wide if wide else 0)
        # With 20 bytes for sizes before the data, and 24 behind.
        end += 30 + name + 20 + array.size + 24
        count += 1
    is_wide = count > zipfile.ZIP_FILECOUNT_LIMIT or max(end, directory) > limit
    return end + directory + (56 + 20 if is_wide else 0) + 22


class _Stream(RawIOBase):
    """A sink as zipfile takes one that cannot be gone back in."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._sink.write(data)
        return len(data)


def npy_files(tensors: Sequence[Outgoing], metadata: Mapping[str, str]) -> list[OutputFile]:
    """A file for each array, and the index last."""
    arrays, forms = _arrays(tensors)
    names = npy_folder.file_names(array.name for array in arrays)
    files = [OutputFile(names[array.name], array.size, array.write) for array in arrays]
    own = {tensor.name for tensor in tensors}
    index = npy_folder.encode_index(
        metadata,
        {
            array.name: (names[array.name], array.dtype, array.shape)
            for array in arrays
            if array.name in own
        },
        {name: names[form.offsets] for name, form in forms.items()},
    )
    return [*files, _file(npy_folder.INDEX, index)]
