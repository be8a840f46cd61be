"""Results as the region of docs/performance.md between two marks; what is around it stays."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from benchmarks.measuring.figures import (
    MET,
    MISSED,
    MOST_GROWTH,
    cost,
    growth_of,
    is_superlinear,
    judge,
    worst_growth,
)
from benchmarks.measuring.results import CaseResult, Curve, LimitResult, Results
from benchmarks.showing.rows import (
    SIDE_HEADERS,
    compared,
    counted,
    figure,
    seconds_text,
    side_rows,
    spread,
    verdict,
)

BEGIN = "<!-- benchmarks: begin; written by `python -m benchmarks --write-docs` -->"
END = "<!-- benchmarks: end -->"
_LARGEST_TARGET = 10  # 11 is about curves


def replaced(text: str, region: str) -> str:
    """The text with another region. Raises ValueError where it does not have both marks, once."""
    before, found, rest = text.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed or BEGIN in rest or END in after:
        raise ValueError(f"expected one {BEGIN!r} and after it one {END!r}")
    return f"{before}{BEGIN}\n\n{region.strip()}\n\n{END}{after}"


def region(results: Results, plots: Sequence[str], folder: str) -> str:
    """Markdown: where, targets, what else was compared, growth with `plots`, all sides."""
    parts = [_where(results)]
    wanted = [case for case in results.cases if case.target is not None]
    others = [case for case in results.cases if case.target is None]
    if wanted or results.curves:
        parts += ["## Targets", _targets(wanted, results.curves)]
    if others:
        parts += ["## Without a target of its own", _limits_table(others, "case")]
    if results.curves:
        parts += ["## Cost against size", _growth(results.curves)]
        parts += [f"![{_about(name)}]({folder}/{name})" for name in plots]
        parts.append(_growth_table(results.curves))
    if results.cases:
        parts += ["## All sides", *map(_sides, results.cases)]
    return "\n\n".join(parts)


def _about(plot: str) -> str:
    """For those who cannot see it."""
    axis = plot.partition(".")[0].replace("-", " ")
    return f"time and peak memory against {axis}"


def _where(results: Results) -> str:
    about = (
        f"Measured {results.date[:10]} by one run of `python -m benchmarks`: {results.pairs} runs "
        "of each side, in turn, after one that does not count (tables say where it is fewer). A "
        "ratio is the median of the pairs' ratios, with the least and the largest; memory is the "
        "most of all runs. Files are in the page cache."
    )
    if results.quick:
        about = f"**A quick run with small data: not the sizes of the targets.** {about}"
    if results.missing:
        about += f" Not installed, left out: {', '.join(results.missing)}."
    about += f" {counted(results.cases, results.curves)}."
    wrapped = textwrap.fill(about, 100, break_on_hyphens=False)
    return f"{wrapped}\n\n{_table(('where', ''), list(results.machine.items()), 'll')}"


def _targets(cases: Sequence[CaseResult], curves: Sequence[Curve]) -> str:
    rows = [
        (str(case.target), case.title, *_cells(case, limit))
        for case in cases
        for limit in case.limits
        if limit.at_most is not None
    ]
    rows = _once(rows, 2)
    if curves:
        rows.append(_linear(curves))
    return _table(_HEADERS, rows, "rllrrrrl") + _failures(cases) + _told(cases)


_HEADERS = ("#", "work", "ours against", "found", "least to most", "runs", "at most", "")


def _told(cases: Sequence[CaseResult]) -> str:
    """What was compared for information."""
    rows = [
        (str(case.target), case.title, *_cells(case, limit))
        for case in cases
        for limit in case.limits
        if limit.at_most is None
    ]
    if not rows:
        return ""
    rows = _once([row[:6] for row in rows], 2)
    return f"\n\nFor information:\n\n{_table(_HEADERS[:6], rows, 'rllrrr')}"


def _limits_table(cases: Sequence[CaseResult], first: str) -> str:
    rows = [
        (case.name, case.title, compared(limit), *_cells(case, limit)[1:])
        for case in cases
        for limit in case.limits
    ]
    return _table((first, *_HEADERS[1:]), _once(rows, 2), "lllrrrrl") + _failures(cases)


def _once(rows: Sequence[tuple[str, ...]], columns: int) -> list[tuple[str, ...]]:
    """The first columns left empty where they say what they say in the row above."""
    found = []
    before: tuple[str, ...] = ()
    for row in rows:
        said = row[:columns] == before
        found.append(("",) * columns + row[columns:] if said else row)
        before = row[:columns]
    return found


def _failures(cases: Sequence[CaseResult]) -> str:
    return "".join(f"\n\n`{case.name}` left out: {case.failure}" for case in cases if case.failure)


def _cells(case: CaseResult, limit: LimitResult) -> tuple[str, ...]:
    """From `ours against` to the verdict."""
    judged = judge(case, limit)
    said = verdict(limit, judged)
    # What is compared with which is plain where it is the case's first side with another.
    plain = bool(case.sides) and limit.of == case.sides[0].name
    what = compared(limit)
    if plain and limit.to is not None and limit.measure == "seconds":
        what = limit.to
    elif plain and limit.to is None:
        what = what.split(":")[0]
    return (
        what,
        figure(limit, judged.median),
        spread(limit, judged),
        str(judged.num_pairs),
        figure(limit, limit.at_most) if limit.at_most is not None else "",
        f"**{said}**" if said == MISSED else said,
    )


def _linear(curves: Sequence[Curve]) -> tuple[str, ...]:
    grown = [(worst_growth(curve) or 0.0, curve) for curve in curves]
    growth, worst = max(grown, key=lambda pair: pair[0])
    return (
        "11",
        "everything: cost grows linearly",
        f"ten times the size, worst of {len(curves)} curves ({worst.axis}: {worst.work})",
        f"{growth:.3g} x",
        "",
        str(len(worst.points[0].runs)) if worst.points else "0",
        f"{MOST_GROWTH:g} x",
        MET if growth <= MOST_GROWTH else f"**{MISSED}**",
    )


def _growth(curves: Sequence[Curve]) -> str:
    steep = [f"{curve.axis}: {curve.work}" for curve in curves if is_superlinear(curve)]
    said = (
        f"More than linear: {'; '.join(steep)}." if steep else "None grows with more than the size."
    )
    return textwrap.fill(
        "Whole processes unless the name says otherwise; the fastest of up to three runs. Flat on "
        f"the left is the cost of starting. {said}",
        100,
    )


def _growth_table(curves: Sequence[Curve]) -> str:
    rows = []
    for curve in curves:
        for number, point in enumerate(curve.points):
            before = curve.points[number - 1] if number else None
            rows.append(
                (
                    curve.axis if not number else "",
                    curve.work if not number else "",
                    f"{point.size:,}",
                    seconds_text(cost(point.runs)),
                    f"{max(run.peak_bytes for run in point.runs) / 2**20:.0f}",
                    "" if before is None else f"{growth_of(before, point):.3g} x",
                )
            )
        if curve.failure:
            rows.append((curve.axis, curve.work, "", f"not measured: {curve.failure}", "", ""))
    headers = ("axis", "work", "size", "fastest", "peak MiB", "ten times the size")
    table = _table(headers, rows, "llrrrr")
    return f"<details><summary>All points</summary>\n\n{table}\n\n</details>"


def _sides(case: CaseResult) -> str:
    rows = side_rows(case)
    if not rows:
        return f"`{case.name}`: not measured. {case.failure}"
    target = f", target {case.target}" if case.target is not None else ""
    note = f" ({case.note})" if case.note else ""
    return f"`{case.name}`{target}: {case.title}{note}\n\n{_table(SIDE_HEADERS, rows, 'lrrrr')}"


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    rules = ("---:" if side == "r" else "---" for side in align)
    lines = [headers, tuple(rules), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
