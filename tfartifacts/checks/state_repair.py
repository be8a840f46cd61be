"""What a state file should say: paths beside it, of checkpoints that are there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence

from tfartifacts.checks.states import ExaminedState, names_member, place_of
from tfartifacts.errors import PathNotFoundError, TfArtifactsError
from tfartifacts.formats.bundle_entries import index_file
from tfartifacts.formats.checkpoint_state import write_checkpoint_state
from tfartifacts.formats.v1_checkpoint import shard_files
from tfartifacts.model.checkpoints import STEP_OF_PREFIX, CheckpointState, StateEntry
from tfartifacts.opening.checkpoints import open_checkpoint, without_member_suffix
from tfartifacts.records import dataclass
from tfartifacts.storage.files import describe_file


@dataclass(frozen=True, slots=True)
class Repair:
    """What a state file should say, and what becomes of each path it had.

    `changes` is False where it says that already. `became` maps recorded paths to new ones, None
    for those that are dropped; `added` are new paths.
    """

    state: CheckpointState
    changes: bool
    became: dict[str, str | None]
    added: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def data(self) -> bytes:
        """The file's text."""
        return write_checkpoint_state(self.state)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A path that the file will have, where its checkpoint is, and when it was saved if known."""

    path: str
    prefix: str
    time: float | None


def repaired(examined: ExaminedState, *, add_unlisted: bool = False) -> Repair:
    """What the state file should say.

    Entries stay in their order and keep their times, those that are gone or lead out of the folder
    are dropped; what is there gets a path relative to the file. The latest is the recorded one if
    it is there, else the last of the list. Checkpoints that are not named are added with
    `add_unlisted`, or where no other is left, by step or time; one that cannot be opened is not.
    Where times are written, one that is not known is that of the checkpoint's file.

    Raises PathNotFoundError where no checkpoint is left to name.
    """
    state = examined.state
    notes: list[str] = []
    kept, became = _kept(examined, notes)
    before = [each.prefix for each in kept]
    is_new = not kept
    if examined.fault is not None:
        notes.append(f"dropped: all that the file said, which cannot be read ({examined.fault})")
    if is_new:
        notes.append("made anew of the checkpoints that are there, by step or time")
    if add_unlisted or is_new:
        kept = _merged(kept, _sound(examined.unlisted, examined.folder, notes))
    if not kept:
        raise PathNotFoundError(
            "found no checkpoint that is whole, expected one for the state file to name",
            path=examined.path,
            details=tuple(notes),
        )
    latest = _latest(examined, kept, became, notes)
    times = _times(state, kept, notes)
    made = CheckpointState(
        latest,
        tuple(each.path for each in kept),
        times,
        None if state is None else state.last_preserved,
    )
    # A file that names the latest alone is as good.
    is_alone = state is not None and not state.all_paths and made.all_paths == (latest,)
    unchanged = state == made or (is_alone and state is not None and state.latest_path == latest)
    added = tuple(each.path for each in kept if each.prefix not in before)
    return Repair(made, not unchanged, became, added, tuple(notes))


def _kept(examined: ExaminedState, notes: list[str]) -> tuple[list[_Kept], dict[str, str | None]]:
    places: dict[str, str | None] = {}
    kept: dict[str, _Kept] = {}
    for entry in examined.entries:
        path = _path_of(entry, examined.folder)
        if entry.prefix is None or path is None:
            places[entry.recorded] = None
            notes.append(f"dropped: {entry.recorded!r}, {_why_dropped(entry)}")
            continue
        if entry.outside:
            notes.append(
                f"{entry.recorded!r} leads out of the folder: not followed, and {path!r} beside "
                "the file taken in its place (--follow-external keeps it)"
            )
        place = places[entry.recorded] = place_of(entry.prefix)
        # Of two entries the later one counts, as that is when it was saved.
        kept.pop(place, None)
        kept[place] = _Kept(path, entry.prefix, entry.timestamp)
    became = {
        recorded: None if place is None else kept[place].path for recorded, place in places.items()
    }
    return list(kept.values()), became


def _why_dropped(entry: StateEntry) -> str:
    if entry.outside:
        return "which leads out of the folder (--follow-external keeps it)"
    if entry.prefix is None:
        return "which is not there"
    return "whose name is not UTF-8, as TensorFlow expects"


def _path_of(entry: StateEntry, folder: str) -> str | None:
    """The path that an entry should have; None where there can be none."""
    if entry.prefix is None:
        return None
    is_right = not entry.relocated and not names_member(entry)
    if is_right and not os.path.isabs(entry.recorded):
        return entry.recorded
    inside = relative_path(entry.prefix, folder)
    if not inside.startswith(".."):
        return inside if _is_utf8(inside) else None
    # It was followed by request: by the path that leads there.
    return without_member_suffix(entry.recorded)


def relative_path(prefix: str, folder: str) -> str:
    """What TensorFlow calls a prefix, relative to a folder, links on the way to both resolved."""
    parent, base = os.path.split(prefix)
    shards = shard_files(prefix)
    if shards[:1] not in ((), (prefix,)) and not os.path.isfile(index_file(prefix)):
        # A set of V1 shards is found by a pattern only.
        base = re.sub(r"-\d+(-of-\d+)\Z", r"-?????\1", os.path.basename(shards[0]))
    return os.path.normpath(
        os.path.join(os.path.relpath(os.path.realpath(parent), os.path.realpath(folder)), base)
    )


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _sound(prefixes: Sequence[str], folder: str, notes: list[str]) -> list[_Kept]:
    """Those that can be opened and lack no file."""
    sound = []
    for prefix in prefixes:
        path = relative_path(prefix, folder)
        reason = None if _is_utf8(path) else "its name is not UTF-8, as TensorFlow expects"
        reason = reason or _why_broken(prefix)
        if reason is None:
            sound.append(_Kept(path, prefix, None))
        else:
            notes.append(f"not added: {path!r}, {reason}")
    return sound


def _why_broken(prefix: str) -> str | None:
    try:
        problems = open_checkpoint(prefix).problems
    except TfArtifactsError as error:
        return str(error)
    return str(problems[0]) if problems else None


def _merged(kept: Sequence[_Kept], more: Sequence[_Kept]) -> list[_Kept]:
    """Both, the second ones where they belong by age; the first ones stay in their order."""
    age = _age([*kept, *more])
    merged = list(kept)
    for each in sorted(more, key=age):
        newer = [i for i, other in enumerate(merged) if age(other) > age(each)]
        merged.insert(newer[0] if newer else len(merged), each)
    return merged


def _age(entries: Sequence[_Kept]) -> Callable[[_Kept], tuple[float, int]]:
    """What to sort by: the step where all have one and their names are else the same, or time.

    What was saved at the same time stays in the order it is in.
    """
    steps: dict[str, int] = {}
    stems = set()
    for each in entries:
        match = STEP_OF_PREFIX.search(each.path)
        if match is not None:
            steps[each.path] = int(match[1])
            stems.add(each.path[: match.start()])
    if len(steps) == len(entries) and len(stems) == 1:
        return lambda each: (steps[each.path], 0)
    position = {each.path: i for i, each in enumerate(entries)}
    return lambda each: (_modified(each.prefix), position[each.path])


def _modified(prefix: str) -> float:
    """When a checkpoint was written, by its file's time."""
    files = [index_file(prefix), *shard_files(prefix)[:1]]
    found = [file.modified for path in files if (file := describe_file(path)) is not None]
    return found[0] if found else 0.0


def _latest(
    examined: ExaminedState,
    kept: Sequence[_Kept],
    became: dict[str, str | None],
    notes: list[str],
) -> str:
    if examined.state is not None:
        path = became[examined.state.latest_path]
        if path is not None:
            return path
    for each in reversed(kept):
        reason = _why_broken(each.prefix)
        if reason is None:
            chosen = each.path
            break
        notes.append(f"not taken as the latest: {each.path!r}, {reason}")
    else:
        chosen = kept[-1].path
    if examined.state is not None:
        notes.append(f"the latest is {chosen!r} now, the last of those that are there")
    return chosen


def _times(
    state: CheckpointState | None, kept: Sequence[_Kept], notes: list[str]
) -> tuple[float, ...]:
    """A time for each path, or none at all.

    A CheckpointManager takes over only what has a time, a Saver does not look at them.
    """
    if state is not None and not state.timestamps:
        return ()
    if state is not None and len(state.timestamps) != len(state.all_paths):
        notes.append(
            f"dropped: {len(state.timestamps)} times, as which belongs to which of "
            f"{len(state.all_paths)} paths cannot be told; those of the files are taken"
        )
    return tuple(_modified(each.prefix) if each.time is None else each.time for each in kept)
