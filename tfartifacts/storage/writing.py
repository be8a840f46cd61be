"""New files and folders, of which every byte and every name reaches the disk."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from tfartifacts.model.values import Buffer, Sink
from tfartifacts.storage.files import opened
from tfartifacts.storage.mapping import let_go
from tfartifacts.storage.syncing import (
    NO_ROOM,
    Growing,
    Syncing,
    close_quietly,
    sync_and_close,
    write_error,
)

_FICLONE = 0x40049409  # linux/fs.h, _IOW(0x94, 9, int)

_BATCH = 1 << 20  # bytes of small pieces that are written at once
_PARTS_KEPT = 4  # batches of a mapped file that may be in memory
# Bytes given to the system at a time. Linux makes room in its cache in runs as long as a write: of
# 1 MiB (ext4, Linux 6.18, memory in use) that took up to five times as long as of 512 KiB or less.
_PIECE = 1 << 18


class _FileSink:
    """A file being written; every byte is written or WriteError raised."""

    def __init__(self, path: str, syncing: Syncing) -> None:
        self._path = path
        self._syncing = syncing
        self._descriptor = _create(path)
        self._growing = Growing(self._descriptor, syncing)
        self._is_open = True

    def write(self, data: Buffer) -> None:
        view = memoryview(data)
        try:
            while view:
                count = self._write(view[:_PIECE])
                self._growing.wrote(count)
                view = view[count:]
        except OSError as error:
            raise write_error(self._path, error) from None

    def _write(self, piece: memoryview) -> int:
        try:
            return os.write(self._descriptor, piece)
        except OSError as error:
            if error.errno in NO_ROOM and self._syncing.give_back_room():
                return os.write(self._descriptor, piece)
            raise

    def finish(self) -> None:
        """Nothing follows: sync and close it, a large one beside what comes next."""
        try:
            self._growing.end()
        except OSError as error:
            raise write_error(self._path, error) from None
        self._is_open = False
        close = self._syncing.sync if self._growing.is_large else sync_and_close
        close(self._path, self._descriptor)

    def give_up(self) -> None:
        if self._growing in self._syncing.growing:
            self._syncing.growing.remove(self._growing)
        if self._is_open and self._growing.is_large:
            self._syncing.sync(self._path, self._descriptor)  # where it is in use still
        elif self._is_open:
            close_quietly(self._descriptor)


def _create(path: str) -> int:
    """A descriptor of a new file, open for writing."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise write_error(path, error) from None


@contextmanager
def new_file(path: str, syncing: Syncing | None = None) -> Iterator[Sink]:
    """A new file, synced to disk when the block ends; a large one when that of `syncing` does."""
    if syncing is None:
        with Syncing() as own, new_file(path, own) as sink:
            yield sink
        return
    file = _FileSink(path, syncing)
    try:
        yield file
        file.finish()
    except BaseException:
        file.give_up()
        raise


def write_file(path: str, pieces: Sequence[Buffer]) -> None:
    """A new file of these bytes."""
    with new_file(path) as sink:
        for batch in batched(pieces):
            sink.write(batch)


def batched(pieces: Sequence[Buffer]) -> Iterator[Buffer]:
    """The same bytes in pieces of some size, neither tiny nor large.

    A graph comes in pieces of some bytes, for each of which a call would take longer than the rest,
    and in one of its whole file, of which no more than a part shall be in memory at a time.
    """
    batch: list[Buffer] = []
    size = 0
    for piece in pieces:
        if len(piece) < _BATCH:
            batch.append(piece)
            size += len(piece)
        if size >= _BATCH or (batch and len(piece) >= _BATCH):
            yield b"".join(batch)
            batch, size = [], 0
        if len(piece) >= _BATCH:
            yield from _parts(memoryview(piece))
    if batch:
        yield b"".join(batch)


def _parts(view: memoryview) -> Iterator[memoryview]:
    for number, start in enumerate(range(0, len(view), _BATCH), 1):
        yield view[start : start + _BATCH]
        if number % _PARTS_KEPT == 0:
            let_go(view)


def link_file(source: str, path: str, *, hard: bool) -> str:
    """A new file with the bytes of another and without a copy: "reflink", "hard link", or "".

    A reflink shares blocks until one of the two is written (FICLONE: Btrfs, XFS, bcachefs ...). A
    hard link, made only with `hard`, is the same file: whoever writes into one writes into both.
    Gives "", and leaves nothing, where the file system has neither.
    """
    descriptor = _create(path)
    try:
        shares_blocks = _reflinked(source, descriptor)
    except BaseException:
        close_quietly(descriptor)
        raise
    sync_and_close(path, descriptor)
    if shares_blocks:
        return "reflink"
    try:
        os.unlink(path)
    except OSError as error:
        raise write_error(path, error) from None
    if not hard:
        return ""
    try:
        os.link(os.path.realpath(source), path)
    except OSError:
        return ""
    return "hard link"


def _reflinked(source: str, descriptor: int) -> bool:
    with opened(source) as readable:
        try:
            fcntl.ioctl(descriptor, _FICLONE, readable)
        except OSError:
            return False
    return True


def make_folder(path: str) -> None:
    """A new folder inside a staging folder."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from None


def copy_mode(source: str, path: str) -> None:
    """Give a file the permissions of another, that it is to stand in for."""
    try:
        os.chmod(path, stat.S_IMODE(os.stat(source).st_mode))
    except OSError as error:
        raise write_error(path, error) from None


def sync_folder(path: str) -> None:
    """Make names in a folder durable; not every file system lets a folder be synced."""
    try:
        descriptor = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EROFS):
            raise write_error(path, error) from None
    finally:
        with suppress(OSError):  # nothing was written through it
            os.close(descriptor)
