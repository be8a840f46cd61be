"""Figures as people read them: the rows that text and Markdown share."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.measuring.figures import (
    MET,
    MISSED,
    NOT_MEASURED,
    Judged,
    cost,
    growth_of,
    is_superlinear,
    judge,
    values,
)
from benchmarks.measuring.results import CaseResult, Curve, LimitResult, Point

SIDE_HEADERS = ("side", "runs", "median", "least to most", "peak MiB")
LIMIT_HEADERS = ("compared", "found", "least to most", "at most", "")


def side_rows(case: CaseResult) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for side in case.sides:
        if not side.runs:
            continue
        seconds = values(side, "seconds")
        peak = max(values(side, "peak_bytes")) / 2**20
        spread = f"{seconds_text(min(seconds))} to {seconds_text(max(seconds))}"
        rows.append(
            (side.name, str(len(seconds)), seconds_text(median(seconds)), spread, f"{peak:.0f}")
        )
    return rows


def limit_rows(case: CaseResult) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for limit in case.limits:
        judged = judge(case, limit)
        rows.append(
            (
                compared(limit),
                figure(limit, judged.median),
                spread(limit, judged),
                figure(limit, limit.at_most) if limit.at_most is not None else "",
                verdict(limit, judged),
            )
        )
    return rows


def verdict(limit: LimitResult, judged: Judged) -> str:
    if judged.verdict == NOT_MEASURED and limit.needs:
        return f"not measured: no {limit.needs}"
    return judged.verdict


def spread(limit: LimitResult, judged: Judged) -> str:
    if judged.lowest is None or judged.num_pairs < 2:
        return ""
    return f"{figure(limit, judged.lowest)} to {figure(limit, judged.highest)}"


def compared(limit: LimitResult) -> str:
    """What is limited, in words."""
    what = {"peak_bytes": "peak memory", "anonymous_bytes": "anonymous memory", "seconds": "time"}
    if limit.to is None:
        return f"{what[limit.measure]}: {limit.of}"
    of = "" if limit.measure == "seconds" else f"{what[limit.measure]}: "
    return f"{of}{limit.of} / {limit.to}"


def figure(limit: LimitResult, value: float | None) -> str:
    """A ratio, seconds, or MiB."""
    if value is None:
        return ""
    if limit.to is not None:
        return f"{value:.3g} x"
    if limit.measure == "seconds":
        return seconds_text(value)
    return f"{value / 2**20:.1f} MiB"


def seconds_text(seconds: float) -> str:
    if seconds < 0.0001:
        return f"{seconds * 1e6:.3g} us"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.2f} s"


CURVE_HEADERS = ("size", "runs", "fastest", "to slowest", "peak MiB", "of ten times")


def curve_rows(curve: Curve) -> list[tuple[str, ...]]:
    """One row for each size; last, what ten times the size would cost after the size before."""
    rows: list[tuple[str, ...]] = []
    before: Point | None = None
    for point in curve.points:
        seconds = [run.seconds for run in point.runs]
        growth = "" if before is None else f"{growth_of(before, point):.3g} x"
        rows.append(
            (
                f"{point.size:,}",
                str(len(seconds)),
                seconds_text(cost(point.runs)),
                seconds_text(max(seconds)),
                f"{max(run.peak_bytes for run in point.runs) / 2**20:.0f}",
                growth,
            )
        )
        before = point
    return rows


def counted(cases: Sequence[CaseResult], curves: Sequence[Curve]) -> str:
    """`12 limits met, 3 MISSED, 1 not measured; 2 of 30 curves grow with more than the size`."""
    verdicts = [
        judge(case, limit).verdict for case in cases for limit in case.limits if limit.at_most
    ]
    met, missed, open_ = (verdicts.count(one) for one in (MET, MISSED, NOT_MEASURED))
    text = f"{met} limits met, {missed} MISSED, {open_} not measured"
    if curves:
        steep = sum(map(is_superlinear, curves))
        text += f"; {steep} of {len(curves)} curves grow with more than the size"
    return text
