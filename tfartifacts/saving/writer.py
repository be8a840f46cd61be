"""A checkpoint whose variables come one at a time, for those that do not fit in memory together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from operator import index
from types import TracebackType
from typing import Any

from tfartifacts.errors import ConversionError, FormatError
from tfartifacts.formats.bundle_entries import data_file, index_file
from tfartifacts.formats.bundle_writing import BundleStream, check_bundle
from tfartifacts.formats.checkpoint_state import STATE_FILE, read_checkpoint_state
from tfartifacts.formats.tensor_data import check_shape
from tfartifacts.model.from_arrays import check_name, variable_from_array, variable_from_blocks
from tfartifacts.model.values import DTypeLike
from tfartifacts.model.variables import Variable
from tfartifacts.saving.checkpoints import place_of_prefix, publish_checkpoint, refuse_taken
from tfartifacts.saving.leftovers import clear_checkpoint
from tfartifacts.saving.plans import Message, Options, Saved, path_to_write, saved
from tfartifacts.saving.staging import check_message
from tfartifacts.saving.state_file import StateFile
from tfartifacts.storage.syncing import Syncing
from tfartifacts.storage.temporary import staging_folder
from tfartifacts.storage.writing import make_folder, new_file, write_file

_MOST_SHARDS = 99_999  # five digits in the names of data files


class CheckpointWriter:
    """Writes a checkpoint variable by variable, in constant memory, whole or not at all.

        with tfa.CheckpointWriter("runs/model.ckpt-7") as writer:
            writer.add("dense/bias", numpy.zeros(10, numpy.float32))
            writer.add_blocks("dense/kernel", "float32", (1 << 20, 1 << 10), blocks())

    Each variable goes to disk as it is added, into a temporary folder beside the prefix, which
    readers do not see. At the end of the block everything is synced, read again and compared; then
    data files, index and state file appear, in this order, replacing nothing: a checkpoint is there
    once its index is. Where the block raises, nothing is left; what a killed process leaves, the
    next one that writes to the same prefix removes. Names may come in any order. With `shards`
    data files, each variable goes to the smallest so far. `update_state` and `max_to_keep` are as
    for `save`. Not for several threads at once.

    `saved` says which files were written, once the block has ended.
    """

    def __init__(
        self,
        prefix: str | os.PathLike[str],
        *,
        shards: int = 1,
        update_state: bool = False,
        max_to_keep: int | None = None,
    ) -> None:
        self.saved: Saved | None = None
        self._prefix = os.fspath(prefix)
        self._num_shards = shards
        self._options = Options(update_state=update_state, max_to_keep=max_to_keep)
        self._names: set[str] = set()
        self._is_open = False
        self._is_broken = False

    def __enter__(self) -> CheckpointWriter:
        """Make the temporary folder. Raises DestinationExistsError if the prefix is taken."""
        if self._is_open or self.saved is not None or self._names:
            raise ConversionError("found a writer that was used before, expected a new one")
        if not 1 <= self._num_shards <= _MOST_SHARDS:
            raise ConversionError(f"found {self._num_shards} shards, expected 1 to {_MOST_SHARDS}")
        self._prefix = path_to_write(self._prefix)
        self._left = clear_checkpoint(self._prefix)
        self._folder, name = place_of_prefix(self._prefix, self._options)
        data = [data_file(name, shard, self._num_shards) for shard in range(self._num_shards)]
        self._files = [*data, index_file(name)]
        refuse_taken(self._folder, name, self._files, overwrite=False)
        self._name = name
        self._state_file().next()  # what is wrong with it is told before anything is written
        with ExitStack() as stack:
            staging = stack.enter_context(staging_folder(self._prefix))
            self._place = os.path.join(staging, "checkpoint")
            make_folder(self._place)
            self._disk = stack.enter_context(ExitStack())
            syncing = self._disk.enter_context(Syncing())
            self._sinks = stack.enter_context(ExitStack())
            sinks = [
                self._sinks.enter_context(new_file(self._path(file), syncing)) for file in data
            ]
            self._staging = stack.pop_all()
        self._stream = BundleStream(sinks)
        self._is_open = True
        return self

    def add(self, name: str, array: Any, *, dtype: DTypeLike | None = None) -> None:
        """Write a variable: an array of NumPy's or ml_dtypes', or what NumPy makes one of.

        A Variable of another checkpoint is streamed, and stays in slices if it is; see
        Checkpoint.from_arrays for what else is taken, and for `dtype`. What is given may be
        changed or forgotten afterwards. Raises ConversionError for a name that was added before
        and for what no checkpoint can hold, ChecksumError for a damaged source, WriteError.
        """
        self._check_new(name)
        self._write(variable_from_array(name, array, dtype))

    def add_blocks(
        self, name: str, dtype: DTypeLike, shape: Sequence[int], blocks: Iterable[Any]
    ) -> None:
        """Write a variable of that type and shape, whose elements come in row-major order.

        `blocks` are arrays of any shape and size with elements of the type, asked for one after
        the other, each written before the next; the elements of them all are those of `shape`.
        Strings are kept until the last has come, for their lengths are stored first.

        Raises as `add`, and ConversionError for more or fewer elements, or another type.
        """
        self._check_new(name)
        with _naming(name):
            sizes = tuple(index(size) for size in shape)
            check_shape(sizes)
            variable = variable_from_blocks(name, dtype, sizes, blocks)
        self._write(variable)

    def _check_new(self, name: str) -> None:
        check_name(name)
        if not self._is_open:
            raise ConversionError("found a writer that is not open; use it in a `with` block")
        self._refuse_broken()
        if name in self._names:
            raise ConversionError(f"found a second variable {name!r}, expected each name once")

    def _write(self, variable: Variable) -> None:
        with _naming(variable.name), self._breaking():
            self._stream.add(variable)
        self._names.add(variable.name)

    @contextmanager
    def _breaking(self) -> Iterator[None]:
        """What stops in the middle leaves bytes that belong to nothing: there is no going on."""
        self._is_broken = True
        yield
        self._is_broken = False

    def _refuse_broken(self) -> None:
        if self._is_broken:
            raise ConversionError(
                "found a variable that was not written to its end, expected all of each; nothing "
                "is published"
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_open = False
        with self._staging:
            if kind is not None:
                # Data files are closed without waiting for the disk.
                self._sinks.__exit__(kind, error, trace)
                self._disk.__exit__(kind, error, trace)
                return
            self._refuse_broken()
            self._finish()

    def _finish(self) -> None:
        if not self._names:
            raise ConversionError("found no variables, expected one or more")
        self._sinks.close()
        write_file(self._path(self._files[-1]), [self._stream.index()])
        state = self._state_file()
        encoded, notes = state.next()
        if encoded is not None:
            message = Message([encoded], read_checkpoint_state)
            write_file(self._path(STATE_FILE), message.pieces)
            check_message(self._path(STATE_FILE), message)
        check_bundle(self._path(self._name), self._stream.written, _ignored)
        self._disk.close()
        files = [*self._files, *([] if encoded is None else [STATE_FILE])]
        sizes = {file: os.path.getsize(self._path(file)) for file in files}
        known_by = None if encoded is None else state
        publish_checkpoint(self._place, self._folder, self._files, known_by)
        self.saved = saved(os.path.dirname(self._prefix), sizes, (*notes, *self._left))

    def _state_file(self) -> StateFile:
        return StateFile(self._folder, self._name, self._options, os.path.dirname(self._prefix))

    def _path(self, file: str) -> str:
        return os.path.join(self._place, file)


def _ignored(size: int) -> None:
    pass


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Faults of what a caller gave say which variable it was for."""
    try:
        yield
    except (ConversionError, FormatError) as error:
        if error.path is not None:  # of a file that it came from
            raise
        raise ConversionError(f"{error.message} (in variable {name!r})") from error
