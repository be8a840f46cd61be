"""Artifact -> document: plain dicts with the model's field names, ready for JSON.

    every artifact         schema, kind, path, notes
    checkpoint             format, num_shards, step, num_variables, num_parameters, nbytes,
                           account, variables, meta_graph, files, problems, ...
    checkpoint-directory   latest (a prefix), checkpoints: [{prefix, step, time, ...}],
                           latest_checkpoint (described in full), missing, broken, ...
    meta-graph, graph-def  tags, tensorflow_version, num_nodes, ops, placeholders, signatures,
                           candidates, functions, devices, collections, saver, ...
    saved-model            meta_graphs, checkpoint, variables, assets, ...

An unknown dimension is -1, an unknown rank null, sizes are bytes, times ISO 8601 in UTC. Names are
exact: a byte that is not UTF-8 is the lone surrogate U+DC80-DCFF of Python's surrogateescape.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfartifacts.model import Checkpoint, CheckpointDirectory, Graph, MetaGraph, SavedModel
from tfartifacts.records import dataclass
from tfartifacts.report.checkpoints import describe_checkpoint, describe_directory
from tfartifacts.report.findings import Findings
from tfartifacts.report.graphs import describe_graph_def, describe_meta_graph
from tfartifacts.report.saved_models import describe_saved_model
from tfartifacts.report.view import EVERYTHING, Document, View

if TYPE_CHECKING:
    from tfartifacts.errors import TfArtifactsError
    from tfartifacts.model import Artifact

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Report:
    """A described artifact.

    `damage` is what of it could not be read, `failures` are requests that could not be met;
    the document holds everything else.
    """

    document: Document
    damage: tuple[TfArtifactsError, ...] = ()
    failures: tuple[TfArtifactsError, ...] = ()


def describe(artifact: Artifact, view: View = EVERYTHING) -> Report:
    """The document of an artifact. Reads values only where the view asks for them."""
    findings = Findings()
    document: Document = {"schema": SCHEMA, "kind": artifact.kind, "path": artifact.path}
    if isinstance(artifact, CheckpointDirectory):
        document["path"] = artifact.path or os.curdir
    document |= _describe(artifact, view, findings)
    if view.values:
        from tfartifacts.report.values import describe_values

        document["values"] = describe_values(_checkpoint(artifact), view.values, findings)
    return Report(document, tuple(findings.damage), tuple(findings.failures))


def _describe(artifact: Artifact, view: View, findings: Findings) -> Document:
    match artifact:
        case CheckpointDirectory():
            return describe_directory(artifact, view, findings)
        case Checkpoint():
            return describe_checkpoint(artifact, view, findings)
        case MetaGraph():
            return describe_meta_graph(artifact, view, findings)
        case SavedModel():
            return describe_saved_model(artifact, view, findings)
        case Graph():
            return describe_graph_def(artifact, view, findings)


def _checkpoint(artifact: Artifact) -> Checkpoint | None:
    """The checkpoint whose values an artifact holds."""
    match artifact:
        case Checkpoint():
            return artifact
        case CheckpointDirectory():
            return artifact.latest
        case SavedModel():
            return artifact.checkpoint
        case _:
            return None
