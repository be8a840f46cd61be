"""Work on many things side by side, in threads: with any number of them the outcome is the same.

Reading, checksums and most of NumPy let other threads run.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST_JOBS = 8  # more threads than that wait for memory, or the disk
WORTH_THREADS = 4 << 20  # bytes; fewer are read before threads have started


def usual_jobs() -> int:
    """How many threads work unless the caller says: one for each processor that we may use."""
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:  # no Linux
        usable = os.cpu_count() or 1
    return max(1, min(usable, MOST_JOBS))


def started(threads: Sequence[threading.Thread]) -> Sequence[threading.Thread]:
    """Those of the threads that could be started: a limit may allow some of them, or none."""
    for number, thread in enumerate(threads):
        try:
            thread.start()
        except RuntimeError:
            return threads[:number]
    return threads


def side_by_side(
    function: Callable[[T], R],
    items: Sequence[T],
    jobs: int | None,
    size: Callable[[T], int],
    *,
    least: int = 0,
) -> list[R]:
    """What the function gives for each item, in the order of the items.

    `jobs` threads (None: `usual_jobs`) take the largest first, so that they end together; for less
    than `least` in all there are none. Where several items raise, the error of the first one is
    raised, as it would be without threads. An interruption waits for the items in work.
    """
    jobs = min(usual_jobs() if jobs is None else jobs, len(items))
    sizes = [size(item) for item in items] if jobs > 1 else []
    if jobs <= 1 or sum(sizes) < least:
        return [function(item) for item in items]
    left = deque(sorted(range(len(items)), key=lambda number: -sizes[number]))
    results: dict[int, R] = {}
    failures: dict[int, Exception] = {}
    interruptions: list[BaseException] = []

    def work() -> None:
        while not interruptions:
            try:
                number = left.popleft()
            except IndexError:
                return
            try:
                results[number] = function(items[number])
            except Exception as raised:  # noqa: BLE001  # raised again below
                failures[number] = raised
            except BaseException as raised:  # noqa: BLE001  # raised again below
                interruptions.append(raised)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(jobs)]
    try:
        for thread in started(threads):
            thread.join()
        work()  # nothing is left, but where no thread could be started
    finally:
        left.clear()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    if interruptions:
        raise interruptions[0]
    if failures:
        raise failures[min(failures)]
    return [results[number] for number in range(len(items))]
