"""Findings as documents, as blocks, and as the rows of CSV: for every command that has some."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tfartifacts.report.blocks import Block, Table
from tfartifacts.report.tables import Column
from tfartifacts.report.view import Document

if TYPE_CHECKING:
    from tfartifacts.checks.findings import Finding
    from tfartifacts.report.csv_text import Rows

KEYS = ("severity", "code", "path", "offset", "name", "message")

_COLUMNS = (
    Column("severity"),
    Column("code"),
    Column("where", elastic=True),
    Column("finding", elastic=True, prose=True, below=True),
)


def describe_finding(finding: Finding) -> Document:
    """The finding with its field names as keys."""
    document = {key: getattr(finding, key) for key in KEYS}
    return {**document, "severity": finding.severity.value}


def findings_blocks(findings: Sequence[Document], title: str = "Findings") -> Iterator[Block]:
    """A table of described findings; a word where there are none."""
    rows = [
        [finding["severity"], finding["code"], _place(finding), finding["message"]]
        for finding in findings
    ]
    yield Table(title, _COLUMNS, rows, empty="none")


def finding_rows(document: Document) -> Rows:
    """The findings of a document that has `findings`."""
    from tfartifacts.report.csv_text import Rows

    return Rows(KEYS, document["findings"])


def _place(finding: Document) -> str:
    offset = finding["offset"]
    parts = [finding["path"], None if offset is None else f"byte {offset}", finding["name"]]
    return ": ".join(part for part in parts if part)
