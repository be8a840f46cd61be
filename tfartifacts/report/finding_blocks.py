"""Findings as documents, as blocks, and as the rows of CSV: for every command that has some."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tfartifacts.report.blocks import Block, Facts, Heading, Statement
from tfartifacts.report.layout import Layout
from tfartifacts.report.units import count
from tfartifacts.report.view import Document

if TYPE_CHECKING:
    from tfartifacts.checks.findings import Finding
    from tfartifacts.report.csv_text import Rows

KEYS = ("severity", "code", "path", "offset", "name", "message")
_RANK = {"error": 0, "warning": 1, "note": 2}
_SEVERITY_WIDTH = 9


def describe_finding(finding: Finding) -> Document:
    """The finding with its field names as keys."""
    document = {key: getattr(finding, key) for key in KEYS}
    return {**document, "severity": finding.severity.value}


def findings_blocks(
    findings: Sequence[Document],
    layout: Layout,
    title: str = "Findings",
    own_path: str | None = None,
) -> Iterator[Block]:
    """Described findings, worst first: severity, place, message, code. Nothing where none are.

    `own_path` is the one that all is about, which need not be said again.
    """
    if not findings:
        return
    ordered = sorted(findings, key=lambda finding: _RANK[finding["severity"]])
    shown = ordered[: layout.limit] if layout.limit else ordered
    yield Heading(title)
    told = [(finding["severity"], _told(finding, own_path)) for finding in shown]
    yield Facts(told, _SEVERITY_WIDTH)
    if len(shown) < len(ordered):
        yield Statement(f"... {count(len(ordered) - len(shown))} more, --limit 0 shows all")


def finding_rows(document: Document) -> Rows:
    """The findings of a document that has `findings`."""
    from tfartifacts.report.csv_text import Rows

    return Rows(KEYS, document["findings"])


def _told(finding: Document, own_path: str | None) -> str:
    path = None if finding["path"] == own_path else finding["path"]
    offset = finding["offset"]
    place = [path, None if offset is None else f"byte {offset}"]
    told = ": ".join([*(part for part in place if part), finding["message"]])
    return f"{told} [{finding['code']}]"
