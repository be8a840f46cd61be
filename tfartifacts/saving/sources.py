"""The files an artifact is read from: nothing is written among them, and they must not change."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tfartifacts.errors import (
    ConversionError,
    DestinationExistsError,
    SourceChangedError,
    TfArtifactsError,
    WriteError,
)
from tfartifacts.formats import saved_model as layout
from tfartifacts.model.checkpoints import Checkpoint, File
from tfartifacts.model.graphs import Graph
from tfartifacts.model.saved_models import Asset, MetaGraph, SavedModel
from tfartifacts.storage.files import has_changed, identity, with_parents

if TYPE_CHECKING:
    from tfartifacts.model import Artifact


def refuse_source(artifact: Artifact, destination: str, *, overwrite: bool) -> None:
    """Refuse a destination that would change what the artifact is read from.

    An export among a folder's checkpoints changes none of them, and is usual.
    """
    there = identity(destination)
    own = isinstance(artifact, SavedModel) and artifact.path and identity(artifact.path) == there
    if own and there is not None:
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
    if not overwrite or there is None:
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
    if isinstance(artifact, SavedModel) and artifact.path is not None:
        yield artifact.path
    for path in _paths_of_values(artifact):
        folder = os.path.dirname(os.path.abspath(path))
        places = [folder]
        if os.path.basename(folder) == layout.VARIABLES_FOLDER:
            places.append(os.path.dirname(folder))
        for place in places:
            if any(os.path.lexists(os.path.join(place, name)) for name in layout.FILES):
                yield place


def _paths_of_values(artifact: Artifact) -> Iterator[str]:
    """The files that graphs and variables come from; for a checkpoint its prefix, too."""
    match artifact:
        case SavedModel():
            if artifact.file is not None:
                yield artifact.file.path
            if artifact.checkpoint is not None:
                yield from _paths_of_values(artifact.checkpoint)
            for meta_graph in artifact.meta_graphs:
                yield from _paths_of_values(meta_graph)
        case Checkpoint():
            if artifact.files:  # not one that was made in memory
                yield artifact.path
            yield from (file.path for file in artifact.files)
        case MetaGraph() | Graph():
            for path in (artifact.path, artifact.graph.path):
                if path is not None:
                    yield path
            yield from (file.path for file in artifact.graph.sources)


def _source_folders(artifact: Artifact) -> set[str]:
    """The folders that hold an artifact's files, and those that its links lead to."""
    paths = {*_paths_of_values(artifact), *(file.path for file in source_files(artifact))}
    if isinstance(artifact, SavedModel) and artifact.path is not None:
        paths |= {os.path.join(artifact.path, name) for name in layout.FILES}
    folders = {os.path.realpath(os.path.dirname(path)) for path in paths}
    return folders | {os.path.dirname(os.path.realpath(path)) for path in paths}


def refuse_links_out(
    assets: Sequence[Asset], others: Sequence[File] = (), folder: str | None = None
) -> None:
    """Raise ConversionError for a link that would bring a file from elsewhere into the result.

    `assets` that lie in a SavedModel must not lead out of it, nor `others` out of `folder`.
    """
    for asset in assets:
        below = f"/{layout.ASSETS_FOLDER}/{asset.filename}"
        if asset.file is not None and asset.file.path.endswith(below):
            _refuse_link_out(asset.file.path, asset.file.path.removesuffix(below) or "/")
    for file in others:
        if folder is not None:
            _refuse_link_out(file.path, folder)


def _refuse_link_out(path: str, folder: str) -> None:
    root = os.path.realpath(folder)
    target = os.path.realpath(path)
    if not target.startswith(root.rstrip("/") + "/"):
        raise ConversionError(
            f"found a link to {target}, outside the SavedModel, which is not copied; put the file "
            "itself in its place",
            path=path,
        )


def source_files(artifact: Artifact) -> tuple[File, ...]:
    """The files that an artifact's values come from, as they were when it was opened first."""
    match artifact:
        case SavedModel():
            parts = () if artifact.checkpoint is None else artifact.checkpoint.files
            own = () if artifact.file is None else (artifact.file,)
            constants = [file for meta in artifact.meta_graphs for file in meta.graph.sources]
            files = (*parts, *own, *constants, *artifact.other_files, *_files_of(artifact.assets))
        case Checkpoint():
            files = (*artifact.files, *_files_of(artifact.assets))
        case MetaGraph() | Graph():
            files = artifact.graph.sources
        case _:
            files = ()
    return tuple({file.path: file for file in reversed(files)}.values())


def _files_of(assets: Sequence[Asset]) -> list[File]:
    return [asset.file for asset in assets if asset.file is not None]


@contextmanager
def noticing_changes(sources: Sequence[File]) -> Iterator[None]:
    """Raises SourceChangedError for what goes wrong inside because the source was changed.

    What looks like damage may be two saves mixed, and a file that is gone a kept number of
    checkpoints.
    """
    try:
        yield
    except (ConversionError, DestinationExistsError, SourceChangedError, WriteError):
        raise
    except TfArtifactsError as error:
        refuse_changed(sources, error)
        raise


def refuse_changed(sources: Sequence[File], cause: TfArtifactsError | None = None) -> None:
    """Raise SourceChangedError for a file that is no longer the one that was looked at."""
    for file in sources:
        if has_changed(file):
            raise SourceChangedError(
                "the file changed while it was read, as if a training job wrote there; nothing "
                "was published: convert a copy, or a checkpoint that is no longer written",
                path=file.path,
            ) from cause


def damage_elsewhere(artifact: Artifact) -> tuple[str, ...]:
    """What is to be said of a damaged checkpoint of which only sound parts were needed."""
    checkpoint = artifact.checkpoint if isinstance(artifact, SavedModel) else artifact
    if not isinstance(checkpoint, Checkpoint):
        return ()
    return tuple(
        f"nothing that was written needs it, but the source is damaged: {problem}"
        for problem in checkpoint.problems
    )
