"""The signatures of a SavedModel, alone: what `signature` and `tags` show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tfartifacts.graphs.signature_check import INTERNAL_SIGNATURES
from tfartifacts.model import File, SavedModel
from tfartifacts.model.saved_models import format_tags
from tfartifacts.report.checkpoints import describe_file
from tfartifacts.report.escape import printable
from tfartifacts.report.graphs import describe_signature
from tfartifacts.report.layout import Layout
from tfartifacts.report.tensor_rows import SIGNATURE_COLUMNS, signature_rows
from tfartifacts.report.view import Document

SCHEMA = 1


def describe_signatures(
    path: str,
    model: SavedModel,
    tags: Sequence[str] | None,
    written: Sequence[File] | None = None,
    notes: Sequence[str] = (),
    *,
    dry_run: bool = False,
) -> Document:
    """The document; of all meta graphs, or the one with these tags.

    `written` are the files that a change made, or would make; None where nothing was to change.
    """
    meta_graphs = model.meta_graphs if tags is None else (model.meta_graph(tags),)
    document: Document = {
        "schema": SCHEMA,
        "kind": model.kind,
        "path": path,
        "meta_graphs": [
            {
                "tags": sorted(meta_graph.tags),
                "signatures": {
                    key: describe_signature(signature)
                    for key, signature in meta_graph.signatures.items()
                    if not key.startswith(INTERNAL_SIGNATURES)
                },
            }
            for meta_graph in meta_graphs
        ],
    }
    if written is not None:
        document["dry_run"] = dry_run
        document["files"] = [describe_file(file) for file in written]
    document["notes"] = list(notes)
    return document


def signature_lines(document: Document, layout: Layout) -> Iterator[str]:
    """The same for a person."""
    for line in _lines(document, layout):
        yield printable(line, ascii_only=layout.ascii_only)


def _lines(document: Document, layout: Layout) -> Iterator[str]:
    yield f"SavedModel {document['path']}"
    for meta_graph in document["meta_graphs"]:
        tags = format_tags(meta_graph["tags"])
        if not meta_graph["signatures"]:
            yield ""
            yield f"meta graph {tags}: no signatures"
        for key, signature in meta_graph["signatures"].items():
            title = f"signature {key} in {tags}  {signature['method_name']}".rstrip()
            rows = signature_rows(signature)
            yield from layout.table(title, SIGNATURE_COLUMNS, rows, empty="no inputs, no outputs")
    if document.get("dry_run"):
        yield from layout.notes(["nothing was written (--dry-run)"])
    yield from layout.notes(document["notes"])
