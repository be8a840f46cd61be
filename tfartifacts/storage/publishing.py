"""Finished files and folders appear whole or not at all.

They are made in a temporary sibling of their destination (temporary), on the same file system, and
synced to disk; then they are renamed into place without replacing anything (renameat2 with
RENAME_NOREPLACE where the kernel has it). A folder appears in one step. Several files appear in
the order given, so that a reader who finds the last finds the others.

On any exception, and on Ctrl-C, what was renamed is taken back: an error means that nothing was
published. After a kill a temporary sibling is left, which the next save to the same place removes.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress

from tfartifacts.errors import DestinationExistsError, WriteError
from tfartifacts.storage.files import read_file
from tfartifacts.storage.syncing import write_error
from tfartifacts.storage.temporary import note_parts, remove_folder
from tfartifacts.storage.writing import copy_mode, sync_folder, write_file

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2


def refuse_existing(path: str) -> None:
    """Raise DestinationExistsError if there is anything at the path, be it a dangling link."""
    if os.path.lexists(path):
        raise DestinationExistsError(
            "exists already; choose another destination, or remove it first", path=path
        )


class Steps:
    """Renames that are all done or, where the block raises, all taken back.

    The last is taken back first, and only as far as that works: what leads to other files, an
    index or a state file, comes after them and goes before them. An interruption may come before
    or after a rename was done: who stands in a place is told by its inode.
    """

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            with suppress(OSError):  # what went wrong first is told
                for undo in reversed(self._undo):
                    undo()

    def appear(self, staged: str, destination: str) -> None:
        """Move to where nothing is. Raises DestinationExistsError if something is there."""
        ours = _identity(staged)

        def undo() -> None:
            if _is_at(destination, ours):
                if os.path.lexists(staged):  # a second name of the same file
                    os.unlink(destination)
                else:
                    os.rename(destination, staged)

        self._undo.append(undo)
        rename_without_replacing(staged, destination)

    def replace(self, staged: str, destination: str) -> None:
        """Put a file in the place of another: readers see the one or the other."""
        ours = _identity(staged)
        kept = staged + ".old"
        _keep(destination, kept)

        def undo() -> None:
            if _is_at(destination, ours):
                os.replace(kept, destination)

        self._undo.append(undo)
        try:
            os.replace(staged, destination)
        except OSError as error:
            raise write_error(destination, error) from None

    def exchange(self, staged: str, destination: str) -> None:
        """Exchange two folders. Raises DestinationExistsError where the system cannot."""
        ours = _identity(staged)

        def undo() -> None:
            if _is_at(destination, ours):
                _exchange(staged, destination)

        self._undo.append(undo)
        _exchange(staged, destination)

    def put_away(self, path: str, staging: str) -> None:
        """Move a file that is out of date into a staging folder, which is removed in the end."""
        away = os.path.join(staging, os.path.basename(path) + ".away")

        def undo() -> None:
            if os.path.lexists(away):
                os.rename(away, path)

        self._undo.append(undo)
        try:
            os.rename(path, away)
        except OSError as error:
            raise write_error(path, error) from None


def _keep(path: str, kept: str) -> None:
    """A second name for a file that is about to be replaced, or a copy of it."""
    try:
        os.link(path, kept, follow_symlinks=False)
    except OSError:  # not every file system has links
        write_file(kept, [read_file(path)])
        copy_mode(path, kept)


def _identity(path: str) -> tuple[int, int]:
    try:
        status = os.lstat(path)
    except OSError as error:
        raise write_error(path, error) from None
    return status.st_dev, status.st_ino


def _is_at(path: str, identity: tuple[int, int]) -> bool:
    try:
        return _identity(path) == identity
    except WriteError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return False
        raise


def publish_folder(staged: str, destination: str, *, overwrite: bool = False) -> None:
    """Move a finished folder to its destination in one step.

    Raises DestinationExistsError if something is there; with `overwrite` a folder there is
    exchanged for the new one in one step, then removed.
    """
    _sync_below(staged)
    with Steps() as steps:
        if overwrite and os.path.lexists(destination):
            if not os.path.isdir(destination) or os.path.islink(destination):
                raise DestinationExistsError("is no folder, and is not replaced", path=destination)
            steps.exchange(staged, destination)
        else:
            steps.appear(staged, destination)
        sync_folder(os.path.dirname(os.path.abspath(destination)))
    # After an exchange: the old one.
    remove_folder(staged)


def publish_files(
    staged: str,
    folder: str,
    names: Sequence[str],
    finish: Callable[[Steps], None] | None = None,
) -> None:
    """Move finished files (and folders) into a folder, in this order; all of them or none.

    `finish` takes the steps that make them known. Raises DestinationExistsError if one of the
    names is taken.
    """
    _sync_below(staged)
    if len(names) > 1:
        note_parts(staged, names)
    with Steps() as steps:
        for name in names:
            steps.appear(os.path.join(staged, name), os.path.join(folder, name))
            # Each file is durable before one that leads to it.
            sync_folder(folder)
        if finish is not None:
            finish(steps)
            sync_folder(folder)


def _sync_below(folder: str) -> None:
    for parent, folders, _ in os.walk(folder, topdown=False):
        for name in folders:
            sync_folder(os.path.join(parent, name))
    sync_folder(folder)


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
        # An overlay does not move folders of the layers below, such as those of an image.
        if error.errno != errno.EXDEV:
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
