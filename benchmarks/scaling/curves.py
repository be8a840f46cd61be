"""Measure the works of an axis: all sizes in turn, as often as time allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.data import place
from benchmarks.measuring.processes import RunFailedError, Spawner
from benchmarks.measuring.results import Curve, Point, Run
from benchmarks.scaling.works import Axis, Work
from benchmarks.targets.setting import Setting

ROUNDS = 3
_QUICK_ROUNDS = 1
_LONG = 4.0  # seconds: what takes longer is run once


def measure(
    axis: Axis, setting: Setting, progress: Callable[[str], None] = lambda _: None
) -> Iterator[Curve]:
    """One curve for each work of an axis; makes the data it needs."""
    try:
        folders = {}
        for size in axis.sizes:
            dataset = axis.dataset(size)
            progress(f"{axis.name}: making {dataset.name}")
            folders[size] = place.make(dataset, setting.root)
    except place.NotMadeError as error:
        for work in axis.works:
            yield Curve(work.name, axis.name, False, (), str(error))
        return
    with Spawner(setting.out) as spawner:
        for work in axis.works:
            progress(f"{axis.name}: {work.name}")
            rounds = _QUICK_ROUNDS if setting.quick else ROUNDS
            yield _curve(axis, work, folders, spawner, rounds)


def _curve(axis: Axis, work: Work, folders: dict[int, str], spawner: Spawner, rounds: int) -> Curve:
    sizes = [size for size in axis.sizes if work.most is None or size <= work.most]
    sides = {size: work.side(folders[size], size) for size in sizes}
    runs: dict[int, list[Run]] = {size: [] for size in sizes}
    failure = ""
    in_process = any(side.in_process for side in sides.values())
    try:
        spawner.run(sides[sizes[0]])  # warms caches
        for count in range(rounds):
            for size, side in sides.items():
                if count and runs[size][0].processor_seconds > _LONG:
                    continue
                runs[size].append(spawner.run(side))
    except RunFailedError as error:
        failure = str(error)
    for side in sides.values():
        spawner.remove(side.makes)
    points = tuple(Point(size, tuple(found)) for size, found in runs.items() if found)
    return Curve(work.name, axis.name, in_process, points, failure)
