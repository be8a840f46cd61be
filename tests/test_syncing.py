"""Large files: on their way to the disk early, synced before anything appears, none longer."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tfartifacts.errors import WriteError
from tfartifacts.storage import publishing, syncing
from tfartifacts.storage.syncing import LARGE, Syncing
from tfartifacts.storage.writing import new_file

PIECE = bytes(range(256)) * 4096


class Disk:
    """The operating system for storage.syncing: notes what is synced; `failure` is what it says."""

    def __init__(self, failure: BaseException | None = None) -> None:
        self.synced: list[str] = []
        self._failure = failure

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fsync(self, descriptor: int) -> None:
        self.synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        if self._failure is not None and os.fstat(descriptor).st_size > LARGE:
            raise self._failure
        os.fsync(descriptor)


def write(path: Path, num_pieces: int, syncing: Syncing | None = None) -> None:
    with new_file(str(path), syncing) as sink:
        for _ in range(num_pieces):
            sink.write(PIECE)


def large() -> tfa.Checkpoint:
    return tfa.Checkpoint.from_arrays({"w": np.arange(LARGE, dtype=np.float32), "b": [1.0]})


@pytest.mark.parametrize("has_calls", [True, False], ids=["", "a system without the calls"])
def test_a_large_file_has_its_bytes_and_takes_no_more_room(
    has_calls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_calls:
        monkeypatch.setattr(syncing, "_function", lambda name: None)
    write(tmp_path / "file", 65)
    status = os.stat(tmp_path / "file")
    assert status.st_size == 65 * len(PIECE)
    assert status.st_blocks * 512 < status.st_size + (1 << 20)
    assert (tmp_path / "file").read_bytes() == PIECE * 65


def test_the_calls_are_made_where_there_are_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(syncing, "_call", lambda name, _, *numbers: calls.append((name, *numbers)))
    write(tmp_path / "file", 100)
    asked = [numbers for name, *numbers in calls if name == "fallocate"]
    sent = [numbers for name, *numbers in calls if name == "sync_file_range"]
    # Room is there before the bytes are; what is sent are all bytes but a rest.
    assert [start for _, start, _ in asked] == [LARGE]
    assert asked[-1][1] + asked[-1][2] >= 100 * len(PIECE)
    assert [start + size for start, size, _ in sent[:-1]] == [start for start, _, _ in sent[1:]]
    assert 100 * len(PIECE) - LARGE < sent[-1][0] + sent[-1][1] <= 100 * len(PIECE)


def test_files_that_are_written_at_once_ask_for_no_more_room_than_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(
        syncing,
        "_call",
        lambda name, _, *numbers: asked.append(numbers[2]) if name == "fallocate" else None,
    )
    with Syncing() as several, ExitStack() as stack:
        files = [new_file(str(tmp_path / f"{number}"), several) for number in range(5)]
        for sink in [stack.enter_context(file) for file in files]:
            sink.write(bytes(LARGE))
    assert len(asked) == 5
    assert LARGE < sum(asked) <= 256 << 20


def test_of_a_disk_that_is_nearly_full_little_room_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    free = os.statvfs_result((4096, 4096, 0, 0, 40 << 8, 0, 0, 0, 0, 255))  # 40 MiB
    monkeypatch.setattr(os, "fstatvfs", lambda _: free)
    monkeypatch.setattr(
        syncing,
        "_call",
        lambda name, _, *numbers: asked.append(numbers[2]) if name == "fallocate" else None,
    )
    write(tmp_path / "one", 40)
    assert asked
    assert max(asked) <= 10 << 20
    asked.clear()
    with Syncing() as several, ExitStack() as stack:
        files = [new_file(str(tmp_path / f"{number}"), several) for number in range(2)]
        for sink in [stack.enter_context(file) for file in files]:
            sink.write(bytes(2 * LARGE))
    assert asked == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_room_is_given_back_before_the_disk_is_full(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_some = os.write
    sizes: list[int] = []

    def full(descriptor: int, data: Any) -> int:
        blocks = os.stat(tmp_path / "one").st_blocks * 512
        if sizes == [] and os.path.getsize(tmp_path / "two") > LARGE // 2:
            sizes.append(blocks)
            raise OSError(number, "full")
        if len(sizes) == 1:
            sizes.append(blocks)
        return write_some(descriptor, data)

    with Syncing() as both, ExitStack() as stack:
        one, two = (stack.enter_context(new_file(str(tmp_path / n), both)) for n in ("one", "two"))
        one.write(PIECE * 12)
        monkeypatch.setattr(os, "write", full)
        two.write(PIECE * 7)
        one.write(PIECE * 60)
    before, after = sizes
    assert before > 16 * len(PIECE) > after
    assert (tmp_path / "one").read_bytes() == PIECE * 72
    assert (tmp_path / "two").read_bytes() == PIECE * 7


def test_a_file_that_is_not_large_starts_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading.Thread, "start", lambda thread: pytest.fail("started"))
    write(tmp_path / "file", LARGE // len(PIECE) - 1)


OPERATIONS: dict[str, Callable[[Path], object]] = {
    "save": lambda path: tfa.save(large(), path / "m"),
    "export": lambda path: tfa.export(large(), path / "m.safetensors"),
}


def written(path: Path) -> None:
    with tfa.CheckpointWriter(path / "m", shards=2) as writer:
        writer.add("w", np.arange(LARGE, dtype=np.float32))
        writer.add("v", np.arange(LARGE, dtype=np.float32))


OPERATIONS["writer"] = written


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_file_is_synced_before_one_appears(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk()
    synced: list[str] = []
    appear = publishing.Steps.appear

    def noting(steps: publishing.Steps, staged: str, destination: str) -> None:
        synced.extend([] if synced else disk.synced)
        appear(steps, staged, destination)

    monkeypatch.setattr(syncing, "os", disk)
    monkeypatch.setattr(publishing.Steps, "appear", noting)
    (tmp_path / "runs").mkdir()
    OPERATIONS[name](tmp_path / "runs")
    assert {path.name for path in (tmp_path / "runs").iterdir()} <= set(synced)


@pytest.mark.parametrize(
    "failure",
    [OSError(errno.EIO, os.strerror(errno.EIO)), KeyboardInterrupt()],
    ids=lambda failure: type(failure).__name__,
)
@pytest.mark.parametrize("name", OPERATIONS)
def test_where_the_disk_fails_nothing_is_published(
    name: str, failure: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "os", Disk(failure))
    (tmp_path / "runs").mkdir()
    before = os.listdir("/proc/self/fd")
    expected = WriteError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as raised:
        OPERATIONS[name](tmp_path / "runs")
    if isinstance(raised.value, WriteError):
        assert "input/output error; nothing was published" in str(raised.value)
    assert list((tmp_path / "runs").iterdir()) == []
    assert os.listdir("/proc/self/fd") == before


def test_what_is_given_up_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk()
    monkeypatch.setattr(syncing, "os", disk)
    before = os.listdir("/proc/self/fd"), threading.active_count()
    with pytest.raises(ZeroDivisionError):
        give_up(tmp_path)
    assert disk.synced == ["whole"]  # which is small, and was before that
    assert (os.listdir("/proc/self/fd"), threading.active_count()) == before


def give_up(folder: Path) -> None:
    with Syncing() as several:
        write(folder / "whole", 1, several)
        with new_file(str(folder / "half"), several) as sink:
            for _ in range(20):
                sink.write(PIECE)
            _ = 1 / 0
