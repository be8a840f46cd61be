"""What an edit or an average made of a checkpoint: a document, and the same for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tfartifacts.model import Checkpoint, File
from tfartifacts.report.checkpoints import describe_file
from tfartifacts.report.conversions import SCHEMA, destination_notes
from tfartifacts.report.escape import printable
from tfartifacts.report.layout import Layout
from tfartifacts.report.tables import Column
from tfartifacts.report.units import counted, shape, size
from tfartifacts.report.view import Document
from tfartifacts.weights.averaging import AveragePlan
from tfartifacts.weights.edits import EditPlan, Row
from tfartifacts.weights.roles import OBJECT_GRAPH_KEY

# What happens to a variable, as it is said; in the order in which it is counted.
_SAID = {
    "dropped": "dropped",
    "optimizer": "dropped: optimizer",
    "replaced": "replaced by its average",
    "average": "takes its variable's name",
    "renamed": "renamed",
    "merged": "stored whole",
    "cast": "cast",
    "set": "set",
    "added": "added",
}


def describe_edit(
    source: str,
    plan: EditPlan,
    destination: str,
    written: Sequence[File],
    notes: Sequence[str] = (),
    *,
    dry_run: bool = False,
    overflowed: Mapping[str, int] | None = None,
) -> Document:
    """The document of an edit; `written` are the files that were made, or would be.

    `overflowed` are the numbers of elements that casts made infinite, by name.
    """
    lost = overflowed or {}
    notes = [*plan.checkpoint.notes, *notes, *map(_lost, lost.items())]
    document = _document(source, plan.checkpoint, destination, written, notes, dry_run)
    before = [row for row in plan.rows if row.name is not None]
    return {
        **document,
        "graph": plan.graph,
        # An object graph is a variable, too, though no edit is of it.
        "num_variables_before": len(before) + (OBJECT_GRAPH_KEY in plan.checkpoint.variables),
        "actions": _counts(plan.rows),
        "edits": [_row(row, lost) for row in plan.rows],
    }


def _row(row: Row, lost: Mapping[str, int]) -> Document:
    return {
        "name": row.name,
        "new_name": row.new_name,
        "dtype": str(row.dtype),
        "old_dtype": str(row.old_dtype),
        "shape": list(row.shape),
        "nbytes": row.nbytes,
        "actions": list(row.actions),
        "num_overflowed": lost.get(row.new_name or "", 0),
    }


def _lost(found: tuple[str, int]) -> str:
    name, count = found
    what = "element was" if count == 1 else "elements were"
    return f"{count:,} finite {what} too large to cast, and became infinite, in {name}"


def _counts(rows: Sequence[Row]) -> Document:
    counts = Counter(action for row in rows for action in row.actions)
    counts["unchanged"] = sum(not row.actions for row in rows)
    return {action: counts[action] for action in (*_SAID, "unchanged") if counts[action]}


def describe_average(
    sources: Sequence[str],
    plan: AveragePlan,
    destination: str,
    written: Sequence[File],
    notes: Sequence[str] = (),
    *,
    weights: Sequence[float] | None = None,
    dry_run: bool = False,
) -> Document:
    """The document of an average of checkpoints, the newest last."""
    notes = [*plan.checkpoint.notes, *notes]
    document = _document(sources[-1], plan.checkpoint, destination, written, notes, dry_run)
    return {
        **document,
        "sources": list(sources),
        "weights": None if weights is None else list(weights),
        "graph": plan.graph,
        "averaged": list(plan.averaged),
        "newest": list(plan.newest),
        "left_out": list(plan.left_out),
    }


def _document(
    source: str,
    checkpoint: Checkpoint,
    destination: str,
    written: Sequence[File],
    notes: Sequence[str],
    dry_run: bool,
) -> Document:
    return {
        "schema": SCHEMA,
        "kind": checkpoint.kind,
        "path": destination,
        "source": source,
        "dry_run": dry_run,
        "notes": [*notes, *destination_notes(destination)],
        "files": [describe_file(file) for file in written],
        "num_shards": checkpoint.num_shards,
        "num_variables": len(checkpoint.variables),
        "variables_nbytes": checkpoint.nbytes,
    }


# --- for a person ---------------------------------------------------------------------------------


def edit_lines(document: Document, layout: Layout) -> Iterator[str]:
    """An edit in a few lines; where nothing is written, with all that would become of variables."""
    for line in _edit_lines(document, layout):
        yield printable(line, ascii_only=layout.ascii_only)


def _edit_lines(document: Document, layout: Layout) -> Iterator[str]:
    yield from _head(document, f"from {document['source']}")
    actions = document["actions"]
    did = [f"{count:,} {_SAID[name]}" for name, count in actions.items() if name in _SAID]
    variables = f"{document['num_variables']:,}, {size(document['variables_nbytes'])}"
    if document["num_variables_before"] != document["num_variables"]:
        variables += f" (of {document['num_variables_before']:,})"
    yield from layout.facts(
        [
            ("files", _files(document)),
            ("variables", variables),
            ("edits", ", ".join(did) or "none"),
            ("graph", _graph(document)),
        ]
    )
    if document["dry_run"]:
        rows = [_cells(row) for row in document["edits"]]
        yield from layout.table("Variables", _COLUMNS, rows)
    yield from layout.notes(document["notes"])


_COLUMNS = (
    Column("name", elastic=True),
    Column("new name", elastic=True),
    Column("dtype", below=True),
    Column("shape", below=True),
    Column("size", right=True),
    Column("what happens", below=True),
)


def _cells(row: Document) -> tuple[str, ...]:
    old, new = row["name"], row["new_name"]
    dtype = row["dtype"]
    if row["old_dtype"] != dtype:
        dtype = f"{row['old_dtype']} -> {dtype}"
    return (
        old or "",
        "" if new is None else "same" if new == old else new,
        dtype,
        shape(row["shape"]),
        size(row["nbytes"]),
        ", ".join(_SAID[action] for action in row["actions"]) or "as it is",
    )


def average_lines(document: Document, layout: Layout) -> Iterator[str]:
    """An average in a few lines."""
    for line in _average_lines(document, layout):
        yield printable(line, ascii_only=layout.ascii_only)


def _average_lines(document: Document, layout: Layout) -> Iterator[str]:
    sources, weights = document["sources"], document["weights"]
    yield from _head(document, f"the average of {counted(len(sources), 'checkpoint')}")
    newest = f"{len(document['newest']):,} as in {sources[-1]}" if document["newest"] else ""
    left_out = len(document["left_out"])
    yield from layout.facts(
        [
            ("files", _files(document)),
            ("variables", f"{document['num_variables']:,}, {size(document['variables_nbytes'])}"),
            ("averaged", f"{len(document['averaged']):,}"),
            ("newest", newest),
            ("left out", f"{left_out:,} of the optimizer" if left_out else ""),
            ("graph", _graph(document)),
        ]
    )
    rows = [
        (source, "" if weights is None else f"{weights[position]:g}")
        for position, source in enumerate(sources)
    ]
    columns = (Column("checkpoint", elastic=True), Column("weight", right=True))
    if weights is None:
        rows, columns = [row[:1] for row in rows], columns[:1]  # type: ignore[misc, assignment]
    yield from layout.table("Checkpoints", columns, rows)
    yield from layout.notes(document["notes"])


def _head(document: Document, origin: str) -> Iterator[str]:
    did = "would write" if document["dry_run"] else "wrote"
    yield f"{did} {document['path']}: a checkpoint, {origin}"


def _files(document: Document) -> str:
    total = sum(file["nbytes"] for file in document["files"])
    return f"{len(document['files'])}, {size(total)}"


def _graph(document: Document) -> str:
    """What became of the `.meta`."""
    return {
        "none": "",
        "carried": "as it is: the edited checkpoint is what it restores",
        "rewritten": "with another saver, for what there is now",
        "left out": "left out",
    }[document["graph"]]
