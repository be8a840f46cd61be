"""Arrays in NumPy's files, of which nothing is believed before it is seen.

    .npy   : "\\x93NUMPY" major:u8 minor:u8 size:u16 (version 1) or u32 (2, 3) header elements
    header : a Python literal, {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4)}
    .npz   : a zip archive whose members are .npy files

Nothing is unpickled: arrays of objects are refused. Nothing is allocated for elements that the
file does not hold, nor for a compressed array that grows out of all proportion.

Source: numpy/lib/format.py.
"""

from __future__ import annotations

import os
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from math import prod
from typing import IO, Any

from tfartifacts.errors import ConversionError
from tfartifacts.storage.files import CHUNK, opened

_MAGIC = b"\x93NUMPY"
_MOST_HEADER = 10_000  # bytes; NumPy's own limit
_PLAIN = "biufcSUV"  # kinds of type that need no Python to read

# Deflate makes at most 1032 bytes of one (zlib's technical notes).
_MOST_DEFLATED = 1032
# A compressed array above this size, that was made so much smaller, is taken for a trap.
_LARGE = 1 << 30
_MOST_GROWTH = 100

_BAD_ZIP = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


def read_npy(path: str) -> Any:
    """The array of a .npy file.

    Raises PathNotFoundError, ConversionError for what is none or cannot be read safely.
    """
    with _stream(path) as file:
        return _read_array(file, os.fstat(file.fileno()).st_size, path)


def read_npz(path: str, key: str | None) -> Any:
    """One array of an .npz archive: the only one, where no key is given. Errors as read_npy."""
    with _archive(path, "array") as (archive, size):
        return _read_member(archive, _member(archive, key, path), size, path)


def read_all(path: str) -> dict[str, Any]:
    """All arrays of an .npz archive by their names. Errors as read_npy."""
    arrays: dict[str, Any] = {}
    with _archive(path, "archive of arrays (.npz)") as (archive, size):
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if member.is_dir():
                continue
            if name in arrays:
                raise ConversionError(f"found {name!r} twice, expected each array once", path=path)
            arrays[name] = _read_member(archive, member, size, path)
    return arrays


@contextmanager
def _archive(path: str, expected: str) -> Iterator[tuple[zipfile.ZipFile, int]]:
    """The archive and the size of its file; what is wrong with either is a ConversionError."""
    with _stream(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield archive, os.fstat(file.fileno()).st_size
        except _BAD_ZIP as error:
            raise ConversionError(
                f"found no {expected} that can be read: {error or type(error).__name__}", path=path
            ) from None


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, size: int, path: str) -> Any:
    _refuse_bomb(member, size, path)
    with archive.open(member) as stream:
        return _read_array(stream, member.file_size, path, exactly=True)


@contextmanager
def _stream(path: str) -> Iterator[IO[bytes]]:
    with opened(path) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
        yield file


def _member(archive: zipfile.ZipFile, key: str | None, path: str) -> zipfile.ZipInfo:
    members = {
        info.filename.removesuffix(".npy"): info for info in archive.infolist() if not info.is_dir()
    }
    names = list(members)
    if key is None:
        if len(names) != 1:
            raise ConversionError(
                f"found {len(names)} arrays, expected one; pick it: {path}[{names[0]}]"
                if names
                else "found no arrays",
                path=path,
            )
        return members[names[0]]
    if key not in members:
        shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if names[10:] else "")
        raise ConversionError(f"found no array {key!r}; there is {shown or 'none'}", path=path)
    return members[key]


def _refuse_bomb(member: zipfile.ZipInfo, archive_size: int, path: str) -> None:
    name, stored, size = member.filename, member.compress_size, member.file_size
    if member.flag_bits & 1:
        raise ConversionError(f"found {name} encrypted, expected it plain", path=path)
    deflated = member.compress_type == zipfile.ZIP_DEFLATED
    if not deflated and member.compress_type != zipfile.ZIP_STORED:
        raise ConversionError(
            f"found {name} compressed by method {member.compress_type}, expected none or deflate, "
            "as NumPy writes",
            path=path,
        )
    most = stored * _MOST_DEFLATED if deflated else stored
    if member.header_offset + stored > archive_size or size > most:
        raise ConversionError(
            f"found {name} of {size} bytes, expected at most the {min(most, archive_size)} that "
            "the file can hold",
            path=path,
        )
    if size > _LARGE and size > stored * _MOST_GROWTH:
        raise ConversionError(
            f"found {name} of {size} bytes in {stored}, expected less than {_MOST_GROWTH} times "
            "as many for one so large; if that is right, save it uncompressed (np.savez)",
            path=path,
        )


def _read_array(stream: IO[bytes], size: int, path: str, *, exactly: bool = False) -> Any:
    """The array of a stream of that many bytes; `exactly`: that has no byte more."""
    import numpy as np

    shape, by_columns, dtype, begin = _read_header(stream, path)
    count = prod(shape)
    nbytes = count * dtype.itemsize
    there = size - begin
    if nbytes > there or (exactly and nbytes != there):
        raise ConversionError(
            f"found {dtype} of shape {shape}, which takes {nbytes} bytes, expected the {there} "
            "that follow",
            path=path,
        )
    if not dtype.itemsize and count:
        raise ConversionError(f"found {count} elements of no bytes, expected some", path=path)
    try:
        data = bytearray(nbytes)
        _fill(stream, memoryview(data), path)
        array = np.frombuffer(data, dtype, count).reshape(shape, order="F" if by_columns else "C")
    except (ValueError, MemoryError) as error:
        raise ConversionError(
            f"found an array of shape {shape}, for which there is no room: {error}", path=path
        ) from None
    if exactly and stream.read(1):  # the end is where a zip member's checksum is compared
        raise ConversionError("found bytes behind the array, expected none", path=path)
    # Bytes other than 0 and 1 are no bool that anybody wrote.
    return array.view(np.uint8) != 0 if dtype.kind == "b" else array


def _fill(stream: IO[bytes], view: memoryview, path: str) -> None:
    while view:
        piece = stream.read(min(len(view), CHUNK))
        if not piece:
            raise ConversionError(f"found the end, expected {len(view)} more bytes", path=path)
        view[: len(piece)] = piece
        view = view[len(piece) :]


def _read_header(stream: IO[bytes], path: str) -> tuple[tuple[int, ...], bool, Any, int]:
    """Shape, whether columns come first, NumPy's type, and where the elements begin."""
    import numpy as np

    start = stream.read(8)
    if start[:6] != _MAGIC or len(start) < 8:
        raise ConversionError(
            f"found no array that can be read: it begins with {start[:6]!r}, expected {_MAGIC!r}",
            path=path,
        )
    width, read_header = {
        1: (2, np.lib.format.read_array_header_1_0),
        2: (4, np.lib.format.read_array_header_2_0),
        3: (4, np.lib.format.read_array_header_2_0),
    }.get(start[6], (0, None))
    if read_header is None:
        raise ConversionError(f"found version {start[6]} of .npy, expected 1 to 3", path=path)
    length = stream.read(width)
    header_size = int.from_bytes(length, "little")
    if len(length) < width or header_size > _MOST_HEADER:
        raise ConversionError(
            f"found a header of {header_size} bytes, expected at most {_MOST_HEADER}", path=path
        )
    header = stream.read(header_size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers that Python 2 wrote
            shape, by_columns, dtype = read_header(BytesIO(length + header))
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        RecursionError,
        SyntaxError,
        TypeError,
        ValueError,
        tokenize.TokenError,
    ) as error:
        raise ConversionError(f"found no array that can be read: {error}", path=path) from None
    if dtype.hasobject:
        raise ConversionError(
            "found no array that can be read: it holds pickled Python objects, which are never "
            "loaded",
            path=path,
        )
    if dtype.kind not in _PLAIN or dtype.fields is not None or dtype.subdtype is not None:
        raise ConversionError(f"found elements of type {dtype}, expected numbers", path=path)
    if any(isinstance(part, bool) or part < 0 for part in shape):
        raise ConversionError(f"found shape {shape}, expected sizes", path=path)
    return tuple(shape), bool(by_columns), dtype, 8 + width + header_size
