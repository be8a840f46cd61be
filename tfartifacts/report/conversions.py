"""What a conversion made: the written artifact, in a few lines or as a document."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from tfartifacts.model import Checkpoint, SavedModel
from tfartifacts.model.saved_models import INIT_OP_SIGNATURE
from tfartifacts.report.checkpoints import describe_file
from tfartifacts.report.escape import printable
from tfartifacts.report.graphs import describe_signature
from tfartifacts.report.layout import Layout
from tfartifacts.report.tables import Column
from tfartifacts.report.units import counted, shape, size
from tfartifacts.report.view import Document
from tfartifacts.storage.files import describe_file as look_at

SCHEMA = 1


def describe_conversion(
    source: str, result: SavedModel | Checkpoint, destination: str, written: Sequence[str]
) -> Document:
    """The document of a conversion; `written` are the paths of the files that were made."""
    document: Document = {
        "schema": SCHEMA,
        "kind": result.kind,
        "path": destination,
        "source": source,
        "notes": [*result.notes, *destination_notes(destination)],
        "files": [describe_file(file) for path in written if (file := look_at(path)) is not None],
    }
    checkpoint = result if isinstance(result, Checkpoint) else result.checkpoint
    document["num_variables"] = 0 if checkpoint is None else len(checkpoint.variables)
    if isinstance(result, SavedModel):
        (meta_graph,) = result.meta_graphs
        document["tags"] = sorted(meta_graph.tags)
        document["num_nodes"] = len(meta_graph.graph)
        document["signatures"] = {
            key: describe_signature(signature)
            for key, signature in meta_graph.signatures.items()
            if key != INIT_OP_SIGNATURE
        }
    elif result.meta_graph is not None:
        document["num_nodes"] = len(result.meta_graph.graph)
    return document


def destination_notes(destination: str) -> tuple[str, ...]:
    """What is odd about where a result was written."""
    if any(character in os.path.abspath(destination) for character in "[]*?"):
        return (
            "TensorFlow takes [ ] * ? in a path for a pattern and will not find this one; move it",
        )
    return ()


def conversion_lines(document: Document, layout: Layout) -> Iterator[str]:
    """The same for a person."""
    for line in _lines(document, layout):
        yield printable(line, ascii_only=layout.ascii_only)


def _lines(document: Document, layout: Layout) -> Iterator[str]:
    what = "SavedModel" if document["kind"] == "saved-model" else "checkpoint"
    yield f"wrote {document['path']}: a {what}, from {document['source']}"
    total = sum(file["nbytes"] for file in document["files"])
    facts = [
        ("files", f"{len(document['files'])}, {size(total)}"),
        ("variables", f"{document['num_variables']:,}"),
    ]
    if "num_nodes" in document:
        facts.append(("graph", counted(document["num_nodes"], "node")))
    if "tags" in document:
        facts.append(("tags", ", ".join(document["tags"])))
    yield from layout.facts(facts)
    for key, signature in document.get("signatures", {}).items():
        rows = [
            (role, name, info["name"] or "", info["dtype"] or "", shape(info["shape"]))
            for role in ("inputs", "outputs")
            for name, info in signature[role].items()
        ]
        columns = (
            Column(""),
            Column("key", elastic=True),
            Column("tensor"),
            Column("dtype", below=True),
            Column("shape", below=True),
        )
        yield from layout.table(f"signature {key}", columns, rows)
    yield from layout.notes(document["notes"])
