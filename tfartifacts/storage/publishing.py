"""Writing so that a result is there whole or not at all.

Files are made in a temporary sibling of their destination, `.<name>.tfartifacts-<pid>-<random>`,
on the same file system, and synced to disk; then they are renamed into place without replacing
anything (renameat2 with RENAME_NOREPLACE where the kernel has it). A folder appears in one step.
Several files appear in the order given, so that a reader who follows the last finds the others.
On any exception, and on Ctrl-C, the temporary sibling is removed and files that were already
renamed are taken back; after a kill only a sibling with that name can be left.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from tfartifacts.errors import DestinationExistsError, WriteError
from tfartifacts.model.values import Buffer, Sink

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2

TEMPORARY_MARK = ".tfartifacts-"
_BATCH = 1 << 20  # bytes


def write_error(path: str, error: OSError) -> WriteError:
    """The operating system's refusal, in our words."""
    reason = (error.strerror or str(error)).lower()
    failure = WriteError(f"cannot write: {reason}; nothing was published", path=path)
    failure.errno = error.errno
    return failure


def refuse_existing(path: str) -> None:
    """Raise DestinationExistsError if there is anything at the path, be it a dangling link."""
    if os.path.lexists(path):
        raise DestinationExistsError(
            "exists already; choose another destination, or remove it first", path=path
        )


class _FileSink:
    """A file being written; every byte is written or WriteError raised."""

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def write(self, data: Buffer) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            raise write_error(self._path, error) from None


@contextmanager
def new_file(path: str) -> Iterator[Sink]:
    """A new file, synced to disk when the block ends."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise write_error(path, error) from None
    try:
        yield _FileSink(path, descriptor)
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise write_error(path, error) from None
    except BaseException:
        with suppress(OSError):  # what went wrong first is told
            os.close(descriptor)
        raise
    try:
        os.close(descriptor)
    except OSError as error:
        raise write_error(path, error) from None


def write_file(path: str, pieces: Sequence[Buffer]) -> None:
    """A new file of these bytes."""
    with new_file(path) as sink:
        # A graph comes in pieces of some bytes: one call for each would take longer than the rest.
        batch: list[Buffer] = []
        size = 0
        for piece in pieces:
            batch.append(piece)
            size += len(piece)
            if size >= _BATCH:
                sink.write(b"".join(batch))
                batch, size = [], 0
        sink.write(b"".join(batch))


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


@contextmanager
def staging_folder(destination: str) -> Iterator[str]:
    """A temporary folder beside the destination; removed at the end with what is still in it.

    Missing parents are made, and removed again if nothing was put into them.
    """
    parent, name = os.path.split(os.path.abspath(destination))
    # Names have at most 255 bytes; the mark is what tells whose it is, not the rest.
    start = os.fsdecode(os.fsencode(name)[:100])
    staging = os.path.join(parent, f".{start}{TEMPORARY_MARK}{os.getpid()}-{secrets.token_hex(4)}")
    made: list[str] = []
    try:
        _make_parents(parent, made)
        try:
            os.mkdir(staging)
        except OSError as error:
            raise write_error(staging, error) from None
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        for folder in reversed(made):
            with suppress(OSError):  # the result is in it
                os.rmdir(folder)


def _make_parents(folder: str, made: list[str]) -> None:
    """Make a folder and its missing parents; `made` gets those that were, innermost last."""
    missing = []
    while folder and not os.path.isdir(folder):
        if os.path.lexists(folder):
            raise WriteError("found no folder, expected one to write into", path=folder)
        missing.append(folder)
        folder = os.path.dirname(folder)
    for path in reversed(missing):
        # Noted first: an interruption may come as soon as it is made.
        made.append(path)
        try:
            os.mkdir(path)
        except FileExistsError:
            made.remove(path)
        except OSError as error:
            raise write_error(path, error) from None


def make_folder(path: str) -> None:
    """A new folder inside a staging folder."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from None


def publish_folder(staged: str, destination: str, *, overwrite: bool = False) -> None:
    """Move a finished folder to its destination in one step.

    Raises DestinationExistsError if something is there; with `overwrite` a folder there is
    exchanged for the new one in one step, then removed.
    """
    for parent, folders, _ in os.walk(staged, topdown=False):
        for name in folders:
            sync_folder(os.path.join(parent, name))
    sync_folder(staged)
    parent = os.path.dirname(os.path.abspath(destination))
    if overwrite and os.path.lexists(destination):
        if not os.path.isdir(destination) or os.path.islink(destination):
            raise DestinationExistsError("is no folder, and is not replaced", path=destination)
        _exchange(staged, destination)
        try:
            sync_folder(parent)
        except WriteError:
            _exchange(staged, destination)
            raise
        shutil.rmtree(staged, ignore_errors=True)
        return
    rename_without_replacing(staged, destination)
    try:
        sync_folder(parent)
    except WriteError:
        # Nothing is published where an error is told.
        rename_without_replacing(destination, staged)
        raise


def publish_files(staged: str, folder: str, names: Sequence[str]) -> None:
    """Move finished files into a folder, in this order; all of them or none.

    Raises DestinationExistsError if one of the names is taken.
    """
    sync_folder(staged)
    # Ours is told by its inode: an interruption may come before or after a name is taken.
    ours = {name: _identity(os.path.join(staged, name)) for name in names}
    try:
        for name in names:
            rename_without_replacing(os.path.join(staged, name), os.path.join(folder, name))
            # Each file is durable before one that leads to it.
            sync_folder(folder)
    except BaseException:
        for name in reversed(names):
            destination = os.path.join(folder, name)
            with suppress(OSError):  # what went wrong first is told
                if _identity(destination) == ours[name]:
                    os.unlink(destination)
        raise


def _identity(path: str) -> tuple[int, int]:
    try:
        status = os.lstat(path)
    except OSError as error:
        raise write_error(path, error) from None
    return status.st_dev, status.st_ino


def rename_without_replacing(source: str, destination: str) -> None:
    """Rename a file or folder. Raises DestinationExistsError if the new name is taken."""
    try:
        if _renameat2(source, destination, _RENAME_NOREPLACE):
            return
        # Without the system call: rename would replace an empty folder or a file.
        refuse_existing(destination)
        if os.path.isdir(source):
            os.rename(source, destination)
        else:
            os.link(source, destination)
            os.unlink(source)
    except OSError as error:
        if isinstance(error, DestinationExistsError):
            raise
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            refuse_existing(destination)
        raise write_error(destination, error) from None


def _exchange(first: str, second: str) -> None:
    try:
        if _renameat2(first, second, _RENAME_EXCHANGE):
            return
    except OSError as error:
        raise write_error(second, error) from None
    raise DestinationExistsError(
        "exists already, and this system cannot exchange two folders in one step; remove it first",
        path=second,
    )


def _renameat2(source: str, destination: str, flags: int) -> bool:
    """Whether the call was made; False where the C library, kernel or file system lacks it."""
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    paths = os.fsencode(source), os.fsencode(destination)
    if function(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], ctypes.c_uint(flags)) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number))
