"""Which checkpoint is meant: of a folder the latest, where that is beyond doubt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tfartifacts.errors import ConversionError
from tfartifacts.model.checkpoints import Checkpoint, CheckpointDirectory

if TYPE_CHECKING:
    from tfartifacts.model import Artifact


def one_checkpoint(
    source: Checkpoint | CheckpointDirectory,
) -> tuple[Checkpoint, tuple[str, ...]]:
    """The checkpoint to convert, and what is to be said of the choice."""
    if isinstance(source, Checkpoint):
        return source, ()
    known = [*source.checkpoints, *source.unlisted]
    there = ", ".join(checkpoint.path for checkpoint in known)
    if source.latest is None:
        other = f"pass one of {there}" if there else "there is no other"
        raise ConversionError(f"{_why_no_latest(source)}; {other}", path=source.path)
    if source.state is None and not _steps_decide(known):
        raise ConversionError(
            "found no state file to say which checkpoint is the latest, and no steps in their "
            f"names that would; pass one of {there}",
            path=source.path,
        )
    entry = next((e for e in source.entries if e.prefix == source.latest.path), None)
    notes: tuple[str, ...] = ()
    if entry is not None and entry.relocated:
        there_too = ", which is there too" if entry.outside else ""
        notes = (
            f"the state file says {entry.recorded}{there_too}; took {source.latest.path} beside it",
        )
    return source.latest, notes


def _why_no_latest(source: CheckpointDirectory) -> str:
    if source.state is None:
        for prefix, error in source.broken.items():
            return f"found no checkpoint that can be opened ({prefix}: {error.message})"
        return "found no checkpoint"
    latest = source.state.latest_path
    for entry in source.entries:
        if entry.recorded == latest and entry.prefix is not None and entry.prefix in source.broken:
            error = source.broken[entry.prefix]
            return f"the latest checkpoint, {latest}, cannot be opened ({error.message})"
    return f"the latest checkpoint, {latest}, is not there"


def _steps_decide(checkpoints: Sequence[Checkpoint]) -> bool:
    """Whether names alone tell which is the latest: a step each behind the same beginning."""
    if len(checkpoints) < 2:
        return True
    stems = set()
    for checkpoint in checkpoints:
        if checkpoint.step is None:
            return False
        # Steps may be padded: cp-0009.ckpt, cp-0010.ckpt.
        stems.add(checkpoint.path.rpartition(str(checkpoint.step))[0].rstrip("0"))
    return len(stems) == 1


def source_path(source: Artifact) -> str | None:
    """The path of what `convert` takes from an artifact: of a folder its latest checkpoint."""
    if isinstance(source, CheckpointDirectory):
        return source.path if source.latest is None else source.latest.path
    return source.path
