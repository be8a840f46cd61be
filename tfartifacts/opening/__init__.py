"""Say what a path is, and read it.

A path may be a folder, a checkpoint prefix, or any member file: `.index`, `.data-...`, `.meta`,
`checkpoint`, `saved_model.pb`, a variables file, a frozen graph under any name. Content decides
before names do.

    locating      what a path is
    prefixes      which checkpoints there are
    checkpoints   a checkpoint, a folder of them with its state file
    messages      files of one message: graphs, meta graphs; what is none of ours
    saved_models  a SavedModel's folder
    members       which files an artifact has, by their names
    changes       a source that changes while it is read
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tfartifacts.errors import NotThisFormatError, PathNotFoundError
from tfartifacts.formats.bundle_entries import index_file
from tfartifacts.formats.tensor_bundle import read_bundle
from tfartifacts.model.saved_models import MetaGraph, SavedModel
from tfartifacts.opening.changes import while_unchanged as while_unchanged
from tfartifacts.opening.checkpoints import (
    open_checkpoint,
    open_checkpoint_directory,
    without_state_file,
)
from tfartifacts.opening.locating import Located, locate
from tfartifacts.opening.messages import graph_or_meta_graph, read_content
from tfartifacts.opening.saved_models import read_folder
from tfartifacts.records import replace
from tfartifacts.storage.files import describe_file, read_file

if TYPE_CHECKING:
    from tfartifacts.model import Artifact


def open_artifact(
    path: str | bytes | os.PathLike[str] | os.PathLike[bytes], *, follow_external: bool = False
) -> Artifact:
    """What TensorFlow left at a path: a folder, a checkpoint prefix, or any member file.

    Metadata is read and checked now, so that it cannot fail later; values of variables are read
    when asked for, as are a checkpoint's graph and object graph. Nothing is executed or written.
    A graph above 64 MiB is mapped: do not cut its file off or write it anew in its place while it
    is in use, which ends the process; replacing or removing it does no harm.
    A state file's path that leads out of its folder is followed only with `follow_external`.

    Raises PathNotFoundError, NotThisFormatError (naming what the file is), UnsupportedError,
    ChecksumError and FormatError (with the byte offset).
    """
    name = os.fsdecode(path)
    try:
        return _open_located(locate(name), follow_external)
    except NotThisFormatError:
        # A file that is none of ours may have the name of a prefix.
        if not os.path.isfile(index_file(name)):
            raise
        return open_checkpoint(name)


def _open_located(located: Located, follow_external: bool) -> Artifact:
    path = located.path
    match located.kind:
        case "checkpoint":
            return open_checkpoint(path)
        case "checkpoint-directory":
            if located.names:
                return without_state_file(path, list(located.names))
            return open_checkpoint_directory(path, follow_external=follow_external)
        case "versions":
            return _open_version(path, located.names)
        case "index":
            artifact: Artifact = read_bundle(path, read_file(path))
        case _:
            artifact = _open_message(path, follow_external)
    return replace(artifact, notes=(*located.notes, *artifact.notes))


def _open_version(folder: str, versions: Sequence[str]) -> Artifact:
    artifact = _open_located(locate(os.path.join(folder, versions[-1])), follow_external=False)
    note = f"version {versions[-1]} of {folder}"
    if len(versions) > 1:
        note += f"; also there: {', '.join(versions[:-1])}"
    return replace(artifact, notes=(note, *artifact.notes))


def _open_message(path: str, follow_external: bool) -> Artifact:
    """A file of one message: a graph, a SavedModel with what lies beside it, a state file."""
    file = describe_file(path)
    if file is None:
        raise PathNotFoundError("found no regular file, expected one", path=path)
    data, content = read_content(path, file)
    if content.kind == "CheckpointState":
        folder = os.path.dirname(path)
        return open_checkpoint_directory(folder, follow_external=follow_external, state_file=path)
    if content.kind == "SavedModel":
        return read_folder(path, file, data, content)
    return graph_or_meta_graph(path, data, content)


def open_to_convert(path: str | os.PathLike[str], *, follow_external: bool = False) -> Artifact:
    """As open_artifact, but a `.meta` file stands for the checkpoint of its name beside it."""
    artifact = open_artifact(path, follow_external=follow_external)
    if isinstance(artifact, MetaGraph) and artifact.checkpoint_prefix is not None:
        return open_checkpoint(artifact.checkpoint_prefix)
    return artifact


def open_saved_model(path: str | os.PathLike[str]) -> SavedModel:
    """As open_artifact, of a SavedModel. Raises NotThisFormatError for anything else."""
    artifact = open_artifact(path)
    if not isinstance(artifact, SavedModel):
        raise NotThisFormatError(
            f"found a {artifact.kind}, expected a SavedModel", path=os.fspath(path)
        )
    return artifact
