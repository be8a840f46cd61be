"""Write an artifact: whole or not at all.

    plans        what is to be written: a bundle, files to copy, messages; the options of save
    sources      which files the artifact is read from: nothing is written among them, and they
                 must still be those that were looked at when it was opened
    staging      all of a plan into a temporary sibling of the destination, read again, compared
    saved_models, checkpoints, state_file, messages
                 what the plan of each kind is, and how it is published: one rename, or one
                 exchange, for a folder; for files of a checkpoint in the order data, assets,
                 graph, index, state file: a checkpoint is there once its index is
    writer       a checkpoint whose variables come one at a time, never all in memory
    manifests    sizes and sums of an artifact's files, beside or in it
    repaired_state
                 a state file in the place of another
    in_place     signatures and tags of a SavedModel, put into the file they were read from

Where a step fails nothing was published, and the temporary sibling is removed. What a killed
process left of one is removed by the next save to the same place.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfartifacts.errors import ConversionError
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.graphs import Graph
from tfartifacts.model.saved_models import MetaGraph, SavedModel
from tfartifacts.model.values import Progress
from tfartifacts.records import replace
from tfartifacts.saving.checkpoints import save_checkpoint
from tfartifacts.saving.in_place import rewrite as rewrite
from tfartifacts.saving.leftovers import clear
from tfartifacts.saving.messages import save_bytes as save_bytes
from tfartifacts.saving.messages import save_message
from tfartifacts.saving.plans import LINKS as LINKS
from tfartifacts.saving.plans import Message, Options, path_to_write
from tfartifacts.saving.plans import Saved as Saved
from tfartifacts.saving.saved_models import save_saved_model
from tfartifacts.saving.sources import (
    damage_elsewhere,
    noticing_changes,
    refuse_source,
    source_files,
)
from tfartifacts.saving.writer import CheckpointWriter as CheckpointWriter

if TYPE_CHECKING:
    from tfartifacts.model import Artifact


def save(
    artifact: Artifact,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    update_state: bool = False,
    max_to_keep: int | None = None,
    link: str | None = None,
    reads_linked: bool = True,
    dry_run: bool = False,
    progress: Progress | None = None,
    jobs: int | None = None,
) -> Saved:
    """Write an artifact to a path, whole or not at all; gives the files that were made.

    A SavedModel becomes a folder; a checkpoint a prefix with `.index`, data files, `.meta` (if it
    has a graph), `.assets/` (if that reads files) and, in a folder without one, a `checkpoint`
    state file; a meta graph or graph one binary file. Stored values are streamed, each checksum
    recomputed and compared; what was written is read again and compared before it is published.

    `overwrite` replaces another SavedModel's folder in one step; a checkpoint is never written
    over. `update_state` makes an existing state file name the new checkpoint as the latest,
    keeping its other entries, of which `max_to_keep` leaves the newest; no checkpoint is deleted.
    `link` avoids copies of files that stay as they are: "reflink" shares blocks where the file
    system can, "hard" makes hard links where it cannot. A hard link is the source's own file: a
    program that writes into it, instead of replacing it, changes the result as well. Data files
    that are linked are read and checked like others, unless not `reads_linked`: then the result
    is as sound as its source, in a time that does not grow with it.
    `dry_run` writes nothing and gives what would be written. `progress` is told how far it is.
    `jobs` threads (None: one for each processor) check what was written; with more than one, the
    disk takes large files while they are written and checked.

    Raises DestinationExistsError, WriteError, SourceChangedError (nothing was published),
    ChecksumError and FormatError where a source turns out damaged, ConversionError for what
    cannot be written there, such as into or over its own source.
    """
    if link is not None and link not in LINKS:
        raise ConversionError(f"found link {link!r}, expected one of {', '.join(LINKS)}")
    destination = path_to_write(path)
    refuse_source(artifact, destination, overwrite=overwrite)
    options = Options(
        overwrite, update_state, max_to_keep, link, reads_linked, dry_run, progress, jobs
    )
    left = () if dry_run else clear(artifact, destination)
    with noticing_changes(source_files(artifact)):
        saved = _save(artifact, destination, options)
    return replace(saved, notes=(*saved.notes, *left, *damage_elsewhere(artifact)))


def _save(artifact: Artifact, destination: str, options: Options) -> Saved:
    match artifact:
        case SavedModel():
            return save_saved_model(artifact, destination.rstrip("/") or "/", options)
        case Checkpoint():
            return save_checkpoint(artifact, destination, options)
        case MetaGraph():
            message = Message.of_meta_graph(artifact)
        case Graph():
            message = Message.of_graph(artifact)
        case _:
            raise ConversionError("a folder of checkpoints is not saved as one; pick a checkpoint")
    return save_message(message, destination, options, source_files(artifact))
