"""Files of other formats as checkpoints."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tfartifacts.dtypes import DType, dtype_from_name
from tfartifacts.errors import ConversionError, NotThisFormatError, located, name_not_found
from tfartifacts.exchange import npy, npy_folder, npz, safetensors, safetensors_shards, zip_members
from tfartifacts.exchange.renaming import renamed
from tfartifacts.formats.sniff import describe_foreign
from tfartifacts.model.checkpoints import Checkpoint, File
from tfartifacts.model.from_arrays import array_value, check_name, storable_dtype
from tfartifacts.model.values import DTypeLike, TensorValue
from tfartifacts.model.variables import Variable, Variables
from tfartifacts.records import dataclass
from tfartifacts.storage.files import describe_file, read_file

GLOBAL_STEP = "global_step"
_INT64 = dtype_from_name("int64")


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a file or folder holds: values by name, texts beside them, the files it is read from."""

    format: str
    values: Mapping[str, TensorValue]
    metadata: Mapping[str, str]
    files: tuple[File, ...]


def read_incoming(path: str, dtypes: Mapping[str, DType] | None = None) -> Incoming:
    """What is at a path, told by its content; no elements are read.

    A .safetensors file, its index, a .npz or .npy file, or a folder of one of these. `dtypes` tell
    those types that NumPy's files do not. Raises PathNotFoundError, NotThisFormatError (it names
    what is there), FormatError, UnsupportedError.
    """
    told = dtypes or {}
    if os.path.isdir(path):
        return _folder(path, told)
    start = read_file(path, 1 << 12)
    if start[:4] in (zip_members.MAGIC, zip_members.EMPTY_MAGIC):
        values, metadata = npz.read_values(path, told)
        return _incoming("npz", values, metadata, [path])
    if start[:6] == npy.MAGIC:
        return _incoming("npy", npy_folder.read_single(path, told), {}, [path])
    if os.path.basename(path) == npy_folder.INDEX and npy_folder.has_index(os.path.dirname(path)):
        return _folder(os.path.dirname(path), told)
    if path.endswith(".json"):
        found, metadata, paths = safetensors_shards.read_shards(path)
        return _incoming("safetensors", found, metadata, [path, *paths])
    if path.endswith(safetensors.SUFFIX) or start[8:9] == b"{":
        header = safetensors.read_header(path)
        return _incoming(
            "safetensors", safetensors.read_values(path, header), header.metadata, [path]
        )
    file = describe_file(path)
    what = describe_foreign(start, 0 if file is None else file.size)
    raise NotThisFormatError(
        f"found {what or 'a file of another kind'}, expected safetensors, .npz or .npy", path=path
    )


def _folder(folder: str, told: Mapping[str, DType]) -> Incoming:
    names = sorted(os.listdir(folder))
    indexes = [name for name in names if name.endswith(safetensors_shards.INDEX_SUFFIX)]
    singles = [name for name in names if name.endswith(safetensors.SUFFIX)]
    for name in indexes:
        whole = name.removesuffix(safetensors_shards.INDEX_SUFFIX) + safetensors.SUFFIX
        if whole in singles:
            raise ConversionError(
                f"found {whole!r} and {name!r}, which may be of two exports; pass the one you mean",
                path=folder,
            )
    for found in (indexes, singles):
        if len(found) == 1:
            return read_incoming(os.path.join(folder, found[0]), told)
    if indexes or singles:
        raise ConversionError(
            f"found {len(indexes or singles)} files that could be meant; pass one of "
            + ", ".join((indexes or singles)[:5]),
            path=folder,
        )
    if any(name.endswith(npy.SUFFIX) for name in names):
        values, metadata, paths = npy_folder.read_values(folder, told)
        return _incoming("npy", values, metadata, paths)
    raise NotThisFormatError(
        "found a folder without safetensors or .npy files, expected them", path=folder
    )


def _incoming(
    format: str,
    values: Mapping[str, TensorValue],
    metadata: Mapping[str, str],
    paths: list[str],
) -> Incoming:
    files = (describe_file(path) for path in dict.fromkeys(paths))
    return Incoming(format, values, metadata, tuple(file for file in files if file is not None))


def import_checkpoint(
    path: str | os.PathLike[str],
    *,
    names: Mapping[str, str] | None = None,
    step: int | None = None,
    dtypes: Mapping[str, DTypeLike] | None = None,
) -> Checkpoint:
    """A checkpoint of what is in a file of another format, to be written with `save`.

    Of a .safetensors file, the index of several, a .npz or .npy file, or a folder of these; told by
    content. All is checked but the elements, which are read when they are asked for. `names` gives
    tensors other names. `step` makes `global_step` (int64) that number, whether there was one or
    not; the prefix to save to is the caller's. `dtypes` tells types that NumPy's files do not:
    {"w": "bfloat16"}.

    Raises PathNotFoundError, NotThisFormatError (it names what is there), FormatError and
    UnsupportedError for what is damaged, hostile, or nothing a checkpoint can hold;
    NameNotFoundError for a name in `names` or `dtypes` that is not there, ConversionError for two
    tensors of one name.
    """
    place = os.fspath(path)
    told = {name: storable_dtype(dtype) for name, dtype in (dtypes or {}).items()}
    incoming = read_incoming(place, told)
    for name in told:
        if name not in incoming.values:
            raise name_not_found("tensor", name, incoming.values)
    values = renamed(incoming.values, names or {})
    if step is not None:
        values[GLOBAL_STEP] = _step(step)
    with located(place):
        if not values:
            raise ConversionError("found no tensors, expected one or more")
        variables = [_variable(name, value) for name, value in values.items()]
    variables.sort(key=lambda variable: variable.name.encode("utf-8", "surrogateescape"))
    return Checkpoint(
        place,
        "V2",
        1,
        Variables((variable.name, variable) for variable in variables),
        files=incoming.files,
        notes=_notes(incoming),
    )


def _variable(name: str, value: TensorValue) -> Variable:
    check_name(name)
    return Variable(name, value.dtype, value.shape, value)


def _step(step: int) -> TensorValue:
    import numpy as np

    if not 0 <= step < 1 << 63:
        raise ConversionError(f"found step {step}, expected 0 or more")
    return array_value(np.int64(step), _INT64)


def _notes(incoming: Incoming) -> tuple[str, ...]:
    known = ("source", "step", "tensorflow_version", "tfartifacts_version")
    told = [f"{key} {incoming.metadata[key]}" for key in known if key in incoming.metadata]
    return (f"the file says: {', '.join(told)}",) if told else ()
