"""All cases by name, and names for groups of them."""

from __future__ import annotations

from benchmarks.measuring.cases import Case
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


def groups(cases: list[Case]) -> dict[str, list[str]]:
    """`targets`: those with a target; `target-3`: those of target 3; `more`: the others."""
    found: dict[str, list[str]] = {"targets": [], "more": []}
    for case in cases:
        found["more" if case.target is None else "targets"].append(case.name)
        if case.target is not None:
            found.setdefault(f"target-{case.target}", []).append(case.name)
    return found


def chosen(names: list[str], cases: list[Case]) -> list[Case]:
    """The cases that names and groups stand for, each once, in order; all where there is no name.

    Raises ValueError for a name that is none.
    """
    if not names:
        return cases
    known = {case.name: [case.name] for case in cases} | groups(cases)
    wanted: set[str] = set()
    for name in names:
        if name not in known:
            raise ValueError(f"no benchmark {name!r}; there are: {', '.join(known)}")
        wanted.update(known[name])
    return [case for case in cases if case.name in wanted]
