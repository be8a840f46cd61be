"""Reading regular files: sizes first, then byte ranges.

A file is opened for each read, so that nothing stays open, sources can be pickled and used from
several threads. Only regular files are read: a FIFO or device would block or never end, and opening
one may already do something, so files are looked at before they are opened, and, as they may have
been exchanged meanwhile, opened without blocking and looked at again.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tfartifacts.errors import FormatError, PathNotFoundError, UnsupportedError
from tfartifacts.model.checkpoints import File
from tfartifacts.records import dataclass

CHUNK = 1 << 19  # bytes read at a time when streaming: what a processor's cache holds
MAX_PATH = 4096  # bytes with the final NUL, as Linux has it
LARGE = 1 << 30  # bytes; the system is asked for more than this before the first is read


@contextmanager
def opened(path: str) -> Iterator[int]:
    """A descriptor of a regular file, open for reading.

    Raises PathNotFoundError where it cannot be opened or is no regular file.
    """
    try:
        _refuse_irregular(path, os.stat(path))
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PathNotFoundError:  # an OSError, too
        raise
    except OSError as error:
        raise not_readable(path, error) from None
    except ValueError:
        raise PathNotFoundError("no such file; the name holds a NUL byte", path=path) from None
    try:
        _refuse_irregular(path, os.fstat(descriptor))
        yield descriptor
    finally:
        with suppress(OSError):  # nothing was written through it
            os.close(descriptor)


def _refuse_irregular(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise PathNotFoundError("found no regular file, expected one", path=path)


def not_readable(path: str, error: OSError) -> PathNotFoundError:
    """The operating system's reason, in our words."""
    reason = "no such file or folder" if error.errno == 2 else (error.strerror or str(error))
    return PathNotFoundError(reason.lower(), path=path)


def read_file(path: str, most: int | None = None) -> bytes:
    """The whole file, or its first `most` bytes."""
    with opened(path) as descriptor:
        size = os.fstat(descriptor).st_size
        return _read_range(descriptor, path, 0, size if most is None else min(size, most))


def read_range(path: str, offset: int, size: int) -> bytes:
    """`size` bytes from `offset`. Raises FormatError where the file ends before."""
    with opened(path) as descriptor:
        check_range(path, offset, size, os.fstat(descriptor).st_size)
        return _read_range(descriptor, path, offset, size)


def check_range(path: str, offset: int, size: int, file_size: int) -> None:
    """Raise FormatError unless the range lies within the file: before anything is allocated."""
    if offset + size > file_size:
        raise FormatError(
            f"found the end of the file, expected {offset + size - file_size} more bytes; "
            "the file is truncated, or belongs to another save than its index",
            path=path,
            offset=file_size,
        )


def _read_range(descriptor: int, path: str, offset: int, size: int) -> bytes:
    if size > LARGE:
        _refuse_beyond_memory(path, size)
    pieces = []
    while size > 0:
        try:
            # Linux reads at most 2 GiB - 4 KiB at a time.
            piece = os.pread(descriptor, min(size, 1 << 30), offset)
        except OSError as error:
            raise not_readable(path, error) from None
        if not piece:
            check_range(path, offset, size, offset)
        pieces.append(piece)
        offset += len(piece)
        size -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _refuse_beyond_memory(path: str, size: int) -> None:
    """Raise UnsupportedError for what memory has no room for: a file of holes may have any size."""
    has_room = size <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        bytearray(size if has_room else 0)
    except MemoryError:  # a limit, or what others hold
        has_room = False
    if not has_room:
        raise UnsupportedError(
            f"found {size} bytes to be read at once, more than there is memory for", path=path
        )


class _Spare(threading.local):
    """A thread's buffers of CHUNK bytes that nobody uses: memory costs most where it is new."""

    def __init__(self) -> None:
        self.buffers: list[memoryview] = []


_spare = _Spare()
_MOST_SPARE = 2  # more only where several streams are open at once


def stream_range(path: str, offset: int, size: int) -> Iterator[memoryview]:
    """`size` bytes from `offset` in pieces; a piece is valid until the next one is asked for."""
    with opened(path) as descriptor:
        check_range(path, offset, size, os.fstat(descriptor).st_size)
        yield from stream_open(descriptor, path, offset, size)


def stream_open(descriptor: int, path: str, offset: int, size: int) -> Iterator[memoryview]:
    """As stream_range, of an open file."""
    if size < CHUNK:
        buffer = memoryview(bytearray(size))
    else:
        buffer = _spare.buffers.pop() if _spare.buffers else memoryview(bytearray(CHUNK))
    while size > 0:
        try:
            count = os.preadv(descriptor, [buffer[:size]], offset)
        except OSError as error:
            raise not_readable(path, error) from None
        if count == 0:
            check_range(path, offset, size, offset)
        yield buffer[:count]
        offset += count
        size -= count
    # Not where the stream is left before: its last piece may be in use.
    if len(buffer) == CHUNK and len(_spare.buffers) < _MOST_SPARE:
        _spare.buffers.append(buffer)


def read_into(descriptor: int, path: str, buffer: memoryview, offset: int) -> None:
    """Fill the buffer from an open file. Raises FormatError where the file ends before."""
    while buffer:
        try:
            count = os.preadv(descriptor, [buffer], offset)
        except OSError as error:
            raise not_readable(path, error) from None
        if count == 0:
            check_range(path, offset, len(buffer), offset)
        buffer = buffer[count:]
        offset += count


def absolute(path: str) -> str:
    """The path from the root, so that what is read later does not depend on the current folder."""
    try:
        return os.path.abspath(path)
    except OSError:  # the current folder is gone
        return path


def can_be_path(name: str) -> bool:
    """Whether the system takes it for a path at all: without NUL, and shorter than it can be."""
    return "\0" not in name and len(os.fsencode(name)) < MAX_PATH


def describe_file(path: str) -> File | None:
    """Size and time of a regular file; None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    identity = (status.st_dev, status.st_ino, status.st_mtime_ns)
    return File(path, status.st_size, status.st_mtime, identity)


def has_changed(file: File) -> bool:
    """Whether a file is no longer the one that was looked at: gone, replaced or rewritten."""
    if file.identity is None:
        return False
    now = describe_file(file.path)
    return now is None or (now.size, now.identity) != (file.size, file.identity)


def identity(path: str) -> tuple[int, int] | None:
    """Device and inode, the same by whatever name and through links; None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def linked_folder(path: str) -> str | None:
    """The folder that a link leads to a file in; None where the path is no link to a file.

    Caches of downloads, Hugging Face's among them, keep all files of an artifact in one folder
    under other names, and give links to them.
    """
    if not os.path.islink(path) or describe_file(path) is None:
        return None
    return os.path.dirname(os.path.realpath(path))


def with_parents(folder: str) -> Iterator[str]:
    """A folder and those it is in, innermost first, links resolved; it need not exist."""
    folder = os.path.realpath(folder or ".")
    while True:
        yield folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return
        folder = parent


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file as a source of byte ranges."""

    path: str
    size: int

    def read(self, offset: int, size: int) -> bytes:
        return read_range(self.path, offset, size)


@dataclass(frozen=True, slots=True)
class BytesSource:
    """Bytes in memory as a source of byte ranges; `path` names them in errors."""

    path: str
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, size: int) -> bytes:
        return self.data[offset : offset + size]
