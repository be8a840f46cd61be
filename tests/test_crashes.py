"""Killed at any moment, an operation has left nothing or everything, and the next one clears up."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tfartifacts as tfa
from tests.killing import Client
from tests.operations import (
    OPERATIONS,
    OTHERS,
    Operation,
    Tree,
    seen_by_readers,
    tree,
    without,
)
from tfartifacts.storage.temporary import MARK

ALL = {**OPERATIONS, **OTHERS}

# Of all operations together; the environment variable is for a longer run.
MOMENTS = int(os.environ.get("NUM_CRASHES", "200"))


@pytest.fixture(scope="module")
def killer(fixtures: Path) -> Iterator[Client]:
    client = Client(fixtures)
    yield client
    client.close()


class Crashes:
    """One operation, killed again and again: what it may leave, and what it left."""

    def __init__(self, killer: Client, name: str, fixtures: Path, folder: Path) -> None:
        self.killer = killer
        self.name = name
        self.operation: Operation = ALL[name]
        self.fixtures = fixtures
        self.folder = folder
        self.source = fixtures / self.operation.source
        self.source_before = tree(self.source)
        self.before: Tree = {}
        self.after: Tree = {}
        self.calls: list[str] = []
        self.num_killed = 0
        self._opened: set[bytes] = set()

    def run_undisturbed(self) -> None:
        self.operation.prepare(self.fixtures, self.folder)
        self.before = tree(self.folder)
        self.calls = self.killer.ask(self.name, self.folder)["calls"]
        self.after = tree(self.folder)
        self.check_readers(self.after)
        shutil.rmtree(self.folder)

    def duration(self) -> float:
        """Seconds that it takes, synced to disk."""
        self.operation.prepare(self.fixtures, self.folder)
        start = time.monotonic()
        self.operation.opened(self.fixtures, self.folder)()
        end = time.monotonic()
        shutil.rmtree(self.folder)
        return end - start

    def crash(self, **how: Any) -> None:
        self.operation.prepare(self.fixtures, self.folder)
        answer = self.killer.ask(self.name, self.folder, **how)
        assert "failed" not in answer, (how, answer)
        self.num_killed += "killed" in answer
        found = tree(self.folder)
        assert self.operation.is_whole(found, self.before, self.after), (how, sorted(found))
        self.check_readers(found)
        self.check_next(how)
        shutil.rmtree(self.folder)

    def check_readers(self, found: Tree) -> None:
        """What is there opens, and every value of it can be read; of each state once."""
        state = hashlib.sha256(repr(sorted(seen_by_readers(found).items())).encode()).digest()
        if state in self._opened or self.operation.result not in found:
            return
        self._opened.add(state)
        artifact = self.operation.open(self.folder / self.operation.result)
        checkpoints: list[tfa.Checkpoint] = []
        match artifact:
            case tfa.CheckpointDirectory():
                # The state file names only what is there, the latest too.
                assert all(entry.prefix is not None for entry in artifact.entries)
                assert artifact.latest is not None
                assert not artifact.broken
                checkpoints += [*artifact.checkpoints, *artifact.unlisted]
            case tfa.Checkpoint():
                checkpoints.append(artifact)
            case tfa.SavedModel() if artifact.checkpoint is not None:
                checkpoints.append(artifact.checkpoint)
        for checkpoint in checkpoints:
            assert not checkpoint.problems
            for variable in checkpoint.variables.values():
                variable.read()

    def check_next(self, how: Any) -> None:
        """The same again: it is done, or it was done; and what was left is gone."""
        was = seen_by_readers(tree(self.folder))
        answer = self.killer.ask(self.name, self.folder)
        found = tree(self.folder)
        assert not [name for name in found if MARK in name], how
        if answer.get("refused"):
            assert not self.operation.may_run_again
            assert found == was, how
            # The checkpoint is there, and refused as such, though no state file names it yet.
            behind = {self.operation.changes}
            assert without(found, behind) == without(self.after, behind), how
        else:
            # Behind a new saved_model.pb nobody looks at the text.
            behind = {self.operation.goes_last}
            assert without(found, behind) == without(self.after, behind), how

    def check_source(self) -> None:
        assert tree(self.source) == self.source_before


@pytest.fixture
def crashes(
    killer: Client, request: pytest.FixtureRequest, fixtures: Path, tmp_path: Path
) -> Iterator[Crashes]:
    found = Crashes(killer, request.param, fixtures, tmp_path / "work")
    found.run_undisturbed()
    yield found
    found.check_source()


@pytest.mark.parametrize("crashes", ALL, indirect=True)
def test_killed_at_any_call_that_writes(crashes: Crashes) -> None:
    assert {"open", "write", "fsync", "close", "mkdir", "rmdir"} <= set(crashes.calls)
    assert {"renameat2", "replace"} & set(crashes.calls)
    for number, name in enumerate(crashes.calls, 1):
        crashes.crash(call=number)
        if name == "write":
            crashes.crash(call=number, half=True)
    assert crashes.num_killed == len(crashes.calls) + crashes.calls.count("write")


@pytest.mark.parametrize("crashes", OPERATIONS, indirect=True)
def test_killed_at_random_moments(crashes: Crashes) -> None:
    moments = random.Random(crashes.name)
    longest = 1.3 * crashes.duration()
    for _ in range(-(-MOMENTS // len(OPERATIONS))):
        crashes.crash(seconds=moments.uniform(0, longest))
    assert crashes.num_killed > 0
