"""Answer requests, each in a child process of its own that may crash, hang or grow.

    request : one JSON value per line
    answer  : {"answer": value} | {"died": why} | {"raised": traceback}

What is heavy is imported once, before; a child starts with it. Runs in Python 3.7 and later:
TensorFlow 1.15 has nothing newer.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

Json = Any

# What a process says that ends itself: `F0000 00:00:00.0  1 tensor_shape.cc:356] Check failed: ...`
_LAST_WORDS = ("check failed", "terminate called", "what():", "fatal")


@dataclass(frozen=True)
class Limits:
    """Seconds by the clock, and bytes of address space that a child may add to its parent's."""

    seconds: float
    memory: int


def serve(
    answer: Callable[[Json], Json], answers: TextIO, limits: Callable[[Json], Limits]
) -> None:
    """Answer requests until stdin ends."""
    for line in sys.stdin:
        request = json.loads(line)
        answers.write(json.dumps(in_child(answer, request, limits(request))) + "\n")
        answers.flush()


def in_child(answer: Callable[[Json], Json], request: Json, limits: Limits) -> Json:
    with tempfile.TemporaryFile() as stderr:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _be_child(answer, request, limits, writing, stderr.fileno())
        os.close(writing)
        received, is_late = _receive(reading, time.monotonic() + limits.seconds)
        os.close(reading)
        if is_late:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if is_late:
            return {"died": f"no end within {limits.seconds:g} s"}
        if received:
            return json.loads(received)
        stderr.seek(0)
        return {"died": _death(status, stderr.read().decode("utf-8", "replace"))}


def _be_child(
    answer: Callable[[Json], Json], request: Json, limits: Limits, writing: int, stderr: int
) -> None:
    os.dup2(stderr, 2)
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    most = used + limits.memory
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        result = {"answer": answer(request)}
    except BaseException:  # noqa: BLE001  # a child that is to tell, whatever happens
        result = {"raised": traceback.format_exc()}
    data = json.dumps(result).encode()
    while data:
        data = data[os.write(writing, data) :]
    # Nothing of the parent's is to be flushed or finished here.
    os._exit(0)


def _receive(reading: int, deadline: float) -> tuple[bytes, bool]:
    """What the child wrote before it ended, and whether it did not end in time."""
    received = b""
    while True:
        ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return received, True
        piece = os.read(reading, 1 << 20)
        if not piece:
            return received, False
        received += piece


def _death(status: int, stderr: str) -> str:
    if os.WIFSIGNALED(status):
        text = signal.Signals(os.WTERMSIG(status)).name.replace("SIGIOT", "SIGABRT")
    else:
        text = f"exit code {os.WEXITSTATUS(status)}"
    words = [line for line in stderr.splitlines() if any(w in line.lower() for w in _LAST_WORDS)]
    return f"{text}: {words[-1]}" if words else text
