"""Ratios, medians, spreads, verdicts, slopes: pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

from benchmarks.measuring.results import CaseResult, Curve, LimitResult, Point, Run, SideResult

MET = "met"
MISSED = "MISSED"
NOT_MEASURED = "not measured"
TOLD = ""  # nothing was demanded

# Ten times the size may cost this many times as much: 10, and room for what the machine does.
MOST_GROWTH = 16.0


@dataclass(frozen=True)
class Judged:
    """A limit, and what was found: the median of the pairs' ratios with the least and the largest.

    Of memory it is the most of all runs, which a limit has to hold for.
    """

    median: float | None
    lowest: float | None
    highest: float | None
    num_pairs: int
    verdict: str


def values(side: SideResult, measure: str) -> list[float]:
    """One figure for each run; a run without it (anonymous memory) is left out."""
    found = [getattr(run, measure) for run in side.runs]
    return [value for value in found if value is not None]


def judge(case: CaseResult, limit: LimitResult) -> Judged:
    """Compare pair by pair; the pairs of a side with fewer runs are its first ones."""
    of = case.side(limit.of)
    to = case.side(limit.to) if limit.to is not None else None
    found = values(of, limit.measure) if of is not None else []
    if limit.to is not None:
        others = values(to, limit.measure) if to is not None else []
        found = [a / b for a, b in zip(found, others, strict=False)]
    if not found:
        return Judged(None, None, None, 0, NOT_MEASURED)
    is_memory = limit.to is None and limit.measure != "seconds"
    typical = max(found) if is_memory else median(found)
    verdict = TOLD
    if limit.at_most is not None:
        verdict = MET if typical <= limit.at_most else MISSED
    return Judged(typical, min(found), max(found), len(found), verdict)


def cost(runs: tuple[Run, ...]) -> float:
    """What the fastest run took: it is the same work, and what disturbs a run adds to it."""
    return min(run.seconds for run in runs)


def growth_of(smaller: Point, larger: Point) -> float:
    """How many times as much ten times the size costs, going by two sizes."""
    return math.pow(10.0, slope(smaller, larger))


def slope(smaller: Point, larger: Point) -> float:
    """By how many orders of magnitude the cost grows with each of the size."""
    costs = math.log(cost(larger.runs) / cost(smaller.runs))
    return costs / math.log(larger.size / smaller.size)


def worst_slope(curve: Curve) -> float | None:
    """The steepest piece between neighbours.

    The cost of starting, which is the same for each size, hides growth at small sizes: pieces that
    end at less than twice the least cost tell nothing. None where there are no others.
    """
    floor = min((cost(point.runs) for point in curve.points), default=0.0)
    pieces = zip(curve.points, curve.points[1:], strict=False)
    return max((slope(a, b) for a, b in pieces if cost(b.runs) > 2 * floor), default=None)


def worst_growth(curve: Curve) -> float | None:
    """What ten times the size costs, going by the steepest piece; None where all cost the same."""
    found = worst_slope(curve)
    return None if found is None else math.pow(10.0, found)


def is_superlinear(curve: Curve) -> bool:
    growth = worst_growth(curve)
    return growth is not None and growth > MOST_GROWTH
