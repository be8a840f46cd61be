"""A .npz file: a zip archive of arrays, each a .npy file named for its tensor.

    <name>.npy          a tensor: see npy for what its elements are
    <name>.offsets.npy  where the strings of a tensor begin that are joined (see npy)
    __metadata__.npy    one string, JSON, that NumPy reads as any other (`array.item()`):
                          "metadata"  texts by their names, such as "step"
                          "dtypes"    the types that `descr` does not tell, by tensor
                          "strings"   {"offsets": name of the second array, "shape": [...]} by
                                      tensor, of joined strings

Archives that NumPy wrote have no __metadata__; theirs are read by `descr` alone. Members are as
large as they need be (zip64), stored or deflated.

Source: numpy/lib/_npyio_impl.py, savez and NpzFile.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tfartifacts.dtypes import DType, dtype_from_name
from tfartifacts.errors import FormatError, UnsupportedError, located
from tfartifacts.exchange.file_values import Deflated, Span
from tfartifacts.exchange.holding import is_told_by_numpy
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
from tfartifacts.exchange.string_values import FixedStrings
from tfartifacts.exchange.zip_members import Member, read_members
from tfartifacts.model.values import TensorValue

METADATA = "__metadata__"
_MAX_METADATA = 100_000_000  # bytes
_MAX_NAME = 65_535 - len(SUFFIX)  # bytes

_Found = tuple[Start, Span | Deflated]


def refuse_name(name: str) -> str | None:
    """Why a member of an archive cannot have this name, None if it can.

    Names that lead out of a folder are refused for the sake of whoever unpacks it.
    """
    if name == METADATA:
        return "is the name of the archive's own entry"
    if "\0" in name or len(name.encode("utf-8", "surrogatepass")) > _MAX_NAME:
        return "holds a NUL byte, or is too long for a zip archive"
    if name.startswith("/") or ".." in name.split("/") or name.endswith("/"):
        return "would lead out of the folder that it is unpacked in"
    return None


def encode_metadata(
    metadata: Mapping[str, str], dtypes: Mapping[str, DType], strings: Mapping[str, JoinedForm]
) -> bytes:
    """The text of the archive's own entry; `dtypes` are those of all tensors."""
    document = {
        "metadata": dict(metadata),
        "dtypes": {
            name: dtype.name
            for name, dtype in dtypes.items()
            if dtype.itemsize is not None and not is_told_by_numpy(dtype)
        },
        "strings": {
            name: {"offsets": form.offsets, "shape": list(form.shape)}
            for name, form in strings.items()
        },
    }
    return json.dumps(document).encode()


def read_values(
    path: str, told: Mapping[str, DType]
) -> tuple[dict[str, TensorValue], dict[str, str]]:
    """The arrays of an archive as values, and its metadata; no elements are read.

    `told` are types that the caller knows, by name. Raises FormatError, UnsupportedError,
    PathNotFoundError.
    """
    members = read_members(path)
    with located(path):
        starts: dict[str, _Found] = {}
        for member in members:
            name = _array_name(member.name)
            if name in starts:
                raise FormatError(f"found the array {name!r} twice, expected each once")
            starts[name] = _start(member), member.held
        metadata, dtypes, strings = _own_entry(starts.pop(METADATA, None))
        for kind in (dtypes, strings):
            for name in kind:
                if name not in starts:
                    raise FormatError(f"found no array {name!r}, of which {METADATA} tells")
        places = {name: _taken(starts, form.offsets, name) for name, form in strings.items()}
        values: dict[str, TensorValue] = {}
        for name, (start, held) in starts.items():
            if name in strings:
                shape = strings[name].shape
                values[name] = joined_value((start, held), places[name], shape, name)
            else:
                values[name] = array_value(start, held, name, told.get(name, dtypes.get(name)))
    return values, metadata


def _array_name(member: str) -> str:
    name = member.removesuffix(SUFFIX)
    if name == member:
        raise UnsupportedError(f"found {member!r} in the archive, expected arrays ({SUFFIX}) alone")
    check_name_text(name)
    if name != METADATA and (reason := refuse_name(name)) is not None:
        raise FormatError(f"found the member {member!r}, which {reason}; not read")
    return name


def _start(member: Member) -> Start:
    found = bytearray()
    for piece in member.held.stream():
        found += piece[: MAX_START - len(found)]
        if len(found) >= MAX_START:
            break
    try:
        start = read_start(bytes(found))
    except FormatError as error:
        error.message += f" (in {member.name!r})"
        error.offset = None
        raise
    if start.size + start.nbytes != member.held.size:
        raise FormatError(
            f"found {start.descr!r} of shape {start.shape}, which takes {start.nbytes} bytes, "
            f"expected the {member.held.size - start.size} that follow (in {member.name!r})"
        )
    return start


def _taken(starts: dict[str, _Found], offsets: str, name: str) -> _Found:
    found = starts.pop(offsets, None)
    if found is None or offsets == name:
        raise FormatError(f"found no array {offsets!r}, expected the places of strings {name!r}")
    return found


def _own_entry(
    found: _Found | None,
) -> tuple[dict[str, str], dict[str, DType], dict[str, JoinedForm]]:
    if found is None:
        return {}, {}, {}
    start, held = found
    if start.descr[1] != "S" or start.shape or start.nbytes > _MAX_METADATA:
        raise FormatError(f"found {METADATA} of {start.descr!r}, expected one string")
    text = FixedStrings((), held, start.size, start.descr).read().item()
    document = parse_object(text)
    metadata, dtypes, strings = (document.get(key, {}) for key in ("metadata", "dtypes", "strings"))
    if not all(isinstance(part, dict) for part in (metadata, dtypes, strings)):
        raise FormatError(f"found {METADATA} of another form, expected objects")
    if not all(isinstance(value, str) for value in (*metadata.values(), *dtypes.values())):
        raise FormatError(f"found {METADATA} with values that are no texts, expected texts")
    return (
        metadata,
        {name: dtype_from_name(dtype) for name, dtype in dtypes.items()},
        {name: joined_form(form, name) for name, form in strings.items()},
    )


def joined_form(form: Any, name: str) -> JoinedForm:
    """What JSON says of joined strings."""
    shape = form.get("shape") if isinstance(form, dict) else None
    offsets = form.get("offsets") if isinstance(form, dict) else None
    is_shape = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
    if not is_shape or not isinstance(offsets, str) or shape is None:
        raise FormatError(f"found no shape and offsets of the strings {name!r}, expected them")
    return JoinedForm(offsets, tuple(shape))
