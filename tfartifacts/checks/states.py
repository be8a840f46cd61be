"""A `checkpoint` state file against the checkpoints there are: what TensorFlow would make of it.

    state-missing          warning  checkpoints, but no state file: latest_checkpoint gives None
    state-unreadable       error    TensorFlow raises, or gives None
    state-latest-gone      error    the latest is not there
    state-latest-moved     error    it is not at the recorded path, but beside the state file
    state-latest-member    error    a file of it is named: TensorFlow takes that for a prefix
    state-pattern          error    TensorFlow takes a path for a pattern, and finds nothing
    state-entry-gone, state-entry-moved, state-entry-member
                           warning  the same of another checkpoint
    state-outside          warning  a path leads out of the folder; TensorFlow follows it
    state-latest-unlisted  warning  the latest is not among all
    state-duplicate        warning  a checkpoint is listed twice
    state-timestamps       warning  times are not one for each path
    state-absolute         note     a path is right, until the folder is moved
    state-order            note     the latest is not the last
    state-unlisted         note     checkpoints that the file does not name

Source: tensorflow/python/training/checkpoint_management.py; tried with 1.15 and 2.21.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from tfartifacts.checks.findings import Finding, Severity, error, note, of_error, warning
from tfartifacts.errors import (
    FormatError,
    NotThisFormatError,
    PathNotFoundError,
    located,
)
from tfartifacts.formats import saved_model as layout
from tfartifacts.formats import sniff
from tfartifacts.formats.checkpoint_state import MAX_SIZE, STATE_FILE, read_checkpoint_state
from tfartifacts.formats.table import is_table
from tfartifacts.formats.v1_checkpoint import prefix_of_shard
from tfartifacts.model.checkpoints import CheckpointState, StateEntry
from tfartifacts.opening.checkpoints import resolve_entries, without_member_suffix
from tfartifacts.opening.prefixes import listing, prefixes_in
from tfartifacts.records import dataclass
from tfartifacts.storage.files import describe_file, read_file


@dataclass(frozen=True, slots=True)
class ExaminedState:
    """A state file, and what there is in its folder.

    `data` are its bytes, None without one; `state` what it says, None where `fault` is why it
    cannot be read. `unlisted` are the prefixes in the folder that it does not name, in the natural
    order of their names.
    """

    folder: str
    path: str
    data: bytes | None
    state: CheckpointState | None
    fault: FormatError | None
    entries: tuple[StateEntry, ...]
    unlisted: tuple[str, ...]

    @property
    def latest(self) -> StateEntry | None:
        """The entry of the latest checkpoint; None without a state."""
        if self.state is None:
            return None
        return next(each for each in self.entries if each.recorded == self.state.latest_path)


def examine_state(path: str | os.PathLike[str], *, follow_external: bool = False) -> ExaminedState:
    """The state file of a folder, or the one at a path, whatever its name.

    Raises PathNotFoundError where there is neither a state file nor a checkpoint,
    NotThisFormatError where something else stands in its place.
    """
    name = os.fspath(path) or "."
    if os.path.isdir(name):
        folder, state_file = name, os.path.join(name, STATE_FILE)
    else:
        folder, state_file = os.path.dirname(name), name
    data = _read(state_file)
    state, fault = None, None
    if data is not None:
        try:
            with located(state_file):
                state = read_checkpoint_state(data)
        except FormatError as raised:
            fault = raised
    entries = () if state is None else resolve_entries(state, folder, follow_external)
    known = {place_of(entry.prefix) for entry in entries if entry.prefix is not None}
    prefixes = _prefixes(folder)
    if data is None:
        _refuse_none(folder, state_file, prefixes)
    unlisted = tuple(prefix for prefix in prefixes if place_of(prefix) not in known)
    return ExaminedState(folder, state_file, data, state, fault, entries, unlisted)


def _prefixes(folder: str) -> list[str]:
    """The checkpoint prefixes there, also in a folder that is called by no name."""
    found = prefixes_in(folder or ".", listing(folder or "."))
    return [os.path.join(folder, os.path.basename(prefix)) for prefix in found]


def _read(path: str) -> bytes | None:
    """The bytes of a state file, None without one."""
    if not os.path.lexists(path):
        if os.path.basename(path) == STATE_FILE and os.path.isdir(os.path.dirname(path) or "."):
            return None
        raise PathNotFoundError(
            "no such file or folder, expected a folder of checkpoints or its state file",
            path=path,
        )
    file = describe_file(path)
    if file is not None and file.size > MAX_SIZE:
        raise NotThisFormatError(
            f"found {file.size} bytes, a state file has a few hundred", path=path
        )
    data = read_file(path)
    content = sniff.text_content(data)
    if content is not None and content.kind == "CheckpointState":
        return data
    found = None
    if content is not None or (content := sniff.binary_content(data)) is not None:
        found = f"a {content.kind}"
    elif is_table(data[-8:]):
        found = "a checkpoint of the V1 format, or an index"
    elif data:
        found = sniff.describe_foreign(data[: sniff.HEAD_SIZE], len(data))
    if found is None and os.path.basename(path) != STATE_FILE:
        found = "something else"
    if found is not None:
        raise NotThisFormatError(f"found {found}, expected a checkpoint state file", path=path)
    return data


def _refuse_none(folder: str, state_file: str, prefixes: Sequence[str]) -> None:
    """Refuse a folder without state file that needs none."""
    model = os.path.dirname(os.path.abspath(folder))
    is_named = os.path.basename(os.path.abspath(folder)) == layout.VARIABLES_FOLDER
    if is_named and any(os.path.lexists(os.path.join(model, file)) for file in layout.FILES):
        raise NotThisFormatError(
            "found the variables of a SavedModel, which have no state file", path=folder
        )
    if not prefixes:
        raise PathNotFoundError("found no state file, and no checkpoint beside", path=state_file)


def place_of(prefix: str) -> str:
    """The same for all names of a prefix; the file itself may be a link."""
    folder, base = os.path.split(prefix)
    return os.path.join(os.path.realpath(folder or "."), base)


def check_state(
    path: str | os.PathLike[str], *, follow_external: bool = False
) -> Iterator[Finding]:
    """Findings about a folder's state file; none for a folder without checkpoints."""
    findings, _ = check_state_and_prefixes(path, follow_external=follow_external)
    yield from findings


def check_state_and_prefixes(
    path: str | os.PathLike[str], *, follow_external: bool = False
) -> tuple[list[Finding], list[str]]:
    """What check_state finds, and the prefixes that the state file names, as far as followed."""
    folder = os.fspath(path) or "."
    try:
        examined = examine_state(path, follow_external=follow_external)
    except NotThisFormatError as raised:
        # A folder of something else, unless checkpoints lie there.
        taken = os.path.join(folder, STATE_FILE)
        if os.path.lexists(taken) and any(prefix != taken for prefix in _prefixes(folder)):
            return [of_error("state-unreadable", raised, severity=Severity.WARNING)], []
        return [], []
    except PathNotFoundError:
        return [], []
    named = [entry.prefix for entry in examined.entries if entry.prefix is not None]
    return list(state_findings(examined)), named


def state_findings(examined: ExaminedState) -> Iterator[Finding]:
    """What check_state finds, of a state that was examined."""
    if examined.fault is not None:
        yield of_error("state-unreadable", examined.fault, path=examined.path)
    elif examined.state is None:
        yield warning(
            "state-missing",
            f"found no state file, but {_names(examined.unlisted)}; TensorFlow finds no latest "
            "checkpoint",
            examined.path,
        )
    else:
        yield from _findings_of_entries(examined)
        yield from _findings_of_lists(examined.state, examined)
        if examined.unlisted:
            yield note(
                "state-unlisted",
                f"found {_names(examined.unlisted)}, which the state file does not name; "
                "--add-unlisted lists them",
                examined.path,
            )
    yield from _patterns(examined)


def _findings_of_entries(examined: ExaminedState) -> Iterator[Finding]:
    latest = examined.latest
    for entry in dict.fromkeys(examined.entries):
        is_latest = entry == latest
        fault = _fault(entry)
        if fault is not None:
            kind, message = fault
            yield Finding(
                Severity.ERROR if is_latest else Severity.WARNING,
                f"state-{'latest' if is_latest else 'entry'}-{kind}",
                f"found {entry.recorded!r}{' as the latest' if is_latest else ''}, {message}",
                examined.path,
                name=entry.recorded,
            )
        elif entry.outside or _leads_out(entry, examined.folder):
            yield warning(
                "state-outside",
                f"found {entry.recorded!r}, which leads out of the folder; TensorFlow follows it",
                examined.path,
                name=entry.recorded,
            )
        elif os.path.isabs(entry.recorded):
            yield note(
                "state-absolute",
                f"found {entry.recorded!r}, which is right until the folder is moved",
                examined.path,
                name=entry.recorded,
            )


def _fault(entry: StateEntry) -> tuple[str, str] | None:
    """What keeps TensorFlow from the checkpoint of an entry, if anything."""
    if entry.prefix is None:
        return None if entry.outside else ("gone", "which is not there")
    if entry.relocated:
        if entry.outside:
            return None
        return "moved", f"which is not there, but {os.path.basename(entry.prefix)} beside the file"
    if names_member(entry):
        return "member", "which is a file of a checkpoint; expected its prefix"
    return None


def names_member(entry: StateEntry) -> bool:
    """Whether a path names a file of the checkpoint that was found in place of its prefix."""
    if entry.prefix is None or without_member_suffix(entry.recorded) != entry.recorded:
        return entry.prefix is not None
    name = os.path.basename(entry.recorded)
    # TensorFlow's name of a set of V1 shards is a pattern.
    is_shard = prefix_of_shard(name) is not None and "?" not in name
    return is_shard and name != os.path.basename(entry.prefix)


def _leads_out(entry: StateEntry, folder: str) -> bool:
    """Whether an entry that was followed lies elsewhere."""
    if entry.prefix is None:
        return False
    root = os.path.realpath(folder or ".")
    return not place_of(entry.prefix).startswith(root.rstrip("/") + "/")


def _findings_of_lists(state: CheckpointState, examined: ExaminedState) -> Iterator[Finding]:
    paths = state.all_paths
    if paths and state.latest_path not in paths:
        yield warning(
            "state-latest-unlisted",
            f"found {state.latest_path!r} as the latest, expected it among all paths, as the last",
            examined.path,
            name=state.latest_path,
        )
    elif paths and paths[-1] != state.latest_path:
        yield note(
            "state-order",
            f"found {state.latest_path!r} as the latest, but {paths[-1]!r} as the last of all",
            examined.path,
            name=state.latest_path,
        )
    seen: set[str] = set()
    for path, entry in zip(paths, examined.entries, strict=False):
        place = path if entry.prefix is None else place_of(entry.prefix)
        if place in seen:
            yield warning(
                "state-duplicate",
                f"found {path!r}, which is listed already; a Saver would delete it too early",
                examined.path,
                name=path,
            )
        seen.add(place)
    if state.timestamps and len(state.timestamps) != len(paths):
        yield warning(
            "state-timestamps",
            f"found {len(state.timestamps)} times for {len(paths)} paths, expected one for each; a "
            "CheckpointManager takes those that it has for the first ones",
            examined.path,
        )


def _patterns(examined: ExaminedState) -> Iterator[Finding]:
    latest = examined.latest
    prefix = None if latest is None else latest.prefix
    if prefix is not None and is_lost_as_pattern(prefix):
        yield error(
            "state-pattern",
            f"found {prefix!r} as the latest, whose brackets or backslashes TensorFlow takes for a "
            "pattern that matches another name; rename it",
            examined.path,
            name=prefix,
        )


def is_lost_as_pattern(path: str) -> bool:
    """Whether a path, as the pattern that TensorFlow takes it for, does not match itself."""
    return "\\" in path or re.search(r"\[[^/]+\]", path) is not None


def _names(prefixes: Sequence[str], most: int = 3) -> str:
    names = ", ".join(repr(os.path.basename(prefix)) for prefix in prefixes[:most])
    more = f" and {len(prefixes) - most} more" if len(prefixes) > most else ""
    return f"{names}{more}"
