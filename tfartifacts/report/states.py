"""A state file as it is, what is wrong with it, and what it should say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tfartifacts.checks.findings import Finding, Severity
from tfartifacts.checks.state_repair import Repair
from tfartifacts.checks.states import ExaminedState
from tfartifacts.model.checkpoints import CheckpointState
from tfartifacts.report.escape import printable
from tfartifacts.report.finding_blocks import describe_finding, findings_blocks
from tfartifacts.report.layout import Layout
from tfartifacts.report.tables import Column
from tfartifacts.report.text import block_lines
from tfartifacts.report.units import counted, readable_time, utc
from tfartifacts.report.view import Document

SCHEMA = 1


def describe_state_file(
    examined: ExaminedState,
    findings: Sequence[Finding],
    repair: Repair | None,
    *,
    fixed: bool = False,
    dry_run: bool = False,
    backup: str | None = None,
    notes: Sequence[str] = (),
) -> Document:
    """The document; `repair` None where nothing can be made of it, `fixed` if it was written."""
    return {
        "schema": SCHEMA,
        "kind": "checkpoint-state",
        "path": examined.path,
        "folder": examined.folder,
        "fixed": fixed,
        "dry_run": dry_run,
        "backup": backup,
        "state": None if examined.state is None else _describe(examined.state),
        "entries": [
            {
                "recorded": entry.recorded,
                "prefix": entry.prefix,
                "relocated": entry.relocated,
                "outside": entry.outside,
                "timestamp": entry.timestamp,
                "repaired": None if repair is None else repair.became[entry.recorded],
            }
            for entry in examined.entries
        ],
        "unlisted": list(examined.unlisted),
        "findings": [describe_finding(finding) for finding in findings],
        "changes": repair is not None and repair.changes,
        "repaired": None if repair is None else _describe(repair.state),
        "added": [] if repair is None else list(repair.added),
        "notes": [*(() if repair is None else repair.notes), *notes],
    }


def _describe(state: CheckpointState) -> Document:
    return {
        "latest_path": state.latest_path,
        "all_paths": list(state.all_paths),
        "timestamps": list(state.timestamps),
        "last_preserved": state.last_preserved,
    }


def state_lines(document: Document, layout: Layout) -> Iterator[str]:
    """The same for a person."""
    for line in _lines(document, layout):
        yield printable(line, ascii_only=layout.ascii_only)


def _lines(document: Document, layout: Layout) -> Iterator[str]:
    done = "repaired " if document["fixed"] else ""
    yield f"{done}State file {document['path']}".replace("repaired S", "Repaired s")
    yield from layout.facts([("latest", _latest(document)), ("backup", document["backup"] or "")])
    columns = (
        Column("before", elastic=True),
        Column("after" if document["fixed"] else "after repair", elastic=True),
        Column("saved (UTC)"),
        Column(""),
    )
    yield from layout.table("Entries", columns, _rows(document), empty="none")
    if document["findings"]:
        yield ""
    title = "Found before" if document["fixed"] else "Found"
    found = findings_blocks(document["findings"], layout, title, document["path"])
    yield from block_lines(found, layout)
    if not any(finding["severity"] != Severity.NOTE.value for finding in document["findings"]):
        yield from layout.notes(["TensorFlow finds the latest checkpoint"])
    if document["notes"]:
        yield ""
        yield "Repair"
    for said in document["notes"]:
        yield from layout.wrapped("  ", layout.safe(said))
    if document["changes"] and not document["fixed"]:
        said = "nothing was written (--dry-run)" if document["dry_run"] else "--fix repairs it"
        yield from layout.notes([said])


def _latest(document: Document) -> str:
    before = None if document["state"] is None else document["state"]["latest_path"]
    after = None if document["repaired"] is None else document["repaired"]["latest_path"]
    if before is None or after is None or before == after:
        return f"{before if before is not None else 'none'}" + (
            f", after repair {after}" if before is None and after is not None else ""
        )
    return f"{before}, after repair {after}"


def _rows(document: Document) -> list[list[str]]:
    latest = None if document["state"] is None else document["state"]["latest_path"]
    rows = []
    for entry in document["entries"]:
        marks = ["latest"] if entry["recorded"] == latest else []
        marks += ["outside"] if entry["outside"] else []
        marks += ["gone"] if entry["prefix"] is None and not entry["outside"] else []
        time = "" if entry["timestamp"] is None else readable_time(utc(entry["timestamp"]))
        after = entry["repaired"] if entry["repaired"] is not None else "dropped"
        rows.append([entry["recorded"], after, time, ", ".join(marks)])
    rows += [["", path, "", "added"] for path in document["added"]]
    unlisted = len(document["unlisted"]) - len(document["added"])
    if unlisted > 0:
        rows.append(["", "", "", f"{counted(unlisted, 'checkpoint')} not listed"])
    return rows
