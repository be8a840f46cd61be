"""What a scan found, as a document and as text.

document : schema, kind "scan", path, artifact (its kind), is_clean, num_errors, num_warnings,
           num_notes, counts {capability: errors}, num_graphs, num_nodes, num_functions,
           num_nested_graphs, rows: [{severity, capability, op, nodes, num_nodes, reach,
           callers, function, nesting, target, explanation, part, is_allowed}], problems, notes
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tfartifacts.report.escape import printable
from tfartifacts.report.findings import describe_error
from tfartifacts.report.layout import Layout
from tfartifacts.report.tables import Column
from tfartifacts.report.units import counted
from tfartifacts.report.view import Document

if TYPE_CHECKING:
    from tfartifacts.checks.scan import Row, Scan

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


def scan_lines(scan: Scan, layout: Layout, *, complete: bool = False) -> Iterator[str]:
    """The lines for a person: errors and warnings, with `complete` what is explained too."""
    for line in _lines(scan, layout, complete):
        yield printable(line, ascii_only=layout.ascii_only)


def _lines(scan: Scan, layout: Layout, complete: bool) -> Iterator[str]:
    others = [row for row in scan.rows if not row.is_error and not row.is_warning]
    yield f"Scan of {layout.safe(scan.path or '')}"
    yield from layout.facts(
        [
            ("result", _result(scan)),
            ("looked at", _looked_at(scan)),
            ("explained", _explained(others, complete)),
        ]
    )
    yield from layout.notes(scan.notes)
    yield from layout.table("Hits", _COLUMNS, [_cells(row) for row in scan.errors])
    yield from layout.table("Warnings", _COLUMNS, [_cells(row) for row in scan.warnings])
    if complete:
        yield from layout.table("Explained", _COLUMNS, [_cells(row) for row in others])


def _result(scan: Scan) -> str:
    parts = [f"{name} {count}" for name, count in scan.counts.items()]
    text = ": ".join([counted(len(scan.errors), "hit"), ", ".join(parts)]) if parts else "no hits"
    if scan.warnings:
        text += f"; {counted(len(scan.warnings), 'warning')}"
    if scan.problems:
        text += f"; {counted(len(scan.problems), 'part')} damaged and not looked at"
    return text


def _looked_at(scan: Scan) -> str:
    parts = [counted(scan.num_nodes, "node"), counted(scan.num_functions, "function")]
    if scan.num_nested_graphs:
        parts.append(counted(scan.num_nested_graphs, "nested graph"))
    return f"{counted(scan.num_graphs, 'graph')}: {', '.join(parts)}" if scan.num_graphs else ""


def _explained(others: Sequence[Row], complete: bool) -> str:
    if not others:
        return ""
    allowed = sum(1 for row in others if row.is_allowed)
    text = f"{counted(len(others), 'thing')} without alarm"
    if allowed:
        text += f", {allowed} of them allowed"
    return text if complete else f"{text}; --show all lists them"


def _cells(row: Row) -> list[str]:
    names = ", ".join(row.callers[:3]) + (", ..." if len(row.callers) > 3 else "")
    reached = f"{_REACHES[row.reach.value]} {names}".rstrip(": ") if names else ""
    what = row.explanation if not row.target else f"{row.explanation}: {row.target}"
    if row.is_allowed:
        what += " (allowed)"
    reached = reached or _REACHES[row.reach.value].rstrip(":")
    return [row.capability.value, row.op, reached, _where(row), what]


def _where(row: Row) -> str:
    """`meta graph: function: nested > in > node and 3 more`."""
    # A part that is a file lies in the folder that the first line names.
    part = row.part.rpartition("/")[2]
    shown = [name for name in (part, row.function) if name]
    nesting = list(row.nesting)
    if len(nesting) > _MOST_LEVELS:
        nesting = [*nesting[:2], "...", *nesting[-2:]]
    path = " > ".join([*nesting, *row.nodes[:1]])
    more = f" and {row.num_nodes - 1:,} more" if row.num_nodes > 1 else ""
    return ": ".join([*shown, path]) + more
