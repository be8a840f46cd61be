"""What came out, as plain data; `to_json` and `from_json` lose nothing.

    {"schema": 1, "date", "quick", "pairs", "machine": {..}, "missing": [..],
     "cases": [{"name", "title", "target", "note", "missing", "failure",
                "sides": [{"name", "runs": [{"seconds", "processor_seconds", "peak_bytes",
                                             "anonymous_bytes"}]}],
                "limits": [{"of", "to", "measure", "at_most", "needs",
                            "median", "lowest", "highest", "verdict"}]}],
     "curves": [{"work", "axis", "in_process", "points": [{"size", "runs": [..]}],
                 "slope", "growth_of_ten_times", "failure"}]}

What is computed of the runs (`median` to `verdict`, `slope`, `growth_of_ten_times`) is in the JSON
for other readers, and is computed again when it is read here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SCHEMA = 1


@dataclass(frozen=True)
class Run:
    """What one run of a side took. For work in process `seconds` are without the imports."""

    seconds: float
    processor_seconds: float
    peak_bytes: int
    anonymous_bytes: int | None = None


@dataclass(frozen=True)
class SideResult:
    name: str
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class LimitResult:
    """A limit and the runs compared with it; see cases.Limit."""

    of: str
    to: str | None
    measure: str
    at_most: float | None
    needs: str = ""


@dataclass(frozen=True)
class CaseResult:
    name: str
    title: str
    target: int | None
    sides: tuple[SideResult, ...]
    limits: tuple[LimitResult, ...]
    missing: tuple[str, ...] = ()
    note: str = ""
    failure: str = ""  # why there are no runs: no room, or a side that failed

    def side(self, name: str) -> SideResult | None:
        return next((side for side in self.sides if side.name == name), None)


@dataclass(frozen=True)
class Point:
    """What a work took at one size."""

    size: int
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Curve:
    """What a work took at several sizes, smallest first."""

    work: str  # "inspect"
    axis: str  # "variables"
    in_process: bool
    points: tuple[Point, ...]
    failure: str = ""


@dataclass(frozen=True)
class Results:
    date: str  # ISO 8601, UTC
    quick: bool
    pairs: int
    machine: Mapping[str, str]
    cases: tuple[CaseResult, ...] = ()
    curves: tuple[Curve, ...] = ()
    missing: tuple[str, ...] = field(default=())


def to_json(results: Results) -> dict[str, Any]:
    """For `json.dumps`."""
    from benchmarks.measuring.figures import judge, worst_growth, worst_slope

    plain = {"schema": SCHEMA, **dataclasses.asdict(results), "machine": dict(results.machine)}
    for case, shown in zip(results.cases, plain["cases"], strict=True):
        shown["limits"] = [
            {**dataclasses.asdict(limit), **dataclasses.asdict(judge(case, limit))}
            for limit in case.limits
        ]
    for curve, shown in zip(results.curves, plain["curves"], strict=True):
        shown["slope"] = worst_slope(curve)
        shown["growth_of_ten_times"] = worst_growth(curve)
    return plain


def from_json(plain: Mapping[str, Any]) -> Results:
    """Raises ValueError for another schema, KeyError and TypeError for what is none."""
    if plain["schema"] != SCHEMA:
        raise ValueError(f"found schema {plain['schema']}, expected {SCHEMA}; measure again")
    return Results(
        plain["date"],
        plain["quick"],
        plain["pairs"],
        dict(plain["machine"]),
        tuple(_case(case) for case in plain["cases"]),
        tuple(_curve(curve) for curve in plain["curves"]),
        tuple(plain["missing"]),
    )


def _case(plain: Mapping[str, Any]) -> CaseResult:
    limits = tuple(
        LimitResult(one["of"], one["to"], one["measure"], one["at_most"], one["needs"])
        for one in plain["limits"]
    )
    sides = tuple(SideResult(side["name"], _runs(side["runs"])) for side in plain["sides"])
    return CaseResult(
        plain["name"],
        plain["title"],
        plain["target"],
        sides,
        limits,
        tuple(plain["missing"]),
        plain["note"],
        plain["failure"],
    )


def _curve(plain: Mapping[str, Any]) -> Curve:
    points = tuple(Point(point["size"], _runs(point["runs"])) for point in plain["points"])
    return Curve(plain["work"], plain["axis"], plain["in_process"], points, plain["failure"])


def _runs(plain: Sequence[Mapping[str, Any]]) -> tuple[Run, ...]:
    return tuple(Run(**run) for run in plain)
