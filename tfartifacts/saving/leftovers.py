"""What killed processes left where an artifact is to be saved."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfartifacts.formats.saved_model import BINARY_FILE
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.saved_models import SavedModel
from tfartifacts.storage.temporary import remove_leftovers

if TYPE_CHECKING:
    from tfartifacts.model import Artifact


def clear(artifact: Artifact, destination: str) -> tuple[str, ...]:
    """Remove what nobody can be using any more; what is to be said about the rest."""
    if isinstance(artifact, Checkpoint):
        return clear_checkpoint(destination)
    notes = clear_place(destination)
    if isinstance(artifact, SavedModel):
        # Of a change in place, in the folder that may be replaced.
        notes += clear_place(os.path.join(destination, BINARY_FILE))
    return notes


def clear_checkpoint(prefix: str) -> tuple[str, ...]:
    """The same where a checkpoint is to be written."""
    # The other: of a folder that was to appear with the checkpoint in it.
    return clear_place(prefix) + clear_place(os.path.dirname(os.path.abspath(prefix)))


def clear_place(destination: str) -> tuple[str, ...]:
    return tuple(
        f"found {path}, which a process of another machine, or before a restart, left behind "
        "unless it still writes there; otherwise remove it"
        for path in remove_leftovers(destination)
    )
