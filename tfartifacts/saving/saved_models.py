"""Save a SavedModel: a folder that appears, or is exchanged for another, in one step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from tfartifacts.errors import DestinationExistsError
from tfartifacts.formats import saved_model as layout
from tfartifacts.formats.bundle_writing import refuse_unwritable
from tfartifacts.model.checkpoints import File
from tfartifacts.model.manifests import SAVED_MODEL_MANIFEST
from tfartifacts.model.saved_models import SavedModel
from tfartifacts.saving.plans import Message, Options, Plan, Saved, asset_files, saved
from tfartifacts.saving.sources import refuse_links_out, source_files
from tfartifacts.saving.staging import stage
from tfartifacts.storage.publishing import publish_folder, refuse_existing
from tfartifacts.storage.temporary import staging_folder

# A fingerprint is of the SavedModel it was written with; TensorFlow does without. So is a manifest.
_NOT_CARRIED = frozenset({layout.FINGERPRINT_FILE, SAVED_MODEL_MANIFEST})
_EXTRA_FOLDER = "assets.extra"
# What TensorFlow, Keras and TensorFlow Serving put into a SavedModel's folder.
_OWN = frozenset(
    {
        *layout.FILES,
        layout.VARIABLES_FOLDER,
        layout.ASSETS_FOLDER,
        _EXTRA_FOLDER,
        layout.FINGERPRINT_FILE,
        "keras_metadata.pb",
        "debug",
    }
)


def save_saved_model(saved_model: SavedModel, destination: str, options: Options) -> Saved:
    if not options.overwrite:
        _refuse_existing(destination)
    elif os.path.lexists(destination):
        _refuse_other_than_saved_model(destination)
    if saved_model.checkpoint is not None:
        refuse_unwritable(saved_model.checkpoint)
    refuse_links_out(saved_model.assets, saved_model.other_files, _others_folder(saved_model))
    message = Message.of_saved_model(saved_model)
    message.check_size(destination)
    plan = Plan(
        saved_model.checkpoint,
        layout.VARIABLES_PREFIX,
        tuple(_files_to_copy(saved_model)),
        {layout.BINARY_FILE: message},
    )
    notes = _lost_extras(destination, plan.names()) if options.overwrite else ()
    if SAVED_MODEL_MANIFEST in map(_name_in(saved_model), saved_model.other_files):
        notes += (
            f"{SAVED_MODEL_MANIFEST} is not carried: it is of the source; `tfartifacts manifest` "
            "makes one of the result",
        )
    if options.dry_run:
        return saved(destination, plan.sizes(), notes)
    with staging_folder(destination) as staging:
        folder = os.path.join(staging, "saved_model")
        staged = stage(plan, folder, source_files(saved_model), options)
        publish_folder(folder, destination, overwrite=options.overwrite)
    return saved(destination, staged.sizes, (*staged.notes, *notes))


def _refuse_existing(destination: str) -> None:
    names = _entries(destination) or []
    if any(name in layout.FILES for name in names) and _OWN.issuperset(names):
        raise DestinationExistsError(
            "exists already; choose another destination, or remove it first; --overwrite replaces "
            "a SavedModel",
            path=destination,
        )
    refuse_existing(destination)


def _refuse_other_than_saved_model(destination: str) -> None:
    """Refuse to replace what is no SavedModel: a mistyped path must not cost a home folder.

    Nor what lies in it and is none of a SavedModel's own members.
    """
    names = _entries(destination)
    if names is None or (names and not any(name in layout.FILES for name in names)):
        raise DestinationExistsError("is no SavedModel, and is not replaced", path=destination)
    others = [name for name in names if name not in _OWN]
    if others:
        shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if others[3:] else "")
        raise DestinationExistsError(
            f"holds more than a SavedModel ({shown}), which would be removed with it; move that, "
            "or choose another destination",
            path=destination,
        )


def _entries(folder: str) -> list[str] | None:
    """The names in a folder; None for what is none."""
    if os.path.islink(folder) or not os.path.isdir(folder):
        return None
    return sorted(os.listdir(folder))


def _lost_extras(destination: str, names: Iterable[str]) -> tuple[str, ...]:
    """What to say of extra assets of the SavedModel that is replaced, which this one has not."""
    found = {
        os.path.relpath(os.path.join(parent, file), destination)
        for parent, _, files in os.walk(os.path.join(destination, _EXTRA_FOLDER))
        for file in files
    }
    lost = sorted(found.difference(names))
    if not lost:
        return ()
    shown = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if lost[3:] else "")
    return (f"goes with the SavedModel that is replaced: {shown}",)


def _others_folder(saved_model: SavedModel) -> str | None:
    return saved_model.path if saved_model.others_folder is None else saved_model.others_folder


def _name_in(saved_model: SavedModel) -> Callable[[File], str]:
    folder = _others_folder(saved_model) or "."
    return lambda file: os.path.relpath(file.path, folder)


def _files_to_copy(saved_model: SavedModel) -> Iterator[tuple[str, File]]:
    """Name in the SavedModel, and file, of each further member."""
    for name, file in asset_files(saved_model.assets):
        yield f"{layout.ASSETS_FOLDER}/{name}", file
    name_of = _name_in(saved_model)
    for file in saved_model.other_files:
        name = name_of(file)
        if name not in _NOT_CARRIED and not name.startswith(".."):
            yield name, file
