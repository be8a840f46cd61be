"""Save a checkpoint: the files of a prefix, in the order in which readers look for them."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tfartifacts.errors import ConversionError, DestinationExistsError
from tfartifacts.formats.bundle_entries import index_file
from tfartifacts.formats.bundle_writing import refuse_unwritable
from tfartifacts.formats.checkpoint_state import STATE_FILE, read_checkpoint_state
from tfartifacts.formats.manifest import SUFFIX as MANIFEST_SUFFIX
from tfartifacts.graphs.asset_paths import with_asset_paths
from tfartifacts.model.checkpoints import Checkpoint, File
from tfartifacts.records import replace
from tfartifacts.saving.plans import Message, Options, Plan, Saved, asset_files, saved
from tfartifacts.saving.sources import refuse_links_out, source_files
from tfartifacts.saving.staging import stage
from tfartifacts.saving.state_file import StateFile
from tfartifacts.storage.publishing import publish_files, publish_folder, refuse_existing
from tfartifacts.storage.temporary import staging_folder

META_SUFFIX = ".meta"
ASSETS_SUFFIX = ".assets"


def save_checkpoint(checkpoint: Checkpoint, prefix: str, options: Options) -> Saved:
    folder, name = place_of_prefix(prefix, options)
    refuse_links_out(checkpoint.assets)
    plan = _plan(checkpoint, folder, name, prefix)
    names = list(dict.fromkeys(file.partition("/")[0] for file in plan.names()))
    refuse_taken(folder, name, names, overwrite=options.overwrite)
    # Without variables there is nothing that a state file could name.
    shown = os.path.dirname(prefix)
    state = None if plan.checkpoint is None else StateFile(folder, name, options, shown)
    encoded, notes = (None, ()) if state is None else state.next()
    if encoded is not None:
        message = Message([encoded], read_checkpoint_state)
        plan = replace(plan, messages={**plan.messages, STATE_FILE: message})
    if options.dry_run:
        return saved(os.path.dirname(prefix), plan.sizes(), notes)
    # A folder that is not there yet appears in one step with all that is in it.
    appears_whole = not os.path.lexists(folder)
    with staging_folder(folder if appears_whole else prefix) as staging:
        place = os.path.join(staging, "checkpoint")
        staged = stage(plan, place, source_files(checkpoint), options)
        if appears_whole:
            publish_folder(place, folder)
        else:
            publish_checkpoint(place, folder, names, None if encoded is None else state)
    return saved(os.path.dirname(prefix), staged.sizes, (*staged.notes, *notes))


def publish_checkpoint(
    place: str, folder: str, names: Sequence[str], state: StateFile | None
) -> None:
    """Move the files of a checkpoint, the index last, to their folder; then the state file."""
    publish_files(place, folder, names, None if state is None else state.publisher(place))


def refuse_taken(folder: str, name: str, files: Sequence[str], *, overwrite: bool) -> None:
    """Raise DestinationExistsError where a checkpoint of that name, of these files, is in the way.

    So is a manifest that a deleted checkpoint of that name left: it would not fit this one.
    """
    for file in [name, *files, name + MANIFEST_SUFFIX]:
        _refuse_existing(os.path.join(folder, file), overwrite=overwrite)


def _refuse_existing(path: str, *, overwrite: bool) -> None:
    if overwrite and os.path.lexists(path):
        raise DestinationExistsError(
            "exists already, and a checkpoint is never written over; choose another prefix",
            path=path,
        )
    refuse_existing(path)


def _plan(checkpoint: Checkpoint, folder: str, name: str, prefix: str) -> Plan:
    has_variables = _has_bundle(checkpoint)
    meta_graph = checkpoint.meta_graph
    if not has_variables and meta_graph is None:
        raise ConversionError("found neither variables nor a graph, expected one of them")
    refuse_unwritable(checkpoint)
    messages: dict[str, Message] = {}
    copies: tuple[tuple[str, File], ...] = ()
    if meta_graph is not None:
        if checkpoint.assets:
            assets = name + ASSETS_SUFFIX
            copies = tuple((f"{assets}/{n}", f) for n, f in asset_files(checkpoint.assets))
            meta_graph = with_asset_paths(meta_graph, os.path.join(folder, assets))
        message = messages[name + META_SUFFIX] = Message.of_meta_graph(meta_graph)
        message.check_size(prefix + META_SUFFIX)
    return Plan(checkpoint if has_variables else None, name, copies, messages)


def _has_bundle(checkpoint: Checkpoint) -> bool:
    """Whether it has variables; a bundle that was saved without any has an index all the same."""
    if checkpoint.variables or checkpoint.num_shards > 0:
        return True
    return any(file.path == index_file(checkpoint.path) for file in checkpoint.files)


def place_of_prefix(prefix: str, options: Options) -> tuple[str, str]:
    """Folder and name of the checkpoint; raises for what can be none, or be kept of none."""
    if options.max_to_keep is not None and options.max_to_keep < 1:
        raise ConversionError(
            f"found {options.max_to_keep} checkpoints to keep, expected 1 or more"
        )
    folder, name = os.path.split(os.path.abspath(prefix))
    if not name or prefix.endswith("/"):
        raise ConversionError(
            f"{prefix} is a folder, expected a checkpoint prefix such as "
            f"{os.path.join(prefix, 'model.ckpt')}"
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ConversionError(
            f"the name {name!r} is not UTF-8, which a state file cannot hold; choose another",
            path=prefix,
        ) from None
    if os.path.isdir(prefix):
        raise DestinationExistsError(
            "is a folder; a checkpoint needs a prefix such as "
            + os.path.join(prefix, "model.ckpt"),
            path=prefix,
        )
    return folder, name
