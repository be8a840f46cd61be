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
from contextlib import contextmanager

from tfartifacts.errors import DestinationExistsError, WriteError
from tfartifacts.model.values import Buffer, Sink

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2

TEMPORARY_MARK = ".tfartifacts-"


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
    finally:
        os.close(descriptor)


def write_file(path: str, pieces: Sequence[Buffer]) -> None:
    """A new file of these bytes."""
    with new_file(path) as sink:
        for piece in pieces:
            sink.write(piece)


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
        os.close(descriptor)


@contextmanager
def staging_folder(destination: str) -> Iterator[str]:
    """A temporary folder beside the destination; removed at the end with what is still in it.

    Missing parents are made, and removed again if nothing was put into them.
    """
    parent, name = os.path.split(os.path.abspath(destination))
    made = _make_parents(parent)
    # Names have at most 255 bytes; the mark is what tells whose it is, not the rest.
    staging = os.path.join(
        parent, f".{name[:100]}{TEMPORARY_MARK}{os.getpid()}-{secrets.token_hex(4)}"
    )
    try:
        try:
            os.mkdir(staging)
        except OSError as error:
            raise write_error(staging, error) from None
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        for folder in made:
            try:
                os.rmdir(folder)
            except OSError:
                break  # the result is in it


def _make_parents(folder: str) -> list[str]:
    """Make a folder and its missing parents; those made, innermost first."""
    missing = []
    while folder and not os.path.isdir(folder):
        if os.path.lexists(folder):
            raise WriteError("found no folder, expected one to write into", path=folder)
        missing.append(folder)
        folder = os.path.dirname(folder)
    for path in reversed(missing):
        try:
            os.mkdir(path)
        except FileExistsError:
            continue
        except OSError as error:
            raise write_error(path, error) from None
    return missing


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
    if overwrite and os.path.lexists(destination):
        if not os.path.isdir(destination) or os.path.islink(destination):
            raise DestinationExistsError("is no folder, and is not replaced", path=destination)
        _exchange(staged, destination)
        shutil.rmtree(staged, ignore_errors=True)
    else:
        rename_without_replacing(staged, destination)
    sync_folder(os.path.dirname(os.path.abspath(destination)))


def publish_files(staged: str, folder: str, names: Sequence[str]) -> None:
    """Move finished files into a folder, in this order; all of them or none.

    Raises DestinationExistsError if one of the names is taken.
    """
    sync_folder(staged)
    published: list[str] = []
    try:
        for name in names:
            destination = os.path.join(folder, name)
            rename_without_replacing(os.path.join(staged, name), destination)
            published.append(destination)
            # Each file is durable before one that leads to it.
            sync_folder(folder)
    except BaseException:
        for destination in reversed(published):
            os.unlink(destination)
        raise


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
