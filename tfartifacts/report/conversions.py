"""What a conversion made: the written artifact, in a few lines or as a document."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from tfartifacts.model import (
    Artifact,
    Checkpoint,
    CheckpointDirectory,
    File,
    Graph,
    MetaGraph,
    SavedModel,
)
from tfartifacts.model.saved_models import INIT_OP_SIGNATURE
from tfartifacts.report.checkpoints import describe_file
from tfartifacts.report.escape import printable
from tfartifacts.report.graphs import describe_signature
from tfartifacts.report.layout import Layout
from tfartifacts.report.tables import Column
from tfartifacts.report.tensor_rows import SIGNATURE_COLUMNS, signature_rows
from tfartifacts.report.units import counted, shape, size
from tfartifacts.report.view import Document

SCHEMA = 1


def describe_conversion(
    source: str,
    result: SavedModel | Checkpoint | Graph,
    destination: str,
    written: Sequence[File],
    notes: Sequence[str] = (),
    *,
    dry_run: bool = False,
    before: Artifact | None = None,
    given_graph: MetaGraph | Graph | None = None,
) -> Document:
    """The document of a conversion; `written` are the files that were made, or would be.

    `before` is the source, and `given_graph` what took its graph's place, or the one of its
    several meta graphs that was chosen: nodes and bytes of variables are shown before and after.
    """
    document: Document = {
        "schema": SCHEMA,
        "kind": result.kind,
        "path": destination,
        "source": source,
        "dry_run": dry_run,
        "notes": [*result.notes, *notes, *destination_notes(destination)],
        "files": [describe_file(file) for file in written],
    }
    checkpoint = result if isinstance(result, Checkpoint) else None
    if isinstance(result, SavedModel):
        checkpoint = result.checkpoint
    document["num_variables"] = 0 if checkpoint is None else len(checkpoint.variables)
    document["variables_nbytes"] = 0 if checkpoint is None else checkpoint.nbytes
    if isinstance(result, SavedModel):
        (meta_graph,) = result.meta_graphs
        document["tags"] = sorted(meta_graph.tags)
        document["num_nodes"] = len(meta_graph.graph)
        document["signatures"] = {
            key: describe_signature(signature)
            for key, signature in meta_graph.signatures.items()
            if key != INIT_OP_SIGNATURE
        }
    elif isinstance(result, Graph):
        document["num_nodes"] = len(result)
    elif result.meta_graph is not None:
        document["num_nodes"] = len(result.meta_graph.graph)
    if before is not None:
        document["before"] = _sizes(before, given_graph)
    return document


def destination_notes(destination: str) -> tuple[str, ...]:
    """What is odd about where a result was written."""
    if any(character in os.path.abspath(destination) for character in "[]*?"):
        return (
            "TensorFlow takes [ ] * ? in a path for a pattern and will not find this one; move it",
        )
    return ()


def _sizes(artifact: Artifact, given_graph: MetaGraph | Graph | None) -> Document:
    """Nodes, variables and their bytes of a source; of a folder of checkpoints the latest's."""
    if isinstance(artifact, CheckpointDirectory) and artifact.latest is not None:
        artifact = artifact.latest
    graph: MetaGraph | Graph | None = given_graph
    checkpoint: Checkpoint | None = None
    match artifact:
        case Checkpoint():
            checkpoint = artifact
            graph = graph or artifact.meta_graph
        case SavedModel():
            checkpoint = artifact.checkpoint
            graph = graph or (artifact.meta_graphs[0] if artifact.meta_graphs else None)
        case MetaGraph() | Graph():
            graph = graph or artifact
    return {
        "num_nodes": 0 if graph is None else len(graph.graph),
        "num_variables": 0 if checkpoint is None else len(checkpoint.variables),
        "variables_nbytes": 0 if checkpoint is None else checkpoint.nbytes,
    }


def conversion_lines(document: Document, layout: Layout) -> Iterator[str]:
    """The same for a person."""
    for line in _lines(document, layout):
        yield printable(line, ascii_only=layout.ascii_only)


def _variables(sizes: Document) -> str:
    bytes_ = sizes["variables_nbytes"]
    return f"{sizes['num_variables']:,}" + (f", {size(bytes_)}" if bytes_ else "")


def _nodes(sizes: Document) -> str:
    return f"{sizes['num_nodes']:,}"


def _was(before: Document, after: Document, show: Callable[[Document], str]) -> str:
    """What it was before, where that is another."""
    return f" (of {show(before)})" if before and show(before) != show(after) else ""


def _lines(document: Document, layout: Layout) -> Iterator[str]:
    what = {"saved-model": "SavedModel", "graph-def": "frozen graph"}.get(
        document["kind"], "checkpoint"
    )
    before = document.get("before", {})
    did = "would write" if document["dry_run"] else "wrote"
    yield f"{did} {document['path']}: a {what}, from {document['source']}"
    total = sum(file["nbytes"] for file in document["files"])
    facts = [
        ("files", f"{len(document['files'])}, {size(total)}"),
        ("variables", _variables(document) + _was(before, document, _variables)),
    ]
    if "num_nodes" in document:
        facts.append(
            ("graph", counted(document["num_nodes"], "node") + _was(before, document, _nodes))
        )
    if "tags" in document:
        facts.append(("tags", ", ".join(document["tags"])))
    yield from layout.facts(facts)
    for key, signature in document.get("signatures", {}).items():
        yield from layout.table(f"signature {key}", SIGNATURE_COLUMNS, signature_rows(signature))
    if document["dry_run"]:
        files = [(file["path"], size(file["nbytes"])) for file in document["files"]]
        yield from layout.table("Files", (Column("path"), Column("size", right=True)), files)
    if "check" in document:
        yield from _check_lines(document["check"], layout)
    yield from layout.notes(document["notes"])


_CHECK_COLUMNS = (
    Column("signature", elastic=True),
    Column("output", elastic=True),
    Column("dtype", below=True),
    Column("shape", below=True),
    Column("elements", right=True),
    Column("different", right=True),
    Column("largest difference", below=True),
)


def _check_lines(rows: Sequence[Document], layout: Layout) -> Iterator[str]:
    """Each output in a line: whether the result computes the source's bits."""
    unequal = [row for row in rows if not row["equal"]]
    outputs = counted(len(rows), "output")
    title = f"check: {outputs} equal to the source's, bit for bit"
    if unequal:
        title = f"check: {len(unequal)} of {outputs} not equal to the source's"
    cells = [
        (
            row["signature"],
            row["key"],
            _from_to(row["dtype"], row["result_dtype"]),
            _from_to(shape(row["shape"]), shape(row["result_shape"])),
            f"{row['num_elements']:,}",
            "equal" if row["equal"] else f"{row['num_different']:,}",
            _distance(row),
        )
        for row in rows
    ]
    # Where all are equal there is no difference to show.
    columns = _CHECK_COLUMNS if unequal else _CHECK_COLUMNS[:-1]
    yield from layout.table(title, columns, [row[: len(columns)] for row in cells])
    if any(not row["repeatable"] for row in rows):
        yield from layout.notes(
            [
                "run again, the source itself gives other values there: a graph that draws random "
                "numbers, or looks at the time, cannot be compared"
            ]
        )


def _from_to(source: str, result: str) -> str:
    return source if source == result else f"{source} -> {result}"


def _distance(row: Document) -> str:
    """The largest difference, and what it does not show."""
    if row["equal"]:
        return ""
    parts = []
    if row["largest_difference"] == 0:
        parts.append("0 (signs of zeros)")
    elif row["largest_difference"] is not None:
        parts.append(f"{row['largest_difference']:.3g}")
    if row["num_nan"]:
        parts.append(f"{row['num_nan']:,} NaN in both, of other bits")
    if not row["repeatable"]:
        parts.append("not repeatable")
    return ", ".join(parts)
