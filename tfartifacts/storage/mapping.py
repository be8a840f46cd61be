"""Large files as bytes that are read where they are touched.

A graph's constants may be most of its file, and most commands look at none. A mapped file takes
memory for what is read of it, and gives that back when it is let go. But whoever cuts the file off
meanwhile, or writes it anew in its place, as TensorFlow's freeze_graph and its SavedModelBuilder of
TensorFlow 1 do, ends a process that has it mapped (SIGBUS). So only files are mapped that are too
large to be held: graphs without large constants are read.
"""

from __future__ import annotations

import mmap
import os

from tfartifacts.model.values import Buffer
from tfartifacts.storage.files import opened, read_file

SMALL = 1 << 26  # bytes
IN_MEMORY = 1 << 25  # bytes that who walks through a mapped file reads before letting go


class MappedFile(mmap.mmap):
    """A file that is mapped; pickled it is its bytes."""

    def let_go(self) -> None:
        """Give back the memory of what was read; it is read again when it is touched again."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.madvise(mmap.MADV_DONTNEED)

    def __reduce__(self) -> tuple[object, ...]:
        return bytes, (self[:],)


def read_or_map(path: str) -> Buffer:
    """The bytes of a file, mapped where they are many. Raises as read_file does."""
    with opened(path) as descriptor:
        if os.fstat(descriptor).st_size > SMALL:
            try:
                return MappedFile(descriptor, 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError):  # a file system that cannot, or no descriptor left
                pass
    return read_file(path)


def let_go(buffer: Buffer) -> None:
    """Give back the memory of a file, if it is one that is mapped, or a view of it."""
    owner = buffer.obj if isinstance(buffer, memoryview) else buffer
    if isinstance(owner, MappedFile):
        owner.let_go()
