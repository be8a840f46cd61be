"""A folder of .npy files, and the index that says which tensor each is.

    index.json   {"schema": 1, "metadata": {text: text}, "tensors": {name: tensor, ...}}
    tensor       {"file": "bert.pooler.dense.bias.npy", "dtype": "float32", "shape": [768]}
                 and, of joined strings (see npy), "offsets": the file of the second array

A file is named for its tensor, with what not every file system takes replaced; where two would
have one name (also where letters count alike in both cases), a number is added. All are in the
folder itself. A folder without index.json is read as well: its files are named for the tensors.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tfartifacts.dtypes import STRING, DType, dtype_from_name
from tfartifacts.errors import FormatError, located
from tfartifacts.exchange.file_values import Span
from tfartifacts.exchange.json_objects import check_name_text, parse_object
from tfartifacts.exchange.npy import (
    MAX_START,
    SUFFIX,
    JoinedForm,
    Start,
    array_value,
    joined_value,
    read_start,
)
from tfartifacts.exchange.npz import joined_form
from tfartifacts.exchange.safetensors_shards import is_plain_name
from tfartifacts.model.values import Shape, TensorValue
from tfartifacts.storage.files import describe_file, read_file

INDEX = "index.json"
SCHEMA = 1
_MAX_INDEX = 100_000_000  # bytes
_UNSAFE = re.compile(r"[^A-Za-z0-9_.\-]+")
_MOST_NAME = 120  # characters


def file_names(names: Iterable[str]) -> dict[str, str]:
    """A file for each name, no two alike on any file system, none hidden."""
    taken: set[str] = {INDEX}
    files = {}
    for name in names:
        safe = _UNSAFE.sub("_", name.replace("/", ".")).strip(".")[-_MOST_NAME:].lstrip(".-")
        safe = safe or "_"
        number, candidate = 1, safe
        while (candidate + SUFFIX).lower() in taken:
            number += 1
            candidate = f"{safe}-{number}"
        files[name] = candidate + SUFFIX
        taken.add(files[name].lower())
    return files


def encode_index(
    metadata: Mapping[str, str],
    tensors: Mapping[str, tuple[str, DType, Shape]],
    offsets: Mapping[str, str],
) -> bytes:
    """The index; `tensors` are file, type and shape by name."""
    document = {
        "schema": SCHEMA,
        "metadata": dict(metadata),
        "tensors": {
            name: {
                "file": file,
                "dtype": dtype.name,
                "shape": list(shape),
                **({"offsets": offsets[name]} if name in offsets else {}),
            }
            for name, (file, dtype, shape) in tensors.items()
        },
    }
    return (json.dumps(document, indent=1) + "\n").encode()


def has_index(folder: str) -> bool:
    """Whether there is an index of this kind, or what looks like one."""
    if describe_file(os.path.join(folder, INDEX)) is None:
        return False
    start = read_file(os.path.join(folder, INDEX), 200)
    return b'"schema"' in start and b'"metadata"' in start


def read_values(
    folder: str, told: Mapping[str, DType]
) -> tuple[dict[str, TensorValue], dict[str, str], list[str]]:
    """The arrays of a folder as values, its metadata, and its files; no elements are read.

    Raises FormatError where index and files do not agree or a file is not in the folder.
    """
    if has_index(folder):
        return _by_index(folder, told)
    values = {}
    paths = []
    for file in sorted(os.listdir(folder)):
        if file.endswith(SUFFIX):
            start, held = _array(folder, file)
            name = file.removesuffix(SUFFIX)
            paths.append(held.path)
            with located(held.path):
                check_name_text(name)
                values[name] = array_value(start, held, name, told.get(name))
    return values, {}, paths


def read_single(path: str, told: Mapping[str, DType]) -> dict[str, TensorValue]:
    """The array of one .npy file, named for it."""
    folder, file = os.path.split(path)
    start, held = _array(folder, file)
    name = file.removesuffix(SUFFIX)
    with located(path):
        return {name: array_value(start, held, name, told.get(name))}


def _by_index(
    folder: str, told: Mapping[str, DType]
) -> tuple[dict[str, TensorValue], dict[str, str], list[str]]:
    path = os.path.join(folder, INDEX)
    with located(path):
        text = read_file(path, _MAX_INDEX + 1)
        if len(text) > _MAX_INDEX:
            raise FormatError(f"found an index of more than {_MAX_INDEX} bytes, expected fewer")
        document = parse_object(text)
        metadata, tensors = document.get("metadata"), document.get("tensors")
        if document.get("schema") != SCHEMA or not isinstance(tensors, dict):
            raise FormatError(f"found no schema {SCHEMA} and tensors, expected an index of arrays")
        if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
            raise FormatError("found metadata that is no object of texts, expected one")
        entries = {name: _entry(name, entry) for name, entry in tensors.items()}
    values = {}
    paths = [path]
    for name, (file, dtype, shape, joined) in entries.items():
        start, held = _array(folder, file)
        paths.append(held.path)
        with located(held.path):
            if joined is not None:
                offsets = _array(folder, joined.offsets)
                paths.append(offsets[1].path)
                values[name] = joined_value((start, held), offsets, shape, name)
                continue
            value = array_value(start, held, name, told.get(name, dtype))
            if value.shape != shape:
                raise FormatError(
                    f"found shape {value.shape}, expected {shape} as in {INDEX} (tensor {name!r})"
                )
            values[name] = value
    return values, metadata, paths


def _entry(name: str, entry: Any) -> tuple[str, DType, Shape, JoinedForm | None]:
    check_name_text(name)
    if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str):
        raise FormatError(f"found no file, dtype and shape, expected them (of tensor {name!r})")
    shape = entry.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise FormatError(f"found a shape that is none (of tensor {name!r})")
    for file in (entry.get("file"), entry.get("offsets", "_" + SUFFIX)):
        if not isinstance(file, str) or not is_plain_name(file) or not file.endswith(SUFFIX):
            raise FormatError(
                f"found the file {file!r}, expected the name of a .npy file in the folder (of "
                f"tensor {name!r})"
            )
    dtype = dtype_from_name(entry["dtype"])
    joined = joined_form(entry, name) if "offsets" in entry else None
    if joined is not None and dtype != STRING:
        raise FormatError(f"found offsets of {dtype}, expected them of strings ({name!r})")
    return entry["file"], dtype, tuple(shape), joined


def _array(folder: str, file: str) -> tuple[Start, Span]:
    path = os.path.join(folder, file)
    real = os.path.realpath(folder or ".")
    if os.path.dirname(os.path.realpath(path)) != real:
        raise FormatError("found a link to a file elsewhere, expected it in the folder", path=path)
    found = read_file(path, MAX_START)
    described = describe_file(path)
    size = 0 if described is None else described.size
    with located(path):
        start = read_start(found)
        if start.size + start.nbytes != size:
            raise FormatError(
                f"found {start.descr!r} of shape {start.shape}, which takes {start.nbytes} bytes, "
                f"expected the {size - start.size} that follow"
            )
    return start, Span(path, 0, size)
