"""docs/performance.md and its plots, written again."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measuring.results import Results
from benchmarks.scaling import plots
from benchmarks.showing.documents import region, replaced

DOCS = Path(__file__).resolve().parents[2] / "docs"


def write_docs(results: Results, docs: Path = DOCS) -> list[str]:
    """Replace the marked region and the plots; gives the files' names.

    Plots are drawn first: where matplotlib is missing, nothing is written.
    """
    names = plots.write(results.curves, str(docs / "performance")) if results.curves else []
    page = docs / "performance.md"
    page.write_text(
        replaced(page.read_text("utf-8"), region(results, names, "performance")), "utf-8"
    )
    return [str(page), *(str(docs / "performance" / name) for name in names)]
