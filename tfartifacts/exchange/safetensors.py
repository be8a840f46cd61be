"""A .safetensors file: a header that says where each tensor lies, and their bytes.

    file     : header_size:u64  header  data
    header   : JSON, {"__metadata__": {text: text}, name: tensor, ...}; spaces may follow
    tensor   : {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, counted from data

All integers little-endian, elements in row-major order. Tensors fill the data without holes and
without overlap. The largest elements come first, in the order of DTYPES from its end, then by name:
each is aligned to its own size, for the header is padded to 8 bytes. That is how the safetensors
library writes; it reads them in any order that leaves no hole, and headers of up to 100 MB.

Types that another one holds (see holding) stand in the metadata: "tfartifacts_dtypes" is a JSON
object of their names by the names of tensors.

Source: https://github.com/huggingface/safetensors, safetensors/src/tensor.rs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

from tfartifacts.dtypes import DType, dtype_from_name
from tfartifacts.errors import FormatError, NotThisFormatError, UnsupportedError, located
from tfartifacts.exchange.file_values import HeldValue, Span
from tfartifacts.exchange.holding import holder
from tfartifacts.exchange.json_objects import check_name_text, parse_object
from tfartifacts.formats.tensor_data import check_shape
from tfartifacts.model.values import Shape, TensorValue
from tfartifacts.records import dataclass
from tfartifacts.storage.files import describe_file, read_file, read_range

SUFFIX = ".safetensors"
MAX_HEADER = 100_000_000  # bytes; the library's own limit
DTYPES_KEY = "tfartifacts_dtypes"
_METADATA = "__metadata__"
_ALIGNMENT = 8

# The library's names in its order, and TensorFlow's; "": of these TensorFlow has none that a
# checkpoint could hold as it is.
DTYPES = {
    "BOOL": "bool",
    "F4": "",
    "F6_E2M3": "",
    "F6_E3M2": "",
    "U8": "uint8",
    "I8": "int8",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E8M0": "",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "I16": "int16",
    "U16": "uint16",
    "F16": "float16",
    "BF16": "bfloat16",
    "I32": "int32",
    "U32": "uint32",
    "F32": "float32",
    "C64": "complex64",
    "F64": "float64",
    "I64": "int64",
    "U64": "uint64",
}
_BY_TENSORFLOW = {name: safe for safe, name in DTYPES.items() if name}
_ORDER = {safe: position for position, safe in enumerate(DTYPES)}


@dataclass(frozen=True, slots=True)
class Tensor:
    """What a header says of a tensor; `begin` and `end` count bytes from the start of the data."""

    name: str
    dtype: str
    shape: Shape
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """The tensors of a file in the order of their bytes; `data` is where these begin."""

    tensors: tuple[Tensor, ...]
    metadata: Mapping[str, str]
    data: int


def held_by(dtype: DType) -> str | None:
    """The library's name of the type that holds this one's values; None where it has none."""
    return _BY_TENSORFLOW.get(holder(dtype).name) if dtype.itemsize is not None else None


# --- writing --------------------------------------------------------------------------------------


def laid_out(
    tensors: Mapping[str, TensorValue], metadata: Mapping[str, str]
) -> tuple[bytes, tuple[str, ...]]:
    """What comes before the data, and the names in the order of their bytes.

    Raises UnsupportedError for a type that the library does not have, or a header that it would
    not read.
    """
    dtypes = {name: _safe_name(name, value.dtype) for name, value in tensors.items()}
    order = sorted(tensors, key=lambda name: (-_ORDER[dtypes[name]], name.encode()))
    header: dict[str, Any] = {_METADATA: dict(metadata)} if metadata else {}
    end = 0
    for name in order:
        value = tensors[name]
        begin, end = end, end + prod(value.shape) * (value.dtype.itemsize or 0)
        header[name] = {
            "dtype": dtypes[name],
            "shape": list(value.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > MAX_HEADER:
        raise UnsupportedError(
            f"found {len(tensors)} tensors whose header takes {len(text)} bytes, expected at most "
            f"{MAX_HEADER}: write several files with a smaller --max-shard-size"
        )
    return len(text).to_bytes(8, "little") + text, tuple(order)


def _safe_name(name: str, dtype: DType) -> str:
    found = held_by(dtype)
    if found is None:
        raise UnsupportedError(f"found {dtype}, which safetensors has not (in tensor {name!r})")
    return found


# --- reading --------------------------------------------------------------------------------------


def read_header(path: str) -> Header:
    """The header of a file, all of it checked against the file's size; no data is read.

    Raises PathNotFoundError, NotThisFormatError, FormatError.
    """
    file = describe_file(path)
    start = read_file(path, 8)
    size = int.from_bytes(start, "little")
    with located(path):
        if len(start) < 8 or file is None:
            raise NotThisFormatError(f"found {len(start)} bytes, expected 8 and a header", offset=0)
        if size > MAX_HEADER:
            raise NotThisFormatError(
                f"found a header of {size} bytes, expected at most {MAX_HEADER}; no safetensors "
                "file",
                offset=0,
            )
        if size > file.size - 8:
            raise FormatError(
                f"found {file.size} bytes, expected a header of {size} behind the first 8; the "
                "file is truncated, or no safetensors file",
                offset=0,
            )
        text = read_range(path, 8, size)
        if text[:1] != b"{":
            raise NotThisFormatError(f"found {text[:1]!r}, expected {{ and a header", offset=8)
        with located(None, 8):
            entries = parse_object(text)
        return _header(entries, 8 + size, file.size - 8 - size)


def _header(entries: dict[str, Any], data: int, data_size: int) -> Header:
    metadata = entries.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise FormatError(f"found {_METADATA} that is no object of texts, expected one")
    tensors = [_tensor(name, entry) for name, entry in entries.items()]
    tensors.sort(key=lambda tensor: (tensor.begin, tensor.end))
    end = 0
    for tensor in tensors:
        if tensor.begin != end:
            what = "a hole before it" if tensor.begin > end else "bytes of another tensor in it"
            raise FormatError(
                f"found tensor {tensor.name!r} at byte {tensor.begin} of the data, expected "
                f"{end}: there is {what}"
            )
        end = tensor.end
    if end != data_size:
        raise FormatError(
            f"found {data_size} bytes of data, expected the {end} of the tensors; the file is "
            "truncated, or something follows"
        )
    return Header(tuple(tensors), metadata, data)


def _tensor(name: str, entry: Any) -> Tensor:
    check_name_text(name)
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise FormatError(f"found no dtype, shape and data_offsets alone (in tensor {name!r})")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str):
        raise FormatError(f"found a dtype that is no text (in tensor {name!r})")
    if dtype not in DTYPES:
        raise FormatError(f"found dtype {dtype[:40]!r}, expected one of safetensors' ({name!r})")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise FormatError(f"found a shape or offsets that are no sizes (in tensor {name!r})")
    begin, end = offsets
    if not DTYPES[dtype]:
        raise UnsupportedError(
            f"found {dtype}, of which no TensorFlow checkpoint has values (in tensor {name!r})"
        )
    itemsize = dtype_from_name(DTYPES[dtype]).itemsize or 0
    needed = check_shape(tuple(shape)) * itemsize
    if end - begin != needed:
        raise FormatError(
            f"found {dtype} of shape {tuple(shape)} in {end - begin} bytes, expected {needed} "
            f"(in tensor {name!r})"
        )
    return Tensor(name, dtype, tuple(shape), begin, end)


def _are_sizes(found: Any) -> bool:
    return isinstance(found, list) and all(type(size) is int and size >= 0 for size in found)


def read_values(path: str, header: Header) -> dict[str, HeldValue]:
    """The tensors of a file as values, in the order of their bytes; nothing is read yet.

    Raises FormatError where the metadata says of one that it is what its type does not hold.
    """
    with located(path):
        told = _told(header.metadata, {tensor.name for tensor in header.tensors})
        values = {}
        for tensor in header.tensors:
            dtype = dtype_from_name(told.get(tensor.name, DTYPES[tensor.dtype]))
            if held_by(dtype) != tensor.dtype:
                raise FormatError(
                    f"found {tensor.dtype} said to be {dtype}, expected {held_by(dtype)} (in "
                    f"tensor {tensor.name!r})"
                )
            span = Span(path, header.data + tensor.begin, tensor.end - tensor.begin)
            values[tensor.name] = HeldValue(dtype, tensor.shape, span)
        return values


def _told(metadata: Mapping[str, str], names: set[str]) -> dict[str, str]:
    if DTYPES_KEY not in metadata:
        return {}
    told = parse_object(metadata[DTYPES_KEY].encode("utf-8", "surrogatepass"))
    if not all(isinstance(dtype, str) and name in names for name, dtype in told.items()):
        raise FormatError(f"found {DTYPES_KEY} of what is not there, expected types of its tensors")
    return told


def dtypes_metadata(dtypes: Mapping[str, DType], names: Iterable[str]) -> dict[str, str]:
    """The entry of the metadata for those of these names whose type another one holds."""
    told = {name: dtypes[name].name for name in names if holder(dtypes[name]) != dtypes[name]}
    return {DTYPES_KEY: json.dumps(told, ensure_ascii=False)} if told else {}
