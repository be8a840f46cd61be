"""Put a repaired state file in the place of the one that was looked at."""

from __future__ import annotations

import os

from tfartifacts.checks.state_repair import Repair, repaired
from tfartifacts.checks.states import examine_state
from tfartifacts.errors import DestinationExistsError, FormatError, SourceChangedError
from tfartifacts.formats.checkpoint_state import read_checkpoint_state
from tfartifacts.model.checkpoints import CheckpointState
from tfartifacts.saving.leftovers import clear_place
from tfartifacts.saving.plans import Message
from tfartifacts.saving.staging import check_message
from tfartifacts.storage.files import read_file
from tfartifacts.storage.publishing import Steps
from tfartifacts.storage.temporary import staging_folder
from tfartifacts.storage.writing import copy_mode, sync_folder, write_file

BACKUP_SUFFIX = ".bak"


def clear_state_file(path: str) -> tuple[str, ...]:
    """Remove what killed processes left beside a state file; what is to be said of the rest."""
    return clear_place(path)


def replace_state_file(
    path: str, data: bytes, state: CheckpointState, seen: bytes | None, *, backup: bool = False
) -> str | None:
    """Write a state file of these bytes, which say `state`, over the one that was `seen`.

    Readers see the old file or the new one. With `backup` the old bytes are put beside it first,
    as `<path>.bak`; gives that path, None where there was nothing to keep.

    Raises SourceChangedError where the file is no longer what was seen (None: none), WriteError,
    DestinationExistsError for a backup that is there, and for a link in the file's place.
    """
    kept = path + BACKUP_SUFFIX if backup and seen is not None else None
    message = Message([data], lambda text: _expect(read_checkpoint_state(text), state))
    with staging_folder(path) as staging:
        staged = os.path.join(staging, os.path.basename(path))
        write_file(staged, message.pieces)
        check_message(staged, message)
        if seen is not None:
            copy_mode(path, staged)
        with Steps() as steps:
            if kept is not None and seen is not None and not _is_kept(kept, seen):
                old = staged + BACKUP_SUFFIX
                write_file(old, [seen])
                copy_mode(path, old)
                sync_folder(staging)
                steps.appear(old, kept)
                sync_folder(os.path.dirname(os.path.abspath(path)))
            else:
                sync_folder(staging)
            if _read(path) != seen:
                raise SourceChangedError(
                    "the file changed since it was looked at, as if a training job wrote there; "
                    "nothing was published: look again",
                    path=path,
                )
            if seen is None:
                steps.appear(staged, path)
            else:
                steps.replace(staged, path)
            sync_folder(os.path.dirname(os.path.abspath(path)))
    return kept


def _is_kept(path: str, data: bytes) -> bool:
    """Whether a backup of these very bytes is there, perhaps of a run that was killed."""
    return os.path.isfile(path) and not os.path.islink(path) and read_file(path) == data


def _read(path: str) -> bytes | None:
    if os.path.islink(path):
        raise DestinationExistsError(
            f"found a link to {os.path.realpath(path)}, expected the state file itself; it is "
            "not replaced",
            path=path,
        )
    return read_file(path) if os.path.lexists(path) else None


def _expect(found: CheckpointState, expected: CheckpointState) -> None:
    if repr(found) != repr(expected):  # a time that is no number does not equal itself
        raise FormatError("found another state than was written")


def repair_state(
    path: str | os.PathLike[str],
    *,
    add_unlisted: bool = False,
    follow_external: bool = False,
    backup: bool = False,
    dry_run: bool = False,
) -> Repair:
    """Make a folder's `checkpoint` state file name what is there; `tfartifacts state --fix`.

    Paths become relative; entries that are gone, or lead out of the folder (unless
    `follow_external`), are dropped; a file that is missing or cannot be read is made anew.
    `add_unlisted` lists all checkpoints there; `backup` keeps the old file as `<path>.bak`;
    `dry_run` writes nothing. A file that is in order is left as it is.

    Raises PathNotFoundError where there is no checkpoint to name, NotThisFormatError where
    something else stands in the file's place, SourceChangedError, DestinationExistsError,
    WriteError.
    """
    examined = examine_state(path, follow_external=follow_external)
    repair = repaired(examined, add_unlisted=add_unlisted)
    if not dry_run:
        clear_state_file(examined.path)
        if repair.changes:
            replace_state_file(
                examined.path, repair.data, repair.state, examined.data, backup=backup
            )
    return repair
