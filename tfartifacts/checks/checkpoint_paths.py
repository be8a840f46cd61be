"""Which checkpoint a path means, though its files may be damaged: by names, not by contents."""

from __future__ import annotations

import os

from tfartifacts.checks.indexes import shard_sets
from tfartifacts.errors import ConversionError, PathNotFoundError, TfArtifactsError
from tfartifacts.formats import saved_model as layout
from tfartifacts.formats.bundle_entries import index_file, prefix_of_data_file
from tfartifacts.formats.checkpoint_state import STATE_FILE, read_checkpoint_state
from tfartifacts.formats.v1_checkpoint import set_of_shard, shard_files
from tfartifacts.opening.prefixes import INDEX_SUFFIX, META_SUFFIX, listing, prefixes_in
from tfartifacts.storage.files import read_file


def checkpoint_prefix(path: str) -> str:
    """The prefix of the checkpoint at a path: a prefix, any member file, a folder, a SavedModel.

    Of a folder of checkpoints it is the one that the state file calls the latest, else the only
    one. Raises PathNotFoundError where there is none, ConversionError where there are several.
    """
    prefix = _in_folder(path) if os.path.isdir(path) else _of_member(path)
    if not (os.path.lexists(index_file(prefix)) or shard_files(prefix) or shard_sets(prefix)):
        raise PathNotFoundError("no such checkpoint", path=path)
    return prefix


def _of_member(path: str) -> str:
    if os.path.lexists(index_file(path)):
        return path
    folder, name = os.path.split(path)
    if (prefix := prefix_of_data_file(path)) is not None:
        return prefix
    for suffix in (INDEX_SUFFIX, META_SUFFIX):
        if name.endswith(suffix):
            return path.removesuffix(suffix)
    if name in (STATE_FILE, *layout.FILES) and os.path.isfile(path):
        return _in_folder(folder or ".")
    return set_of_shard(path) or path


def _in_folder(folder: str) -> str:
    names = listing(folder)
    inside = os.path.join(folder, layout.VARIABLES_FOLDER)
    if os.path.isdir(inside) and not any(name.endswith(INDEX_SUFFIX) for name in names):
        standard = os.path.join(folder, *layout.VARIABLES_PREFIX.split("/"))
        if os.path.lexists(index_file(standard)) or shard_sets(standard):
            return standard
        return _only(inside, listing(inside))
    if STATE_FILE in names and (latest := _latest(folder)) is not None:
        return latest
    return _only(folder, names)


def _latest(folder: str) -> str | None:
    """The checkpoint the state file calls the latest, where it is in the folder."""
    try:
        state = read_checkpoint_state(read_file(os.path.join(folder, STATE_FILE)))
    except TfArtifactsError:
        return None
    # Absolute paths are those of the machine it was written on; a prefix lies beside its state.
    base = state.latest_path.replace("\\", "/").rpartition("/")[2]
    prefix = os.path.join(folder, base.removesuffix(INDEX_SUFFIX).removesuffix(META_SUFFIX))
    if os.path.lexists(index_file(prefix)) or shard_files(prefix):
        return prefix
    return None


def _only(folder: str, names: list[str]) -> str:
    found = prefixes_in(folder, names)
    if len(found) > 1:
        raise ConversionError(
            f"found {len(found)} checkpoints; pass one of {', '.join(found)}", path=folder
        )
    if not found:
        raise PathNotFoundError("found no checkpoint in the folder", path=folder)
    return found[0]
