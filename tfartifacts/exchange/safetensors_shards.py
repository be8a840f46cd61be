"""Tensors in several .safetensors files, and the index that says which is where.

    model-00001-of-00003.safetensors ...
    model.safetensors.index.json : {"metadata": {"total_size": bytes},
                                    "weight_map": {name: "model-00002-of-00003.safetensors", ...}}

Tensors go to the files in their order; a file is full where the next one would make its tensors
larger than allowed, and a tensor that is larger alone has a file of its own. That is how the
Hugging Face libraries write and read them (huggingface_hub, serialization/_base.py).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any

from tfartifacts.errors import ConversionError, FormatError, located
from tfartifacts.exchange.file_values import HeldValue
from tfartifacts.exchange.json_objects import check_name_text, parse_object
from tfartifacts.exchange.safetensors import MAX_HEADER, SUFFIX, read_header, read_values
from tfartifacts.storage.files import read_file

INDEX_SUFFIX = ".safetensors.index.json"
DEFAULT_SIZE = "5GB"
_UNITS = {
    "": 1,
    "B": 1,
    **{"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12},
    **{"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40},
}
_SIZE = re.compile(r"(\d{1,15})(?:\.(\d{1,3}))? *([A-Za-z]*)\Z")


def parse_size(text: str) -> int:
    """Bytes of `5GB` (10^9 each), `500MiB` (2^20 each) or `1000`.

    Raises ConversionError for what is no size above 0.
    """
    match = _SIZE.match(text.strip())
    unit = None if match is None else _UNITS.get(match[3].upper())
    if match is None or unit is None:
        raise ConversionError(f"found the size {text!r}, expected one such as 5GB or 500MiB")
    thousandths = int((match[2] or "").ljust(3, "0"))
    size = int(match[1]) * unit + thousandths * unit // 1000
    if size < 1:
        raise ConversionError(f"found the size {text!r}, expected one above 0")
    return size


def split(sizes: Mapping[str, int], most: int) -> list[list[str]]:
    """The names in the files they go to, in order: one file where all fit."""
    shards: list[list[str]] = [[]]
    filled = 0
    for name, size in sizes.items():
        if size > most:
            # A file of its own; those after it go on where those before it stopped.
            shards.insert(len(shards) - 1, [name])
            continue
        if filled + size > most and shards[-1]:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return [shard for shard in shards if shard] or [[]]


def shard_names(stem: str, count: int) -> list[str]:
    """`model-00001-of-00002.safetensors`, ...; of one file just `model.safetensors`."""
    if count == 1:
        return [stem + SUFFIX]
    return [f"{stem}-{number:05d}-of-{count:05d}{SUFFIX}" for number in range(1, count + 1)]


def encode_index(files: Mapping[str, str], total_size: int) -> bytes:
    """The index; `files` are the files of the tensors by name."""
    index = {"metadata": {"total_size": total_size}, "weight_map": dict(files)}
    return (json.dumps(index, indent=2, sort_keys=True) + "\n").encode()


def read_shards(path: str) -> tuple[dict[str, HeldValue], dict[str, str], list[str]]:
    """The values, the metadata and the files that an index leads to; no data is read.

    Raises FormatError where index and files do not agree, or a file is not beside the index.
    """
    with located(path):
        files = _weight_map(read_file(path, MAX_HEADER + 1))
    folder = os.path.dirname(path)
    values: dict[str, HeldValue] = {}
    metadata: dict[str, str] = {}
    paths = []
    for file in dict.fromkeys(files.values()):
        shard = os.path.join(folder, file)
        _refuse_outside(shard, path)
        paths.append(shard)
        header = read_header(shard)
        found = read_values(shard, header)
        for name in found:
            if files.get(name) != file:
                raise FormatError(
                    f"found tensor {name!r}, which the index has "
                    + (f"in {files[name]!r}" if name in files else "not"),
                    path=shard,
                )
        values |= found
        metadata |= header.metadata
    for name, file in files.items():
        if name not in values:
            raise FormatError(f"found no tensor {name!r} in {file!r}, expected it", path=path)
    return values, metadata, paths


def _weight_map(text: bytes) -> dict[str, str]:
    if len(text) > MAX_HEADER:
        raise FormatError(f"found an index of more than {MAX_HEADER} bytes, expected fewer")
    index: dict[str, Any] = parse_object(_without_fractions(text))
    files = index.get("weight_map")
    if not isinstance(files, dict):
        raise FormatError("found no weight_map, expected an index of safetensors files")
    for name, file in files.items():
        check_name_text(name)
        if not isinstance(file, str) or not is_plain_name(file) or not file.endswith(SUFFIX):
            raise FormatError(
                f"found the file {file!r}, expected the name of one beside the index (for tensor "
                f"{name!r})"
            )
    return files


def _without_fractions(text: bytes) -> bytes:
    # Some writers of total_size divided: 123.0.
    return re.sub(rb'("total_size"\s*:\s*\d{1,18})\.0+(?=\s*[,}])', rb"\1", text, count=1)


def is_plain_name(name: str) -> bool:
    """Whether it names a file in the same folder, wherever it is read."""
    return bool(name) and name not in (".", "..") and not set(name) & set("/\\\0")


def _refuse_outside(file: str, index: str) -> None:
    folder = os.path.realpath(os.path.dirname(index) or ".")
    if os.path.dirname(os.path.realpath(file)) == folder:
        return
    # A cache of downloads has links for files, the index among them, to one folder of contents.
    contents = os.path.dirname(os.path.realpath(index))
    if contents != folder and os.path.dirname(os.path.realpath(file)) == contents:
        return
    raise FormatError("found a link to a file elsewhere, expected it beside the index", path=file)
