"""Write an artifact: whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tfartifacts.errors import ConversionError, DestinationExistsError, WriteError
from tfartifacts.formats import saved_model as layout
from tfartifacts.formats.checkpoint_state import STATE_FILE, write_checkpoint_state
from tfartifacts.formats.graph_def import encode_graph
from tfartifacts.formats.meta_graph import encode_meta_graph
from tfartifacts.formats.saved_model import encode_saved_model
from tfartifacts.formats.tensor_bundle import bundle_files, refuse_unwritable, write_bundle
from tfartifacts.model.checkpoints import Checkpoint, CheckpointState
from tfartifacts.model.graphs import Graph
from tfartifacts.model.saved_models import MetaGraph, SavedModel
from tfartifacts.storage.files import identity, stream_range, with_parents
from tfartifacts.storage.publishing import (
    make_folder,
    new_file,
    publish_files,
    publish_folder,
    refuse_existing,
    staging_folder,
    write_file,
)

if TYPE_CHECKING:
    from tfartifacts.model import Artifact

META_SUFFIX = ".meta"
MAX_MESSAGE = (1 << 31) - 1  # bytes; protobuf's parsers, TensorFlow's among them, read no more

# A fingerprint is of the SavedModel it was written with; TensorFlow does without.
_NOT_CARRIED = frozenset({"fingerprint.pb"})


def save(
    artifact: Artifact, path: str | os.PathLike[str], *, overwrite: bool = False
) -> tuple[str, ...]:
    """Write an artifact to a path, whole or not at all; gives the files that were made, by path.

    A SavedModel becomes a folder; a checkpoint a prefix with `.index`, data files, `.meta` (if it
    has a graph) and a `checkpoint` state file in the same folder; a meta graph or graph one binary
    file. Stored values are streamed, each checksum recomputed and compared.

    `overwrite` replaces a SavedModel's folder in one step, its own included; a checkpoint is never
    written over. Nothing is written into the folder of the SavedModel the artifact comes from.

    Raises DestinationExistsError, WriteError (nothing was published), ConversionError for what
    cannot be written there, ChecksumError and FormatError where a source turns out damaged.
    """
    destination = os.fspath(path)
    if "\0" in destination:
        raise WriteError("cannot write: the name holds a NUL byte", path=destination)
    _refuse_source(artifact, destination, overwrite)
    match artifact:
        case SavedModel():
            names = _save_saved_model(artifact, destination.rstrip("/") or "/", overwrite)
            return tuple(sorted(os.path.join(destination, name) for name in names))
        case Checkpoint():
            names = _save_checkpoint(artifact, destination)
            folder = os.path.dirname(destination)
            return tuple(sorted(os.path.join(folder, name) for name in names))
        case MetaGraph():
            _save_message(encode_meta_graph(artifact), destination)
        case Graph():
            _save_message(encode_graph(artifact), destination)
        case _:
            raise ConversionError("a folder of checkpoints is not saved as one; pick a checkpoint")
    return (destination,)


def _refuse_source(artifact: Artifact, destination: str, overwrite: bool) -> None:
    """Refuse a destination that would change what the artifact is read from.

    An export among a folder's checkpoints changes none of them, and is usual.
    """
    there = identity(destination)
    own = isinstance(artifact, SavedModel) and artifact.path and identity(artifact.path) == there
    own = own and there is not None
    if own and not overwrite:
        raise DestinationExistsError(
            "is the source itself; choose another destination", path=destination
        )
    models = {identity(folder): folder for folder in _source_models(artifact)}
    # Links in a path with `..` lead elsewhere than its text says; neither may lead inside.
    for name in (destination.rstrip("/"), os.path.abspath(destination)):
        for folder in with_parents(os.path.dirname(name)):
            found = identity(folder)
            if found is not None and found in models:
                raise ConversionError(
                    f"the destination lies inside the source, the SavedModel {models[found]}; "
                    "choose one outside of it",
                    path=destination,
                )
    if not overwrite or own or there is None:
        return
    for folder in _source_folders(artifact):
        if there in map(identity, with_parents(folder)):
            raise ConversionError(
                f"files of the source, in {folder}, lie inside the destination and would be "
                "removed with it; choose another",
                path=destination,
            )


def _source_models(artifact: Artifact) -> Iterator[str]:
    """The folders of the SavedModels an artifact, or a part of it, is read from."""
    match artifact:
        case SavedModel():
            if artifact.path is not None:
                yield artifact.path
            if artifact.checkpoint is not None:
                yield from _source_models(artifact.checkpoint)
            for meta_graph in artifact.meta_graphs:
                yield from _source_models(meta_graph)
        case Checkpoint():
            folder = os.path.dirname(os.path.abspath(artifact.path))
            places = [folder]
            if os.path.basename(folder) == layout.VARIABLES_FOLDER:
                places.append(os.path.dirname(folder))
            for place in places:
                if any(os.path.lexists(os.path.join(place, name)) for name in layout.FILES):
                    yield place
        case MetaGraph() | Graph():
            paths = [artifact.path]
            if isinstance(artifact, MetaGraph):
                paths.append(artifact.graph.path)
            for path in paths:
                if path is not None and os.path.basename(path) in layout.FILES:
                    yield os.path.dirname(os.path.abspath(path))


def _source_folders(artifact: Artifact) -> set[str]:
    """The folders that hold the files of a SavedModel, and those that its links lead to."""
    if not isinstance(artifact, SavedModel):
        return set()
    paths = [file.path for file in artifact.other_files]
    paths += [asset.file.path for asset in artifact.assets if asset.file is not None]
    if artifact.path is not None:
        paths += [os.path.join(artifact.path, name) for name in layout.FILES]
    if artifact.checkpoint is not None:
        paths += [file.path for file in artifact.checkpoint.files]
    paths += [meta.graph.path for meta in artifact.meta_graphs if meta.graph.path is not None]
    folders = {os.path.realpath(os.path.dirname(path)) for path in paths}
    return folders | {os.path.dirname(os.path.realpath(path)) for path in paths}


def _check_size(pieces: list[bytes | bytearray | memoryview], path: str) -> None:
    size = sum(len(piece) for piece in pieces)
    if size > MAX_MESSAGE:
        raise ConversionError(
            f"the graph takes {size} bytes; TensorFlow reads at most {MAX_MESSAGE}", path=path
        )


def _save_saved_model(saved_model: SavedModel, destination: str, overwrite: bool) -> list[str]:
    """Write the folder; the names of its files."""
    if not overwrite:
        refuse_existing(destination)
    if saved_model.checkpoint is not None:
        refuse_unwritable(saved_model.checkpoint)
    copied = _files_to_copy(saved_model)
    pieces = encode_saved_model(saved_model)
    _check_size(pieces, destination)
    names = [layout.BINARY_FILE, *(name for name, _, _ in copied)]
    if saved_model.checkpoint is not None:
        names += bundle_files(saved_model.checkpoint, layout.VARIABLES_PREFIX)
    with staging_folder(destination) as staging:
        folder = os.path.join(staging, "saved_model")
        make_folder(folder)
        if saved_model.checkpoint is not None:
            make_folder(os.path.join(folder, layout.VARIABLES_FOLDER))
            prefix = os.path.join(folder, *layout.VARIABLES_PREFIX.split("/"))
            write_bundle(saved_model.checkpoint, prefix, new_file)
        for name, source, size in copied:
            target = os.path.join(folder, *name.split("/"))
            make_folder(os.path.dirname(target))
            with new_file(target) as sink:
                for piece in stream_range(source, 0, size):
                    sink.write(piece)
        write_file(os.path.join(folder, layout.BINARY_FILE), pieces)
        publish_folder(folder, destination, overwrite=overwrite)
    return names


def _files_to_copy(saved_model: SavedModel) -> list[tuple[str, str, int]]:
    """Name in the SavedModel, path and size of each further file."""
    files = []
    for asset in saved_model.assets:
        parts = {"", ".", ".."}.intersection(asset.filename.split("/"))
        if asset.file is None or parts or set("\\\0") & set(asset.filename):
            raise ConversionError(
                f"asset {asset.filename!r} is missing or leads out of the assets folder"
            )
        files.append((f"{layout.ASSETS_FOLDER}/{asset.filename}", asset.file.path, asset.file.size))
    for file in saved_model.other_files:
        name = os.path.relpath(file.path, saved_model.path or ".")
        if name not in _NOT_CARRIED and not name.startswith(".."):
            files.append((name, file.path, file.size))
    if saved_model.path is not None:
        for _, path, _ in files:
            _refuse_link_out(path, saved_model.path)
    return files


def _refuse_link_out(path: str, folder: str) -> None:
    """Raise ConversionError for a link that would bring a file from elsewhere into the result."""
    root = os.path.realpath(folder)
    target = os.path.realpath(path)
    if not target.startswith(root.rstrip("/") + "/"):
        raise ConversionError(
            f"found a link to {target}, outside the SavedModel, which is not copied; put the file "
            "itself in its place",
            path=path,
        )


def _save_checkpoint(checkpoint: Checkpoint, prefix: str) -> list[str]:
    """Write the files of a prefix; their names."""
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
    refuse_unwritable(checkpoint)
    meta_graph = checkpoint.meta_graph
    # The order in which they appear: a reader who finds one finds those before it.
    names = bundle_files(checkpoint, name)
    if meta_graph is not None:
        names.append(name + META_SUFFIX)
    names.append(STATE_FILE)
    for file in [name, *names[:-1]]:
        refuse_existing(os.path.join(folder, file))
    state_path = os.path.join(folder, STATE_FILE)
    if os.path.lexists(state_path):
        raise DestinationExistsError(
            "exists already: the folder has checkpoints of its own, whose state file is not "
            "changed; choose a prefix in a new folder",
            path=state_path,
        )
    # A folder that is not there yet appears in one step with all that is in it.
    appears_whole = not os.path.lexists(folder)
    with staging_folder(folder if appears_whole else prefix) as staging:
        staged = os.path.join(staging, "checkpoint")
        make_folder(staged)
        write_bundle(checkpoint, os.path.join(staged, name), new_file)
        if meta_graph is not None:
            pieces = encode_meta_graph(meta_graph)
            _check_size(pieces, prefix + META_SUFFIX)
            write_file(os.path.join(staged, name + META_SUFFIX), pieces)
        state = write_checkpoint_state(CheckpointState(name, (name,)))
        write_file(os.path.join(staged, STATE_FILE), [state])
        if appears_whole:
            publish_folder(staged, folder)
        else:
            publish_files(staged, folder, names)
    return names


def _save_message(pieces: list[bytes | bytearray | memoryview], path: str) -> None:
    refuse_existing(path)
    _check_size(pieces, path)
    folder, name = os.path.split(os.path.abspath(path))
    with staging_folder(path) as staging:
        write_file(os.path.join(staging, name), pieces)
        publish_files(staging, folder, [name])
