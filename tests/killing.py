"""Runs operations in processes that are killed: at a system call that writes, or after a time.

Starting Python for each would take longer than all the rest: this process has imported and run
everything once, and forks for each request. `python -m tests.killing FIXTURES` reads requests,
one line of JSON each, and answers each with a line:

    {"operation": NAME, "folder": PATH}                        runs it; the calls it made
    {"operation": NAME, "folder": PATH, "call": 3}             kills it before its third call
    {"operation": NAME, "folder": PATH, "call": 3, "half": 1}  kills it in the third, a write
    {"operation": NAME, "folder": PATH, "seconds": 0.01}       kills it after that time

A call that was made leaves what is there before the next: "after" it is "before" that.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.operations import OPERATIONS, OTHERS
from tfartifacts.errors import DestinationExistsError
from tfartifacts.storage import publishing

PROJECT = Path(__file__).resolve().parents[1]
ALL = {**OPERATIONS, **OTHERS}
CALLS = "open write fsync close mkdir rmdir rename replace link symlink unlink chmod utime".split()


class Killer:
    """Counts the calls that write, from 1; at one of them the process dies."""

    def __init__(self, at: int, half: bool) -> None:
        self.calls: list[str] = []
        self._at = at
        self._half = half
        self._written: set[int] = set()

    def install(self) -> None:
        for name in CALLS:
            setattr(os, name, self._counted(name, getattr(os, name)))
        real = publishing._renameat2
        publishing._renameat2 = self._counted("renameat2", real)

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **keywords: Any) -> Any:
            if not self._writes(name, arguments):
                return call(*arguments, **keywords)
            self.calls.append(name)
            if len(self.calls) == self._at:
                if self._half and name == "write":
                    call(arguments[0], memoryview(arguments[1])[: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            if name == "fsync":
                return None  # what a power cut would leave is not looked at here
            result = call(*arguments, **keywords)
            if name == "open":
                self._written.add(result)
            return result

        return counting

    def _writes(self, name: str, arguments: tuple[Any, ...]) -> bool:
        if name == "open":
            return bool(arguments[1] & os.O_CREAT)
        if name == "close":
            if arguments[0] not in self._written:
                return False
            self._written.discard(arguments[0])
        return True


def run(request: dict[str, Any], fixtures: Path, answer: int) -> None:
    """In the forked process: do it, and write what came of it."""
    # State files hold the time.
    time.time = lambda: 1.0
    operate = ALL[request["operation"]].opened(fixtures, Path(request["folder"]))
    killer = Killer(request.get("call", 0), bool(request.get("half")))
    write = os.write
    if "seconds" not in request:
        killer.install()
    refused = None
    try:
        operate()
    except DestinationExistsError as error:
        refused = str(error)
    write(answer, json.dumps({"calls": killer.calls, "refused": refused}).encode())


def forked(request: dict[str, Any], fixtures: Path) -> dict[str, Any]:
    """Run a request in a new process; its answer, {"killed": true} if it did not come to one."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = errno.EIO
        try:
            os.close(reading)
            run(request, fixtures, writing)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    if "seconds" in request:
        time.sleep(request["seconds"])
        os.kill(child, signal.SIGKILL)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and not answer:
        return {"killed": True}
    if not answer:
        return {"failed": status}
    found: dict[str, Any] = json.loads(answer)
    return found


def main(fixtures: Path) -> None:
    for name, operation in ALL.items():
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, "work")
            operation.prepare(fixtures, folder)
            operation.opened(fixtures, folder)()
        print(name, flush=True)  # noqa: T201
    for line in sys.stdin:
        answer = forked(json.loads(line), fixtures)
        print(json.dumps(answer), flush=True)  # noqa: T201


class Client:
    """The process that runs requests."""

    def __init__(self, fixtures: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.killing", str(fixtures)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
        )
        assert self._process.stdout is not None
        for name in ALL:
            assert self._process.stdout.readline() == f"{name}\n"

    def ask(self, operation: str, folder: Path, **how: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"operation": operation, "folder": str(folder), **how}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        self._process.communicate()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
