"""An artifact, whatever it is, looked through for what it could do. See `scan`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator

from tfartifacts.checks.scan import keras
from tfartifacts.checks.scan.files import MOST_FILES, files_below, scan_files
from tfartifacts.checks.scan.graphs import Found, known_ops, scan_graph, scan_meta_graph
from tfartifacts.checks.scan.rows import Row, Scan, allowed, in_order
from tfartifacts.checks.scan.values import scan_values
from tfartifacts.errors import FormatError, PathNotFoundError, TfArtifactsError
from tfartifacts.formats import saved_model as layout
from tfartifacts.formats.keras_metadata import FILE as KERAS_METADATA
from tfartifacts.formats.keras_metadata import read_keras_metadata
from tfartifacts.formats.saved_functions import SavedFunctions, read_saved_functions
from tfartifacts.model import (
    Artifact,
    Checkpoint,
    CheckpointDirectory,
    Graph,
    MetaGraph,
    SavedModel,
)
from tfartifacts.model.saved_models import format_tags
from tfartifacts.opening import open_artifact
from tfartifacts.opening.members import is_own
from tfartifacts.opening.prefixes import META_SUFFIX, listing
from tfartifacts.records import replace
from tfartifacts.storage.files import read_file

NO_GRAPH = "no graph: nothing in it can run"
_GRAPHS = (META_SUFFIX, ".pb", ".pbtxt")
_NO_GRAPHS = (KERAS_METADATA, layout.FINGERPRINT_FILE)
_MOST_NAMED = 3


def scan(
    path_or_artifact: str | os.PathLike[str] | Artifact,
    *,
    allow: Collection[str] = (),
    follow_external: bool = False,
) -> Scan:
    """What an artifact could do to who loads or runs it: ops, nested graphs, Keras' layers, files.

    Nothing is executed, unpickled or decompiled. `allow` names ops and capabilities
    (`capability:NAME`) that are no alarm. What is damaged is among the result's problems, the rest
    is looked at; only a path that cannot be opened raises.

    Raises what open_artifact does, and NameNotFoundError for a capability that does not exist.
    """
    permitted = allowed(allow)
    if isinstance(
        path_or_artifact, (SavedModel, MetaGraph, Graph, Checkpoint, CheckpointDirectory)
    ):
        artifact: Artifact = path_or_artifact
    else:
        artifact = open_artifact(path_or_artifact, follow_external=follow_external)
    found = Found(known_ops())
    rows: list[Row] = []
    notes: list[str] = []
    match artifact:
        case SavedModel():
            _saved_model(artifact, found, rows, notes, follow_external)
        case MetaGraph():
            scan_meta_graph(artifact, SavedFunctions(), found, "", _folder(artifact.path))
        case Graph():
            scan_graph(artifact, found, _folder(artifact.path))
        case Checkpoint():
            _checkpoints([artifact], found, notes)
        case CheckpointDirectory():
            found.problems += artifact.broken.values()
            checkpoints = [*artifact.checkpoints, *artifact.unlisted]
            _checkpoints(checkpoints, found, notes)
            looked_at = {each.path + META_SUFFIX for each in checkpoints}
            names = listing(artifact.path or os.curdir)
            paths = [os.path.join(artifact.path, name) for name in names]
            notes += _left_out(artifact.path, paths, looked_at)
    every = [
        replace(row, is_allowed=True) if permitted.covers(row) else row
        for row in [*found.finished(), *rows]
    ]
    return Scan(
        path=artifact.path,
        kind=artifact.kind,
        rows=in_order(every),
        num_graphs=found.num_graphs,
        num_nodes=found.num_nodes,
        num_functions=found.num_functions,
        num_nested_graphs=found.num_nested_graphs,
        problems=tuple(found.problems),
        notes=tuple(notes),
    )


def _folder(path: str | None) -> str | None:
    return None if path is None else os.path.dirname(path) or os.curdir


def _saved_model(
    model: SavedModel, found: Found, rows: list[Row], notes: list[str], follow_external: bool
) -> None:
    for meta_graph in model.meta_graphs:
        part = format_tags(meta_graph.tags) if len(model.meta_graphs) > 1 else ""
        saved = SavedFunctions()
        if meta_graph.object_graph is not None:
            saved = read_saved_functions(meta_graph.object_graph, meta_graph.path)
            found.problems += saved.problems
        scan_meta_graph(meta_graph, saved, found, part, model.path)
        for user in saved.user_objects:
            if "keras" in user.identifier or user.metadata:
                _keras(user.path, user.metadata, part, rows)
    if model.checkpoint is not None:
        scan_values(model.checkpoint, found)
    if model.path is not None:
        files, is_complete = files_below(model.path)
        if not is_complete:
            notes.append(
                f"more than {MOST_FILES} files beside the model: the rest is not looked at"
            )
        rows += scan_files(model.path, files, follow_external)
        assets = os.path.join(model.path, layout.ASSETS_FOLDER, "")
        graphs = [path for path in files if not path.startswith(assets)]
        looked_at = {"" if model.file is None else model.file.path}
        notes += _left_out(model.path, graphs, looked_at)
        for path in files:
            is_read = follow_external or is_own(path, model.path)
            if os.path.basename(path) == KERAS_METADATA and is_read:
                _keras_file(path, found, rows)


def _left_out(folder: str, paths: Iterable[str], looked_at: Collection[str]) -> Iterator[str]:
    """A note on graphs in the folder that are no part of the artifact, nor of its checkpoints."""
    there = {os.path.abspath(path) for path in looked_at}
    left = [
        os.path.relpath(path, folder or os.curdir)
        for path in paths
        if path.endswith(_GRAPHS) and os.path.basename(path) not in _NO_GRAPHS
        if os.path.abspath(path) not in there
    ]
    if left:
        more = f" and {len(left) - _MOST_NAMED} more" if left[_MOST_NAMED:] else ""
        named = ", ".join(left[:_MOST_NAMED])
        yield f"not looked at: {named}{more}, which the artifact does not load; pass it to scan it"


def _keras_file(path: str, found: Found, rows: list[Row]) -> None:
    try:
        objects = read_keras_metadata(read_file(path))
    except PathNotFoundError:
        return
    except FormatError as error:
        found.problems.append(FormatError(error.message, path=path, offset=error.offset))
        return
    for name, text in objects:
        _keras(name, text, "", rows)


def _keras(name: str, text: str, part: str, rows: list[Row]) -> None:
    try:
        rows += keras.scan_metadata(name, text, part)
    except FormatError as error:
        rows.append(keras.unreadable(name, error, part))


def _checkpoints(checkpoints: Iterable[Checkpoint], found: Found, notes: list[str]) -> None:
    """The graphs of checkpoints, those that are the same to the byte once; and their strings."""
    seen: set[bytes] = set()
    for checkpoint in checkpoints:
        try:
            meta_graph = _new_meta_graph(checkpoint, seen)
        except TfArtifactsError as error:
            found.problems.append(error)
        else:
            if meta_graph is not None:
                part = meta_graph.path or checkpoint.path
                scan_meta_graph(meta_graph, SavedFunctions(), found, part, _folder(checkpoint.path))
        scan_values(checkpoint, found)
    if not found.num_graphs and not found.problems:
        notes.append(NO_GRAPH)


def _new_meta_graph(checkpoint: Checkpoint, seen: set[bytes]) -> MetaGraph | None:
    try:
        digest = hashlib.sha256(read_file(checkpoint.path + META_SUFFIX)).digest()
    except PathNotFoundError:
        return checkpoint.meta_graph
    if digest in seen:
        return None
    seen.add(digest)
    return checkpoint.meta_graph
