"""Files that a graph reads by the path they had when it was made, such as vocabularies."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from tfartifacts.errors import ConversionError
from tfartifacts.model.checkpoints import File
from tfartifacts.records import dataclass
from tfartifacts.storage.files import absolute, describe_file

_MOST_PARTS = 16


@dataclass(frozen=True, slots=True)
class FindFileFrom:
    """Looks for a recorded file in a folder, by its path or its last parts, as many as fit.

    A path that leads out of the folder, also by a link, is followed only with `follow_external`:
    who made the graph chose it, and the file would be copied. Raises ConversionError for such a
    one that is there, also where another file of that name is in the folder: which is meant is
    for the caller to say.
    """

    folder: str

    def __call__(self, recorded: str, follow_external: bool) -> File | None:
        outside: File | None = None
        # A relative path was relative to wherever the program ran; that may be here.
        for name in (recorded, *_last_parts(recorded)):
            file = describe_file(os.path.join(self.folder, name)) if name else None
            if file is not None and (follow_external or is_inside(file.path, self.folder)):
                if outside is not None and outside.identity != file.identity:
                    _refuse_two(recorded, outside, file)
                return file
            outside = outside or file
        if outside is not None:
            refuse_outside(outside, self.folder)
        return None


def _last_parts(path: str) -> Iterator[str]:
    """What stays of a path where folders above it have moved: x/a/b, a/b, b of /x/a/b."""
    parts = [part for part in re.split(r"[/\\]", path) if part not in ("", ".")][-_MOST_PARTS:]
    for start in range(len(parts)):
        if ".." not in parts[start:]:
            yield os.path.join(*parts[start:])


def find_beside(path: str) -> FindFileFrom:
    """Looks in the folder of a file, wherever the current folder is by then."""
    return FindFileFrom(absolute(os.path.dirname(path)))


def _refuse_two(recorded: str, outside: File, inside: File) -> None:
    from shlex import quote

    raise ConversionError(
        f"found {outside.path}, which the graph reads as {recorded!r}, and {inside.path}: which is "
        f"meant is unclear; pass --asset {quote(recorded)}={quote(inside.path)}, or "
        f"--follow-external to take {outside.path}"
    )


def refuse_outside(file: File, folder: str) -> None:
    """Raise ConversionError for a file that is not below a folder, links resolved."""
    if not is_inside(file.path, folder):
        from shlex import quote

        raise ConversionError(
            f"found a file that the graph reads outside of {folder or '.'}, expected it inside: "
            f"not followed; pass --asset {quote(os.path.basename(file.path))}=PATH, or "
            "--follow-external",
            path=file.path,
        )


def is_inside(path: str, folder: str) -> bool:
    """Whether a path lies below a folder, links resolved."""
    root = os.path.realpath(folder or ".")
    return os.path.realpath(path).startswith(root.rstrip("/") + "/")
