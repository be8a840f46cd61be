"""Put changed signatures and tags into the SavedModel they were read from."""

from __future__ import annotations

import os
import time

from tfartifacts.errors import ConversionError, FormatError, located
from tfartifacts.formats import saved_model as layout
from tfartifacts.formats.saved_model import read_saved_model
from tfartifacts.formats.schema import text_to_binary
from tfartifacts.formats.wire import Message as Encoded
from tfartifacts.model.checkpoints import File
from tfartifacts.model.manifests import SAVED_MODEL_MANIFEST
from tfartifacts.model.saved_models import SavedModel
from tfartifacts.saving.leftovers import clear_place
from tfartifacts.saving.plans import Message, Saved
from tfartifacts.saving.sources import refuse_changed
from tfartifacts.saving.staging import check_message
from tfartifacts.storage.mapping import read_or_map
from tfartifacts.storage.publishing import Steps
from tfartifacts.storage.temporary import staging_folder
from tfartifacts.storage.writing import copy_mode, sync_folder, write_file


def rewrite(edited: SavedModel, *, dry_run: bool = False) -> Saved:
    """Put changed signatures and tags into the SavedModel they were read from, in one step.

    The rest of `saved_model.pb`, graphs first of all, is carried byte for byte; readers see the
    old file or the new one. A `saved_model.pbtxt` is replaced by a `saved_model.pb`, as loaders
    look for that first. A `fingerprint.pb` and a manifest, which are of the old file, go before:
    TensorFlow does without, and a kill in between does not leave a wrong one.

    Raises SourceChangedError where the file is no longer the one that was read, WriteError.
    """
    if edited.path is None or edited.file is None:
        raise ConversionError("found a SavedModel that was not read from a file; save it instead")
    source = edited.file.path
    is_text = os.path.basename(source) == layout.TEXT_FILE
    destination = os.path.join(edited.path, layout.BINARY_FILE)
    outdated = [
        path
        for name in (layout.FINGERPRINT_FILE, SAVED_MODEL_MANIFEST)
        if os.path.lexists(path := os.path.join(edited.path, *name.split("/")))
    ]
    data = read_or_map(source)
    if is_text:
        data = text_to_binary("SavedModel", bytes(data))
    with located(source):
        message = Message(
            layout.splice_saved_model(Encoded(data), edited),
            lambda data: _check_spliced(read_saved_model(Encoded(data)), edited),
        )
    message.check_size(destination)
    notes = list(edited.notes)
    if is_text:
        notes.append(f"{layout.TEXT_FILE} becomes {layout.BINARY_FILE}, which loaders prefer")
    for path in outdated:
        name = os.path.relpath(path, edited.path)
        again = "; `tfartifacts manifest` makes a new one" if name == SAVED_MODEL_MANIFEST else ""
        notes.append(f"{name} is removed: it is of the SavedModel as it was{again}")
    if not dry_run:
        notes += clear_place(destination)
        with staging_folder(destination) as staging:
            staged = os.path.join(staging, layout.BINARY_FILE)
            write_file(staged, message.pieces)
            check_message(staged, message)
            copy_mode(source, staged)
            refuse_changed([edited.file])
            with Steps() as steps:
                for path in outdated:
                    steps.put_away(path, staging)
                    sync_folder(os.path.dirname(path))
                if is_text:
                    steps.appear(staged, destination)
                    sync_folder(edited.path)
                    steps.put_away(source, staging)
                else:
                    steps.replace(staged, destination)
                sync_folder(edited.path)
    return Saved((File(destination, message.size, time.time()),), tuple(notes))


def _check_spliced(found: SavedModel, edited: SavedModel) -> None:
    for one, other in zip(found.meta_graphs, edited.meta_graphs, strict=True):
        if dict(one.signatures) != dict(other.signatures) or one.tags != other.tags:
            raise FormatError("found other signatures or tags than were written")
