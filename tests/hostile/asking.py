"""Ask what we, or a TensorFlow, do with hostile cases."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.hostile.case import Case
from tests.judges.client import PROJECT, environment

Json = Any

# How a reader ends, worst last.
KINDS = ("error", "accepted", "hang", "crash")


@dataclass(frozen=True)
class Verdict:
    """What a reader did: one of KINDS, what it said, and what it read where it accepted."""

    kind: str
    said: str
    contents: dict[str, Json]


@dataclass(frozen=True)
class Outcome:
    """What we did; see tests/hostile/ours.py for the fields."""

    stage: str | None
    error: str | None
    message: str
    path: str | None
    offset: int | None
    contents: dict[str, Json]
    notes: list[str]
    seconds: float
    breaches: list[str]


class Server:
    """A process that answers requests, each in a child of its own."""

    def __init__(self, python: str, module: str) -> None:
        self._process = subprocess.Popen(
            [python, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=PROJECT,
            env=environment(),
            text=True,
        )

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def ask(self, request: Json) -> Json:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def ours() -> Server:
    return Server(sys.executable, "tests.hostile.ours")


def tensorflow(python: str) -> Server:
    return Server(python, "tests.hostile.tensorflow")


def outcome_of(server: Server, case: Case) -> Outcome:
    """What we do with a case. Raises AssertionError for what is no error of ours."""
    answer = server.ask(case.id)
    assert "answer" in answer, f"{case.id}: {answer}"
    return Outcome(**answer["answer"])


def verdict_of(server: Server, case: Case) -> Verdict:
    """What TensorFlow does with a case; of a SavedModel's two loaders the worse."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root, "case")
        folder.mkdir()
        case.write(folder)
        path = str(folder if case.opened == "." else folder / case.opened)
        request = {"form": case.form, "path": path, "root": root, "loader": 1}
        first = _verdict(server.ask(request))
        if case.form != "saved_model":
            return first
        second = _verdict(server.ask({**request, "loader": 2}))
    if (first.kind, first.said) == (second.kind, second.said):
        return first
    kind = max(first.kind, second.kind, key=KINDS.index)
    said = f"loader of version 1: {first.said}; of version 2: {second.said}"
    return Verdict(kind, said, first.contents)


def _verdict(answer: Json) -> Verdict:
    if "died" in answer:
        kind = "hang" if answer["died"].startswith("no end") else "crash"
        return Verdict(kind, answer["died"], {})
    assert "answer" in answer, answer
    found = answer["answer"]
    if found["error"] is not None:
        return Verdict("error", found["error"], {})
    return Verdict("accepted", "accepted", found["contents"])


def is_same(own: dict[str, Json], other: dict[str, Json], form: str) -> bool:
    """Whether we read what TensorFlow reads.

    A saver that importing a graph makes adds nodes of its own; values and names of variables must
    be equal.
    """
    if form in ("meta", "graph", "saved_model"):
        return all(name in other and other[name] == value for name, value in own.items())
    return own == other
