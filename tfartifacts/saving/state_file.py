"""The state file of the folder that a checkpoint is written to."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from tfartifacts.errors import (
    ConversionError,
    DestinationExistsError,
    SourceChangedError,
    located,
)
from tfartifacts.formats.checkpoint_state import (
    STATE_FILE,
    read_checkpoint_state,
    write_checkpoint_state,
)
from tfartifacts.model.checkpoints import CheckpointState
from tfartifacts.saving.plans import Options
from tfartifacts.storage.files import read_file
from tfartifacts.storage.publishing import Steps
from tfartifacts.storage.writing import write_file


class StateFile:
    """A state file as it is, and as it is to be with one checkpoint more."""

    def __init__(self, folder: str, name: str, options: Options, shown: str = "") -> None:
        """`shown` is the folder as the caller wrote it."""
        self.path = os.path.join(folder, STATE_FILE)
        self.shown = os.path.join(shown, STATE_FILE)
        self.name = name
        self.update = options.update_state
        self.max_to_keep = options.max_to_keep
        self.seen: bytes | None = None
        self.now = time.time()

    def next(self) -> tuple[bytes | None, tuple[str, ...]]:
        """What to write, None to leave the file as it is; and what to say about it."""
        self.seen = self._read()
        if self.seen is None:
            return write_checkpoint_state(CheckpointState(self.name, (self.name,))), ()
        if not self.update:
            if self.max_to_keep is not None:
                raise ConversionError(
                    "found a number of checkpoints to keep, expected it together with "
                    "--update-state: the state file there is otherwise left as it is"
                )
            return None, (
                f"{self.shown} is left as it is: --update-state makes it name this checkpoint as "
                "the latest",
            )
        with located(self.path):
            state, dropped = self._with_latest(read_checkpoint_state(self.seen))
        notes: tuple[str, ...] = ()
        if dropped:
            notes = (
                f"no longer listed in {self.shown}, their files not deleted: {', '.join(dropped)}",
            )
        return write_checkpoint_state(state), notes

    def _with_latest(self, state: CheckpointState) -> tuple[CheckpointState, list[str]]:
        """The state with this checkpoint as the latest; and the paths that it no longer lists."""
        paths = list(state.all_paths)
        # Times that are not one for each path belong to none that can be told.
        times = list(state.timestamps) if len(state.timestamps) == len(paths) else []
        if state.latest_path not in paths:
            # TensorFlow reads a state without it in the list as if it were there, as the last.
            paths.append(state.latest_path)
            times = [*times, self.now] if times else []
        kept = [position for position, path in enumerate(paths) if not self._is_this(path)]
        first = 0 if self.max_to_keep is None else max(0, len(kept) + 1 - self.max_to_keep)
        dropped = [paths[position] for position in kept[:first]]
        kept = kept[first:]
        updated = CheckpointState(
            self.name,
            (*(paths[position] for position in kept), self.name),
            (*(times[position] for position in kept), self.now) if times else (),
            state.last_preserved,
        )
        return updated, dropped

    def _is_this(self, path: str) -> bool:
        """Whether an entry stands for this checkpoint: one of that name that was here before."""
        own = os.path.dirname(self.path)
        folder, name = os.path.split(os.path.join(own, path))
        if name != self.name or "\0" in folder:
            return False
        return os.path.realpath(folder) == os.path.realpath(own)

    def _read(self) -> bytes | None:
        """The bytes that are there; None without a state file."""
        if not os.path.lexists(self.path):
            return None
        if not os.path.isfile(self.path):
            raise DestinationExistsError(
                "found no regular file where the state file belongs; remove it, or choose another "
                "folder",
                path=self.path,
            )
        return read_file(self.path)

    def publisher(self, staged: str) -> Callable[[Steps], None]:
        """What puts the state file, staged in that folder, in place after the files it names."""

        def publish(steps: Steps) -> None:
            path = os.path.join(staged, STATE_FILE)
            for attempt in range(3):
                if not self.update or self._read() == self.seen:
                    put = steps.appear if self.seen is None else steps.replace
                    return put(path, self.path)
                # A training job wrote it meanwhile: its entries are to be kept, too.
                encoded, _ = self.next()
                assert encoded is not None  # it is to be updated
                path = os.path.join(staged, f"{STATE_FILE}.{attempt}")
                write_file(path, [encoded])
            raise SourceChangedError("was rewritten again and again meanwhile", path=self.path)

        return publish
