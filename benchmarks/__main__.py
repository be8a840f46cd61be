"""`python -m benchmarks [NAME ...]`: ours and the peers' side by side, in one run, as ratios.

Each NAME is a case or a group (--list shows them); without one, everything is measured. Sides run
in turn, pair by pair, for the speed of shared machines drifts: what counts is the median of the
pairs' ratios, and its spread is told. Peers that are not installed are left out and named. Data is
made when it is first needed, and kept.
"""

# ruff: noqa: T201 - a program for people at a terminal.

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TextIO

from benchmarks import catalogue, peers
from benchmarks.data import place
from benchmarks.measuring.cases import Case
from benchmarks.measuring.results import CaseResult, Curve, Results, from_json, to_json
from benchmarks.measuring.turns import measure, not_measured
from benchmarks.scaling import curves, works
from benchmarks.showing.rows import counted
from benchmarks.showing.text import case_text, curve_text
from benchmarks.targets.setting import Setting

QUICK_PAIRS = 3
_QUICK = "quick: small data and few runs; what is met or missed says nothing about the targets"


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases and groups; default: all")
    parser.add_argument("--list", action="store_true", help="show cases and groups")
    parser.add_argument(
        "--pairs", type=int, default=9, metavar="N", help="runs of each (default 9)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="small data and 3 pairs: to try it, not to measure"
    )
    parser.add_argument("--data", metavar="DIR", help=f"where data is kept (${place.VARIABLE})")
    parser.add_argument("--json", metavar="FILE", help="write all runs as JSON; - for the output")
    parser.add_argument(
        "--from", dest="saved", metavar="FILE", help="measure nothing: read --json's"
    )
    parser.add_argument(
        "--write-docs",
        action="store_true",
        help="put tables and plots into docs/performance.md (plots need the extra `benchmarks`)",
    )
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    asked = arguments(given)
    if asked.saved:
        with open(asked.saved, encoding="utf-8") as file:
            results = from_json(json.load(file))
        _show(results, asked)
        return 0
    root = os.path.abspath(asked.data or place.default_root())
    setting = Setting(root, peers.find(), asked.quick)
    try:
        cases, axes = catalogue.chosen(
            asked.names, catalogue.all_cases(setting), works.axes(setting)
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if asked.list:
        _list(cases, axes)
        return 0
    os.makedirs(setting.out, exist_ok=True)
    results = _measure(cases, axes, setting, asked)
    _finish(results, asked)
    return 0


def _show(results: Results, asked: argparse.Namespace) -> None:
    """What was measured before."""
    for case in results.cases:
        print(case_text(case))
    for curve in results.curves:
        print(curve_text(curve))
    print(counted(results.cases, results.curves))
    _finish(results, asked)


def _finish(results: Results, asked: argparse.Namespace) -> None:
    if asked.json:
        text = json.dumps(to_json(results), indent=1) + "\n"
        if asked.json == "-":
            sys.stdout.write(text)
        else:
            with open(asked.json, "w", encoding="utf-8") as file:
                file.write(text)
    if asked.write_docs:
        from benchmarks.showing.writing import write_docs

        print(f"written: {', '.join(write_docs(results))}", file=sys.stderr)


def _list(cases: list[Case], axes: list[works.Axis]) -> None:
    for case in cases:
        target = f"target {case.target}" if case.target is not None else ""
        print(f"{case.name:24} {target:10} {case.title}")
    for axis in axes:
        works_of = ", ".join(work.name for work in axis.works)
        print(f"{catalogue.name_of(axis):24} target 11  {works_of}")
    for group, names in catalogue.groups(cases, axes).items():
        print(f"{group:24} {' '.join(names)}")


def _measure(
    cases: list[Case], axes: list[works.Axis], setting: Setting, asked: argparse.Namespace
) -> Results:
    from benchmarks.measuring.machine import describe

    # With `--json -` the output is JSON alone.
    out = sys.stderr if asked.json == "-" else sys.stdout
    pairs = QUICK_PAIRS if asked.quick else asked.pairs
    if asked.quick:
        print(_QUICK, file=out)
    for name, how in setting.peers.missing.items():
        print(f"{name} is not installed, left out: {how}", file=out)
    _say_room(cases, axes, setting, out)
    measured: list[CaseResult] = []
    for case in cases:
        result = _one(case, setting, pairs)
        measured.append(result)
        print(f"\n{case_text(result)}", end="", file=out, flush=True)
    found: list[Curve] = []
    for axis in axes:
        for curve in curves.measure(axis, setting, _progress):
            found.append(curve)
            _progress("")
            print(f"\n{curve_text(curve)}", end="", file=out, flush=True)
    print(f"\n{counted(measured, found)}", file=out)
    if asked.quick:
        print(_QUICK, file=out)
    return Results(
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
        asked.quick,
        pairs,
        describe(setting.root, setting.peers),
        tuple(measured),
        tuple(found),
        tuple(setting.peers.missing),
    )


def _one(case: Case, setting: Setting, pairs: int) -> CaseResult:
    try:
        for dataset in case.datasets:
            _progress(f"{case.name}: making {dataset.name}")
            place.make(dataset, setting.root)
    except place.NotMadeError as error:
        return not_measured(case, str(error))
    if (free := place.free_bytes(setting.root)) < case.room * 1.05:
        return not_measured(
            case, f"it writes {place.size_text(case.room)}, {place.size_text(free)} are free"
        )
    try:
        return measure(case, pairs, setting.out, _progress)
    finally:
        _progress("")


def _say_room(cases: list[Case], axes: list[works.Axis], setting: Setting, out: TextIO) -> None:
    datasets = dict.fromkeys(dataset for case in cases for dataset in case.datasets)
    datasets |= dict.fromkeys(axis.dataset(size) for axis in axes for size in axis.sizes)
    to_make = place.to_be_made(datasets, setting.root)
    room = max((case.room for case in cases), default=0)
    print(
        f"data in {setting.root}: {place.size_text(sum(d.num_bytes for d in datasets))}, of which "
        f"{place.size_text(sum(d.num_bytes for d in to_make))} are to be made; results take up to "
        f"{place.size_text(room)}; {place.size_text(place.free_bytes(setting.root))} are free",
        file=out,
        flush=True,
    )


def _progress(text: str) -> None:
    """One line that is written over, where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:100]}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
