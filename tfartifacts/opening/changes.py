"""A source that changes while it is read: noticed, tried again, told."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from tfartifacts.errors import (
    DestinationExistsError,
    NameNotFoundError,
    SourceChangedError,
    TfArtifactsError,
    WriteError,
)
from tfartifacts.formats.saved_model import VARIABLES_FOLDER
from tfartifacts.storage.files import describe_file

T = TypeVar("T")

_Files = frozenset[tuple[str, int, tuple[int, int, int] | None]]
_RECENT_NS = 5_000_000_000  # younger files may be part of a save that is not finished
_WAIT = 0.2  # seconds until the rest of a save should have come
_WAIT_FOR_GRAPH = 1.0  # the same for the graph: to encode a large one takes a Saver that long
_STEP = 0.05


def while_unchanged(path: str, attempt: Callable[[], T], attempts: int = 3) -> T:
    """What `attempt`, which reads the artifact at a path, gives; done again if that changed.

    A training job that keeps a few checkpoints removes and replaces files while they are read:
    what fails then is tried again with what is there now. Raises SourceChangedError where it
    changed every time, and what `attempt` raises where nothing changed.
    """
    for left in reversed(range(attempts)):
        before = _files_around(path)
        try:
            return attempt()
        except (WriteError, DestinationExistsError):
            raise
        except SourceChangedError:
            if not left:
                raise
        except TfArtifactsError as error:
            if isinstance(error, NameNotFoundError) or not _changes(path, before):
                raise
            if not left:
                raise SourceChangedError(
                    f"its files changed whenever they were read ({attempts} times), as if a "
                    "training job wrote there; nothing was published",
                    path=path,
                ) from error
        time.sleep(_STEP)
    raise ValueError("no attempts")


def _changes(path: str, before: _Files) -> bool:
    """Whether the files around changed; where they are new, a moment is waited to see it."""
    new = _newer_than(before, time.time_ns() - _RECENT_NS)
    end = time.monotonic()
    if new:
        end += _WAIT_FOR_GRAPH if _lacks_graph(new) else _WAIT
    while _files_around(path) == before:
        if time.monotonic() >= end:
            return False
        time.sleep(_STEP)
    return True


def _newer_than(files: _Files, time_ns: int) -> set[str]:
    return {path for path, _, identity in files if identity is not None and identity[2] > time_ns}


def _lacks_graph(new: set[str]) -> bool:
    """Whether a checkpoint has no graph yet: a Saver writes the `.meta` last of all."""
    prefixes = {path.removesuffix(".index") for path in new if path.endswith(".index")}
    return any(f"{prefix}.meta" not in new for prefix in prefixes)


def _files_around(path: str) -> _Files:
    """The files of an artifact, and others there, so that one can tell whether any changed."""
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    found = []
    for place in (folder, os.path.join(folder, VARIABLES_FOLDER)):
        with suppress(OSError):
            found += [os.path.join(place, name) for name in os.listdir(place or ".")]
    files = (describe_file(path) for path in found)
    return frozenset((file.path, file.size, file.identity) for file in files if file is not None)
