"""Findings, as documents and as lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from tfartifacts.report.layout import Layout
from tfartifacts.report.units import count
from tfartifacts.report.view import Document

if TYPE_CHECKING:
    from tfartifacts.checks.findings import Finding

_RANK = {"error": 0, "warning": 1, "note": 2}


def describe_finding(finding: Finding) -> Document:
    """A finding by its field names; the severity as a word."""
    return asdict(finding) | {"severity": finding.severity.value}


def finding_lines(findings: Sequence[Document], layout: Layout) -> Iterator[str]:
    """An empty line, then each finding, worst first: severity, place, message, code."""
    if not findings:
        return
    yield ""
    ordered = sorted(findings, key=lambda finding: _RANK[finding["severity"]])
    shown = ordered[: layout.limit] if layout.limit else ordered
    for finding in shown:
        place = [] if finding["path"] is None else [finding["path"]]
        if finding["offset"] is not None:
            place.append(f"byte {finding['offset']}")
        text = f"{': '.join([*place, finding['message']])} [{finding['code']}]"
        yield from layout.wrapped(f"  {finding['severity']:<9}", layout.safe(text))
    if len(shown) < len(ordered):
        yield f"  ... {count(len(ordered) - len(shown))} more, --limit 0 shows all"
