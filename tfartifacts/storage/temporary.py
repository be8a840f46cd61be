"""Temporary folders beside a destination, and what a killed process left of one.

    .<name>.tfartifacts-<machine>-<pid>-<random>/

The process that makes one holds a lock on it (flock), which the kernel drops when the process is
gone, however it went. Whoever saves to the same place next removes what no lock holds. `machine`
stands for one running kernel: locks of another, or from before a restart, cannot be seen, so that
a folder with another one is left alone.

Files of a checkpoint leave the folder one by one. Those that were on their way stand in
`parts.json`, so that they too are removed if the last of them, the index, never came.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache

from tfartifacts.errors import PathNotFoundError, WriteError
from tfartifacts.storage.files import read_file
from tfartifacts.storage.syncing import write_error
from tfartifacts.storage.writing import sync_folder, write_file

MARK = ".tfartifacts-"
_PARTS = "parts.json"

# Device, inode, change of content in ns: a rename changes none of them.
_Trace = tuple[int, int, int]


@lru_cache(maxsize=1)
def _machine() -> str:
    """What the processes have in common that see each other's locks."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            kernel = file.read()
    except OSError:  # no Linux
        kernel = os.fsencode(os.uname().nodename)
    return f"{zlib.crc32(kernel):08x}"


def _beginning(name: str) -> str:
    """What the names of all temporary folders for a destination begin with."""
    # Names have at most 255 bytes; the mark is what tells whose it is, not the rest.
    return f".{os.fsdecode(os.fsencode(name)[:100])}{MARK}"


@contextmanager
def staging_folder(destination: str) -> Iterator[str]:
    """A temporary folder beside the destination; removed at the end with what is still in it.

    Missing parents are made, and removed again if nothing was put into them.
    """
    parent, name = os.path.split(os.path.abspath(destination))
    beginning = os.path.join(parent, f"{_beginning(name)}{_machine()}-{os.getpid()}-")
    made: list[str] = []
    staging = ""
    lock: int | None = None
    try:
        _make_parents(parent, made)
        while lock is None:
            staging = beginning + os.urandom(4).hex()
            try:
                os.mkdir(staging)
            except OSError as error:
                raise write_error(staging, error) from None
            # None where another process found it before it was locked, and removes it.
            lock = _lock_own(staging)
        yield staging
    finally:
        if staging:
            remove_folder(staging)
        if lock is not None:
            with suppress(OSError):  # nothing was written through it
                os.close(lock)
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
        sync_folder(os.path.dirname(path))


def _lock_own(folder: str) -> int | None:
    """A descriptor that holds the lock of a new folder; None if another process was faster."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise write_error(folder, error) from None
    held = False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = os.path.exists(folder)
    except OSError as error:
        # Where the file system has no locks, nobody gets one, and nothing is ever removed.
        held = error.errno in (errno.ENOSYS, errno.ENOTSUP, errno.EINVAL)
        if not held and error.errno not in (errno.EAGAIN, errno.EACCES):
            raise write_error(folder, error) from None
    finally:
        if not held:
            os.close(descriptor)
    return descriptor if held else None


# --- what is left ---------------------------------------------------------------------------------


def remove_leftovers(destination: str) -> tuple[str, ...]:
    """Remove what killed processes left of saves to this destination.

    Gives those that another machine left, or this one before a restart: they may be in use.
    """
    parent, name = os.path.split(os.path.abspath(destination))
    form = re.compile(re.escape(_beginning(name)) + r"([0-9a-f]{8})-\d+-[0-9a-f]{8}")
    try:
        names = os.listdir(parent)
    except (OSError, ValueError):
        return ()
    unknown = []
    for found in sorted(names):
        match = form.fullmatch(found)
        if match is None:
            continue
        folder = os.path.join(parent, found)
        if match[1] != _machine():
            unknown.append(folder)
            continue
        with _unused(folder) as is_unused:
            if is_unused:
                _remove_parts(folder, parent)
                remove_folder(folder)
    return tuple(unknown)


@contextmanager
def _unused(folder: str) -> Iterator[bool]:
    """Whether a temporary folder is our user's and no process's; locked for as long as it takes."""
    try:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(folder, flags)
    except OSError:
        yield False
        return
    try:
        is_unused = os.fstat(descriptor).st_uid == os.geteuid()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            is_unused = False
        yield is_unused
    finally:
        os.close(descriptor)


def note_parts(staged: str, names: Sequence[str]) -> None:
    """Say, beside a staged folder, which of its files are about to leave it, the last one last."""
    parts = [[name, *(_trace(os.path.join(staged, name)) or ())] for name in names]
    folder = os.path.dirname(staged)
    write_file(os.path.join(folder, _PARTS), [json.dumps(parts).encode()])
    sync_folder(folder)


def _remove_parts(left: str, folder: str) -> None:
    """Remove from a folder what came there out of a temporary one, unless all of it came."""
    try:
        parts = json.loads(read_file(os.path.join(left, _PARTS)))
        traces: dict[str, _Trace] = {
            os.path.basename(name): (device, inode, changed)
            for name, device, inode, changed in parts
        }
    except (PathNotFoundError, TypeError, ValueError):  # none was on its way yet
        return
    there = [name for name, trace in traces.items() if _trace(os.path.join(folder, name)) == trace]
    if traces and list(traces)[-1] in there:
        return
    for name in reversed(there):
        remove_all(os.path.join(folder, name))


def _trace(path: str) -> _Trace | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


def remove_all(path: str) -> None:
    """Remove a file, or a folder with all that is in it, as far as that is possible."""
    if os.path.isdir(path) and not os.path.islink(path):
        remove_folder(path)
    else:
        with suppress(OSError):
            os.unlink(path)


def remove_folder(path: str) -> None:
    """Remove a folder and what is in it, as far as that can be done."""
    import shutil

    shutil.rmtree(path, ignore_errors=True)
