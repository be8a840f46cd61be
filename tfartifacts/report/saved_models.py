"""A SavedModel as a document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfartifacts.report.checkpoints import (
    describe_contents,
    describe_file,
    summarize_checkpoint,
)
from tfartifacts.report.findings import Findings
from tfartifacts.report.graphs import describe_meta_graph
from tfartifacts.report.view import Document, View

if TYPE_CHECKING:
    from tfartifacts.model.saved_models import Asset, SavedModel


def describe_saved_model(model: SavedModel, view: View, findings: Findings) -> Document:
    """Meta graphs, variables and assets; `variables` is empty for a model without."""
    document: Document = {
        "schema_version": model.schema_version,
        "meta_graphs": [
            describe_meta_graph(meta_graph, view, findings) for meta_graph in model.meta_graphs
        ],
        "checkpoint": None,
        "variables": [],
        "assets": [describe_asset(asset) for asset in model.assets if view.selects(asset.filename)],
        "other_files": [describe_file(file) for file in model.other_files],
        "notes": list(model.notes),
    }
    if model.checkpoint is not None:
        contents = describe_contents(model.checkpoint, view, findings)
        document["variables"] = contents.pop("variables")
        document["checkpoint"] = {
            "path": model.checkpoint.path,
            **summarize_checkpoint(model.checkpoint, findings),
            **contents,
        }
    return document


def describe_asset(asset: Asset) -> Document:
    """`nbytes` is null where the file is declared and missing."""
    return {
        "filename": asset.filename,
        "tensor_names": list(asset.tensor_names),
        "nbytes": None if asset.file is None else asset.file.size,
    }
