"""Files as memory (mmap): whoever holds a part of one holds the whole, and nothing is copied.

There is one mapping of a file at a time, for a mapping keeps its file open, of which a process may
have some hundred. What is read of it is the file as it is then: where somebody else shortens the
file meanwhile, the system ends the process (SIGBUS); one that is replaced, or removed, stays.
"""

from __future__ import annotations

import os
import threading
from mmap import ACCESS_READ, mmap
from weakref import WeakValueDictionary

from tfartifacts.storage.files import not_readable

_maps: WeakValueDictionary[tuple[int, int, int, int], mmap] = WeakValueDictionary()
_lock = threading.Lock()


def mapped(path: str, descriptor: int) -> mmap:
    """An open file that is not empty, all of it, read-only. Raises PathNotFoundError."""
    status = os.fstat(descriptor)
    key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    with _lock:
        found = _maps.get(key)
        if found is None:
            try:
                found = _maps[key] = mmap(descriptor, status.st_size, access=ACCESS_READ)
            except (OSError, OverflowError, ValueError) as error:
                raise not_readable(path, OSError(0, f"cannot be mapped: {error}")) from None
    return found
