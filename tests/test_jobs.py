"""Side by side or one after the other: the same results, the same error, the same end."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import tfartifacts as tfa
from tfartifacts.model.jobs import MOST_JOBS, side_by_side, usual_jobs


def size(number: int) -> int:
    return number


@pytest.mark.parametrize("jobs", [1, 2, 7, None])
def test_results_are_in_the_order_of_the_items(jobs: int | None) -> None:
    assert side_by_side(lambda item: item * item, range(50), jobs, size) == [
        item * item for item in range(50)
    ]
    assert side_by_side(lambda item: item, [], jobs, size) == []


@pytest.mark.parametrize("jobs", [1, 3])
def test_of_several_errors_that_of_the_first_item_is_raised(jobs: int) -> None:
    with pytest.raises(ZeroDivisionError, match=r"^item 3$"):
        side_by_side(_fails_from_three_on, range(20), jobs, size)


def _fails_from_three_on(item: int) -> None:
    if item >= 3:
        raise ZeroDivisionError(f"item {item}")


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_interruption_ends_it(jobs: int) -> None:
    seen: list[int] = []

    def function(item: int) -> None:
        seen.append(item)
        time.sleep(0.001)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_by_side(function, range(1000), jobs, size)
    assert len(seen) <= jobs
    assert not any("(work)" in thread.name for thread in threading.enumerate())


def test_little_work_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", lambda thread: pytest.fail("started"))
    assert side_by_side(lambda item: item, [1, 2], 2, size, least=4) == [1, 2]


def test_as_many_as_processors_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3}, raising=False)
    assert usual_jobs() == 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(99)), raising=False)
    assert usual_jobs() == MOST_JOBS


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tfa.Checkpoint:
    random = np.random.default_rng(0)
    arrays = {f"w{i}": random.random((i + 1, 1 << 17), np.float32) for i in range(9)}
    prefix = tmp_path_factory.mktemp("runs") / "m"
    tfa.save(tfa.Checkpoint.from_arrays(arrays), prefix)
    opened = tfa.open(prefix)
    assert isinstance(opened, tfa.Checkpoint)
    return opened


@pytest.mark.parametrize("jobs", [2, 5])
def test_any_number_of_threads_gives_the_same(
    jobs: int, checkpoint: tfa.Checkpoint, tmp_path: Path
) -> None:
    assert tfa.statistics(checkpoint, jobs=jobs) == tfa.statistics(checkpoint, jobs=1)
    other = tfa.edit(checkpoint, tfa.Edits(rename=("re:^w=v",), cast="bfloat16"))
    tfa.save(other, tmp_path / "one", jobs=1)
    tfa.save(other, tmp_path / "many", jobs=jobs)
    for suffix in (".index", ".data-00000-of-00001"):
        one, many = (tmp_path / f"{name}{suffix}" for name in ("one", "many"))
        assert one.read_bytes() == many.read_bytes()
    tfa.export(checkpoint, tmp_path / "one.safetensors", jobs=1)
    tfa.export(checkpoint, tmp_path / "many.safetensors", jobs=jobs)
    assert (tmp_path / "one.safetensors").read_bytes() == (
        tmp_path / "many.safetensors"
    ).read_bytes()
    edited = tfa.open(tmp_path / "many")
    found = [tfa.diff(checkpoint, edited, values="exact", jobs=number) for number in (1, jobs)]
    comparisons = [[item.comparison for item in each.variables or ()] for each in found]
    assert comparisons[0] == comparisons[1]


@pytest.mark.parametrize("most", [0, 1])
def test_where_threads_cannot_be_started_the_work_is_done(
    most: int, checkpoint: tfa.Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start
    left = [most]

    def limited(thread: threading.Thread) -> None:
        if left[0] == 0:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(thread)

    expected = tfa.statistics(checkpoint, jobs=1)
    monkeypatch.setattr(threading.Thread, "start", limited)
    for work in (
        lambda: tfa.save(checkpoint, tmp_path / "m", jobs=3).files,
        lambda: tfa.export(checkpoint, tmp_path / "m.safetensors", jobs=3),
        lambda: tfa.statistics(checkpoint, jobs=3) == expected,
        lambda: tfa.verify(tmp_path / "m", jobs=3).is_clean,
    ):
        left[0] = most
        assert work()


def test_with_one_job_there_is_no_thread(
    checkpoint: tfa.Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading.Thread, "start", lambda thread: pytest.fail("started"))
    tfa.save(checkpoint, tmp_path / "m", jobs=1)
    tfa.export(checkpoint, tmp_path / "m.safetensors", jobs=1)
    tfa.statistics(checkpoint, jobs=1)
    tfa.diff(checkpoint, tfa.open(tmp_path / "m"), values="exact", jobs=1)
    assert tfa.verify(tmp_path / "m", jobs=1).is_readable
