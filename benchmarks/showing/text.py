"""Results for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.measuring.figures import MOST_GROWTH, is_superlinear, worst_growth
from benchmarks.measuring.results import CaseResult, Curve
from benchmarks.showing.rows import (
    CURVE_HEADERS,
    LIMIT_HEADERS,
    SIDE_HEADERS,
    curve_rows,
    limit_rows,
    side_rows,
)


def case_text(case: CaseResult) -> str:
    """A title, a table of the sides, a table of the limits."""
    target = f"target {case.target}: " if case.target is not None else ""
    parts = [f"{case.name}: {target}{case.title}"]
    if case.failure:
        parts.append(f"  left out: {case.failure}")
    if case.missing:
        parts.append(f"  not installed, left out: {', '.join(case.missing)}")
    if rows := side_rows(case):
        parts.append(table(SIDE_HEADERS, rows, "lrrrr"))
    if case.sides:
        parts.append(table(LIMIT_HEADERS, limit_rows(case), "lrrrl"))
    if case.note:
        parts.append(f"  {case.note}")
    return "\n".join(parts) + "\n"


def curve_text(curve: Curve) -> str:
    """A title and a table of the sizes."""
    growth = worst_growth(curve)
    said = "" if growth is None else f": ten times the size costs up to {growth:.3g} times as much"
    if is_superlinear(curve):
        said += f", MORE THAN {MOST_GROWTH:.0f}"
    parts = [f"{curve.axis}, {curve.work}{said}"]
    if curve.failure:
        parts.append(f"  not measured: {curve.failure}")
    if curve.points:
        parts.append(table(CURVE_HEADERS, curve_rows(curve), "rrrrrr"))
    return "\n".join(parts) + "\n"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """Aligned by hand: nothing to install, and nothing is read as a number."""
    widths = [max(len(row[i]) for row in (headers, *rows)) for i in range(len(headers))]
    lines = []
    for row in (headers, tuple("-" * width for width in widths), *rows):
        cells = (
            cell.rjust(width) if side == "r" else cell.ljust(width)
            for cell, width, side in zip(row, widths, align, strict=True)
        )
        lines.append(("  " + "  ".join(cells)).rstrip())
    return "\n".join(lines)
