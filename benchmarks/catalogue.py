"""All cases by name, and names for groups of them."""

from __future__ import annotations

from benchmarks.measuring.cases import Case
from benchmarks.scaling.works import Axis
from benchmarks.targets import (
    converting,
    graphs,
    inspecting,
    listing,
    memory,
    more,
    statistics,
    verifying,
    views,
)
from benchmarks.targets.setting import Setting

_MODULES = (
    inspecting,
    listing,
    views,
    verifying,
    converting,
    graphs,
    statistics,
    memory,
    more,
)


def all_cases(setting: Setting) -> list[Case]:
    """In the order of the targets; those for information last."""
    cases = [case for module in _MODULES for case in module.cases(setting)]
    return sorted(cases, key=lambda case: case.target or 100)


def name_of(axis: Axis) -> str:
    """`scaling-nodes-converted`."""
    return f"scaling-{axis.name.replace(' ', '-')}"


def groups(cases: list[Case], axes: list[Axis]) -> dict[str, list[str]]:
    """`targets`: those with a target; `target-3`: those of target 3; `more`: the others.

    `scaling`: all axes, which target 11 is about.
    """
    found: dict[str, list[str]] = {"targets": [], "more": []}
    for case in cases:
        found["more" if case.target is None else "targets"].append(case.name)
        if case.target is not None:
            found.setdefault(f"target-{case.target}", []).append(case.name)
    found["scaling"] = [name_of(axis) for axis in axes]
    found["targets"] += found["scaling"]
    found["target-11"] = found["scaling"]
    return {name: members for name, members in found.items() if members}


def chosen(names: list[str], cases: list[Case], axes: list[Axis]) -> tuple[list[Case], list[Axis]]:
    """What names and groups stand for, each once, in order; all where there is no name.

    Raises ValueError for a name that is none.
    """
    if not names:
        return cases, axes
    single = [*(case.name for case in cases), *map(name_of, axes)]
    known = {name: [name] for name in single} | groups(cases, axes)
    wanted: set[str] = set()
    for name in names:
        if name not in known:
            raise ValueError(f"no benchmark {name!r}; there are: {', '.join(known)}")
        wanted.update(known[name])
    return (
        [case for case in cases if case.name in wanted],
        [axis for axis in axes if name_of(axis) in wanted],
    )
