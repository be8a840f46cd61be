"""The command line in a process that has TensorFlow: started once, asked many times.

TensorFlow takes seconds to import, and its Python has not this package: the worker finds the
package in the working tree, and what TensorFlow does not bring (typer, fastcrc) in the environment
of the tests, if its own Python can load that.
"""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
import textwrap
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pytest

from tests.judges.client import PROJECT, environment

# TensorFlow's own packages first.
START = f"""
import sys
sys.path.insert(0, {os.fspath(PROJECT)!r})
sys.path.append({sysconfig.get_paths()["purelib"]!r})
"""

_WORKER = (
    START
    + """
import contextlib, io, json, os, tempfile, traceback

answers = os.fdopen(os.dup(1), "w")
try:
    import fastcrc, google.protobuf, ml_dtypes, numpy, typer
except ImportError as error:
    print(json.dumps({"skip": f"the judge's Python cannot load the tests' packages: {error}"}),
          file=answers, flush=True)
    sys.exit()
print(json.dumps({"skip": ""}), file=answers, flush=True)
from tfartifacts.__main__ import run

def command(arguments):
    kept = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            code = run(arguments)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, descriptor in enumerate(kept, start=1):
                os.dup2(descriptor, number)
                os.close(descriptor)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    return {"code": code, "out": texts[0], "err": texts[1]}

for line in sys.stdin:
    request = json.loads(line)
    try:
        if "code" in request:
            names = dict(request["names"], answer=None)
            exec(request["code"], names)
            answer = {"answer": names["answer"]}
        else:
            answer = command(request["arguments"])
    except BaseException:
        answer = {"failed": traceback.format_exc()}
    print(json.dumps(answer), file=answers, flush=True)
"""
)


@dataclass(frozen=True)
class Done:
    """What a command gave."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON it wrote."""
        return json.loads(self.out)


class CommandLine:
    """The worker: `command_line("run", path, "--json")`."""

    def __init__(self, python: str) -> None:
        # Why it cannot serve, which it says first; "" for nothing.
        self._reason: str | None = None
        self._worker = subprocess.Popen(
            [python, "-c", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Nobody would read it; commands get one of their own.
            stderr=subprocess.DEVNULL,
            env={**environment(), "TF_CPP_MIN_LOG_LEVEL": "0"},
            text=True,
        )

    def __enter__(self) -> CommandLine:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # It has nothing to save, and TensorFlow takes seconds to leave.
        self._worker.kill()
        self._worker.communicate()

    def __call__(self, *arguments: object) -> Done:
        """Run a command line; its exit code and streams."""
        return Done(
            **self._ask(
                arguments=[
                    os.fspath(a) if isinstance(a, os.PathLike) else str(a) for a in arguments
                ]
            )
        )

    def python(self, code: str, **names: object) -> Any:
        """Run code, with names set, beside TensorFlow; what it leaves in `answer`."""
        texts = {
            name: os.fspath(value) if isinstance(value, os.PathLike) else value
            for name, value in names.items()
        }
        return self._ask(code=textwrap.dedent(code), names=texts)["answer"]

    def _ask(self, **request: object) -> dict[str, Any]:
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        if self._reason is None:
            self._reason = str(json.loads(self._worker.stdout.readline())["skip"])
        if self._reason:
            pytest.skip(self._reason)
        self._worker.stdin.write(json.dumps(request) + "\n")
        self._worker.stdin.flush()
        answer: dict[str, Any] = json.loads(self._worker.stdout.readline())
        assert "failed" not in answer, answer["failed"]
        return answer
