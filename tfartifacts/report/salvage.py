"""What was salvaged: the written checkpoint, and what of its source was lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tfartifacts.report.conversions import conversion_lines, describe_conversion
from tfartifacts.report.escape import printable
from tfartifacts.report.finding_blocks import describe_finding
from tfartifacts.report.layout import Layout
from tfartifacts.report.tables import Column
from tfartifacts.report.units import counted
from tfartifacts.report.view import Document

if TYPE_CHECKING:
    from tfartifacts.checks.salvage import Salvaged
    from tfartifacts.model import File

_COLUMNS = (Column("lost", elastic=True), Column("reason", below=True))


def describe_salvage(
    salvaged: Salvaged,
    destination: str,
    written: Sequence[File],
    notes: Sequence[str] = (),
    *,
    dry_run: bool = False,
) -> Document:
    """The document of a salvage; `written` are the files that were made, or would be."""
    checkpoint = salvaged.checkpoint
    document = describe_conversion(
        checkpoint.path, checkpoint, destination, written, notes, dry_run=dry_run
    )
    return {
        **document,
        "is_whole": salvaged.is_whole,
        "is_complete": salvaged.is_complete,
        "kept": list(checkpoint.variables),
        "unchecked": list(salvaged.unchecked),
        "lost": [{"name": name, "reason": reason} for name, reason in salvaged.lost.items()],
        "graph_fault": salvaged.graph_fault,
        "findings": [describe_finding(finding) for finding in salvaged.findings],
    }


def salvage_lines(document: Document, layout: Layout) -> Iterator[str]:
    """The same for a person."""
    yield from conversion_lines(document, layout)
    for line in _lines(document, layout):
        yield printable(line, ascii_only=layout.ascii_only)


def _lines(document: Document, layout: Layout) -> Iterator[str]:
    if document["is_whole"]:
        yield "nothing was damaged"
        return
    lost = document["lost"]
    kept = counted(len(document["kept"]), "variable")
    title = f"kept {kept}, lost {len(lost):,}"
    rows = [(row["name"], row["reason"]) for row in lost]
    yield from layout.table(title, _COLUMNS, rows, empty="none whose name is known")
    others = []
    if not document["is_complete"]:
        others.append("damaged blocks held further variables, whose names are not all known")
    if document["graph_fault"]:
        others.append(f"left out the graph: {document['graph_fault']}")
    named = {row["name"] for row in lost}
    others += [
        f"{finding['path']}: {_place(finding)}{finding['message']}"
        for finding in document["findings"]
        if finding["severity"] == "error" and finding["name"] not in named
    ]
    yield from layout.notes(others)


def _place(finding: Document) -> str:
    return "" if finding["offset"] is None else f"byte {finding['offset']}: "
