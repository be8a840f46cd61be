"""Write an artifact: whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfartifacts.errors import ConversionError, DestinationExistsError, WriteError
from tfartifacts.formats import saved_model as layout
from tfartifacts.formats.checkpoint_state import STATE_FILE, write_checkpoint_state
from tfartifacts.formats.graph_def import encode_graph
from tfartifacts.formats.meta_graph import encode_meta_graph
from tfartifacts.formats.saved_model import encode_saved_model
from tfartifacts.formats.tensor_bundle import data_file, index_file, write_bundle
from tfartifacts.model.checkpoints import Checkpoint, CheckpointState
from tfartifacts.model.graphs import Graph
from tfartifacts.model.saved_models import MetaGraph, SavedModel
from tfartifacts.storage.files import stream_range
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


def save(artifact: Artifact, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write an artifact to a path, whole or not at all.

    A SavedModel becomes a folder; a checkpoint a prefix with `.index`, data files, `.meta` (if it
    has a graph) and a `checkpoint` state file in the same folder; a meta graph or graph one binary
    file. Stored values are streamed, each checksum recomputed and compared.

    `overwrite` replaces a SavedModel's folder in one step; a checkpoint is never written over.

    Raises DestinationExistsError, WriteError (nothing was published), ChecksumError and
    FormatError where a source turns out damaged.
    """
    destination = os.fspath(path)
    if "\0" in destination:
        raise WriteError("cannot write: the name holds a NUL byte", path=destination)
    match artifact:
        case SavedModel():
            _save_saved_model(artifact, destination.rstrip("/") or "/", overwrite)
        case Checkpoint():
            _save_checkpoint(artifact, destination)
        case MetaGraph():
            _save_message(encode_meta_graph(artifact), destination)
        case Graph():
            _save_message(encode_graph(artifact), destination)
        case _:
            raise ConversionError("a folder of checkpoints is not saved as one; pick a checkpoint")


def _check_size(pieces: list[bytes | bytearray | memoryview], path: str) -> None:
    size = sum(len(piece) for piece in pieces)
    if size > MAX_MESSAGE:
        raise ConversionError(
            f"the graph takes {size} bytes; TensorFlow reads at most {MAX_MESSAGE}", path=path
        )


def _save_saved_model(saved_model: SavedModel, destination: str, overwrite: bool) -> None:
    if not overwrite:
        refuse_existing(destination)
    pieces = encode_saved_model(saved_model)
    _check_size(pieces, destination)
    with staging_folder(destination) as staging:
        folder = os.path.join(staging, "saved_model")
        make_folder(folder)
        if saved_model.checkpoint is not None:
            make_folder(os.path.join(folder, layout.VARIABLES_FOLDER))
            prefix = os.path.join(folder, *layout.VARIABLES_PREFIX.split("/"))
            write_bundle(saved_model.checkpoint, prefix, new_file)
        for name, source, size in _files_to_copy(saved_model):
            target = os.path.join(folder, *name.split("/"))
            make_folder(os.path.dirname(target))
            with new_file(target) as sink:
                for piece in stream_range(source, 0, size):
                    sink.write(piece)
        write_file(os.path.join(folder, layout.BINARY_FILE), pieces)
        publish_folder(folder, destination, overwrite=overwrite)


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
    return files


def _save_checkpoint(checkpoint: Checkpoint, prefix: str) -> None:
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
    num_shards = checkpoint.num_shards if checkpoint.format == "V2" else 1
    meta_graph = checkpoint.meta_graph
    # The order in which they appear: a reader who finds one finds those before it.
    names = [data_file(name, shard, num_shards) for shard in range(num_shards)]
    names.append(index_file(name))
    if meta_graph is not None:
        names.append(name + META_SUFFIX)
    names.append(STATE_FILE)
    for file in [name, *names]:
        refuse_existing(os.path.join(folder, file))
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


def _save_message(pieces: list[bytes | bytearray | memoryview], path: str) -> None:
    refuse_existing(path)
    _check_size(pieces, path)
    folder, name = os.path.split(os.path.abspath(path))
    with staging_folder(path) as staging:
        write_file(os.path.join(staging, name), pieces)
        publish_files(staging, folder, [name])
