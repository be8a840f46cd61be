"""All sides of a case in turn, pair by pair: the speed of shared machines drifts."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.measuring.cases import Case
from benchmarks.measuring.processes import RunFailedError, Spawner
from benchmarks.measuring.results import CaseResult, LimitResult, Run, SideResult


def measure(
    case: Case, pairs: int, folder: str, progress: Callable[[str], None] = lambda _: None
) -> CaseResult:
    """Run each side once unmeasured, which warms caches, then all in turn.

    A side with fewer runs than that (`most_runs`) takes part in the first rounds only, without the
    unmeasured one. A side that fails ends the case, which then says why.
    """
    pairs = min(pairs, case.most_pairs or pairs)
    runs: dict[str, list[Run]] = {side.name: [] for side in case.sides}
    failure = ""
    with Spawner(folder) as spawner:
        try:
            for count in range(pairs + 1):
                for side in case.sides:
                    most = side.most_runs
                    if most is not None and not 0 < count <= most:
                        continue
                    progress(f"{case.name}: {side.name}, {count} of {pairs}")
                    run = spawner.run(side)
                    if side.makes:
                        spawner.remove(side.makes)
                    if count:
                        runs[side.name].append(run)
        except RunFailedError as error:
            failure = str(error)
            for side in case.sides:
                spawner.remove(side.makes)
    return CaseResult(
        case.name,
        case.title,
        case.target,
        tuple(SideResult(name, tuple(found)) for name, found in runs.items()),
        tuple(
            LimitResult(limit.of, limit.to, limit.measure, limit.at_most, limit.needs)
            for limit in case.limits
        ),
        case.missing,
        case.note,
        failure,
    )


def not_measured(case: Case, why: str) -> CaseResult:
    """A case that was left out."""
    limits = tuple(
        LimitResult(limit.of, limit.to, limit.measure, limit.at_most, limit.needs)
        for limit in case.limits
    )
    return CaseResult(case.name, case.title, case.target, (), limits, case.missing, case.note, why)
