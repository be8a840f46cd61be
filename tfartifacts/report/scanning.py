"""What a scan found, as a document and as text.

document : schema, kind "scan", path, artifact (its kind), is_clean, num_errors, num_warnings,
           num_notes, counts {capability: errors}, num_graphs, num_nodes, num_functions,
           num_nested_graphs, rows: [{severity, capability, op, nodes, num_nodes, reach,
           callers, function, nesting, target, explanation, part, is_allowed}], problems, notes
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tfartifacts.report.blocks import Block, Facts, Heading, Notes, Table
from tfartifacts.report.findings import describe_error
from tfartifacts.report.formats import Presentation
from tfartifacts.report.layout import Layout
from tfartifacts.report.tables import Column
from tfartifacts.report.units import counted
from tfartifacts.report.view import Document

if TYPE_CHECKING:
    from tfartifacts.checks.scan import Row, Scan
    from tfartifacts.report.csv_text import Rows

SCHEMA = 1
_MOST_LEVELS = 4  # of nested graphs that are named
_COLUMNS = (
    Column("can"),
    Column("op", elastic=True),
    Column("reached by", elastic=True),
    Column("where", elastic=True),
    Column("what", elastic=True, prose=True, below=True),
)
_REACHES = {
    "signature": "signature",
    "init": "loading:",
    "function": "function",
    "saver": "saver:",
    "graph": "its name",
    "iterator": "an iterator's initialiser",
    "keras": "Keras' load_model",
    "unreachable": "nothing",
    "beside": "nothing here",
}


def describe_scan(scan: Scan) -> Document:
    """The document; names are exact, in full."""
    return {
        "schema": SCHEMA,
        "kind": "scan",
        "path": scan.path,
        "artifact": scan.kind,
        "is_clean": scan.is_clean,
        "num_errors": len(scan.errors),
        "num_warnings": len(scan.warnings),
        "num_notes": len(scan.rows) - len(scan.errors) - len(scan.warnings),
        "counts": dict(scan.counts),
        "num_graphs": scan.num_graphs,
        "num_nodes": scan.num_nodes,
        "num_functions": scan.num_functions,
        "num_nested_graphs": scan.num_nested_graphs,
        "rows": [_describe(row) for row in scan.rows],
        "problems": [describe_error(problem) for problem in scan.problems],
        "notes": list(scan.notes),
    }


def _describe(row: Row) -> Document:
    return {
        "severity": row.severity.value,
        "capability": row.capability.value,
        "op": row.op,
        "nodes": list(row.nodes),
        "num_nodes": row.num_nodes,
        "reach": row.reach.value,
        "callers": list(row.callers),
        "function": row.function,
        "nesting": list(row.nesting),
        "target": row.target,
        "explanation": row.explanation,
        "part": row.part,
        "is_allowed": row.is_allowed,
    }


def scan_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    """Hits and warnings; what is explained too, if the section `all` was asked for."""
    complete = layout.shows("all", usually=False)
    by_severity: dict[str, list[Document]] = {"error": [], "warning": [], "note": []}
    for row in document["rows"]:
        by_severity["note" if row["is_allowed"] else row["severity"]].append(row)
    others = by_severity["note"]
    yield Heading(f"Scan of {document['path'] or ''}", 1)
    yield Facts(
        [
            ("result", _result(document)),
            ("looked at", _looked_at(document)),
            ("explained", _explained(others, complete)),
        ]
    )
    yield Notes(document["notes"])
    yield Table("Hits", _COLUMNS, [_cells(row) for row in by_severity["error"]])
    yield Table("Warnings", _COLUMNS, [_cells(row) for row in by_severity["warning"]])
    if complete:
        yield Table("Explained", _COLUMNS, [_cells(row) for row in others])


def _result(document: Document) -> str:
    hits, warnings = document["num_errors"], document["num_warnings"]
    parts = ", ".join(f"{name} {number}" for name, number in document["counts"].items())
    text = f"{counted(hits, 'hit')}: {parts}" if parts else "no hits"
    if warnings:
        text += f"; {counted(warnings, 'warning')}"
    if document["problems"]:
        text += f"; {counted(len(document['problems']), 'part')} damaged and not looked at"
    return text


def _looked_at(document: Document) -> str:
    parts = [counted(document["num_nodes"], "node"), counted(document["num_functions"], "function")]
    if document["num_nested_graphs"]:
        parts.append(counted(document["num_nested_graphs"], "nested graph"))
    graphs = document["num_graphs"]
    return f"{counted(graphs, 'graph')}: {', '.join(parts)}" if graphs else ""


def _explained(others: Sequence[Document], complete: bool) -> str:
    if not others:
        return ""
    allowed = sum(row["is_allowed"] for row in others)
    text = f"{counted(len(others), 'thing')} without alarm"
    if allowed:
        text += f", {allowed} of them allowed"
    return text if complete else f"{text}; --show all lists them"


def _cells(row: Document) -> list[str]:
    callers = row["callers"]
    names = ", ".join(callers[:3]) + (", ..." if len(callers) > 3 else "")
    reached = f"{_REACHES[row['reach']]} {names}".rstrip(": ") if names else ""
    what = f"{row['explanation']}: {row['target']}" if row["target"] else row["explanation"]
    if row["is_allowed"]:
        what += " (allowed)"
    reached = reached or _REACHES[row["reach"]].rstrip(":")
    return [row["capability"], row["op"], reached, _where(row), what]


def _where(row: Document) -> str:
    """`meta graph: function: nested > in > node and 3 more`."""
    # A part that is a file lies in the folder that the first line names.
    part = row["part"].rpartition("/")[2]
    shown = [name for name in (part, row["function"]) if name]
    nesting = row["nesting"]
    if len(nesting) > _MOST_LEVELS:
        nesting = [*nesting[:2], "...", *nesting[-2:]]
    path = " > ".join([*nesting, *row["nodes"][:1]])
    more = f" and {row['num_nodes'] - 1:,} more" if row["num_nodes"] > 1 else ""
    return ": ".join([*shown, path]) + more


_ROW_KEYS = tuple(
    "severity capability op reach callers function nesting nodes num_nodes target explanation part "
    "is_allowed".split()
)


def scan_rows(document: Document) -> Rows:
    """Every row, explained ones included; names in a list with spaces between."""
    from tfartifacts.report.csv_text import Rows

    def flat(row: Document) -> Document:
        return {
            key: " ".join(value) if isinstance(value := row[key], list) else value
            for key in _ROW_KEYS
        }

    return Rows(_ROW_KEYS, [flat(row) for row in document["rows"]])


PRESENTATION = Presentation(scan_blocks, scan_rows)
