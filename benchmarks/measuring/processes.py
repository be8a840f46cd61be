"""One run of a side: through the spawner, in a folder for what it makes."""

from __future__ import annotations

import json
import marshal
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.measuring.cases import Side
from benchmarks.measuring.results import Run

PROJECT = Path(__file__).resolve().parents[2]
_SPAWNER = Path(__file__).with_name("spawner.py")
# Of these, some would have us write no byte code, find another tfartifacts, or log to the output.
_DROPPED = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONUTF8")


class RunFailedError(Exception):
    """A side did not do its work: what it wrote to standard error."""


class Spawner:
    """Runs sides, each in a process of its own. To be closed."""

    def __init__(self, folder: str) -> None:
        """`folder` is where sides run and write; it must be on the file system of the data."""
        self._folder = folder
        self._logs = tempfile.TemporaryDirectory(prefix="benchmarks-")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SPAWNER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Spawner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        if kind is not None:
            self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._logs.cleanup()

    def run(self, side: Side) -> Run:
        """Run a side once. Raises RunFailedError where it ends with another code than expected."""
        output, errors = (os.path.join(self._logs.name, name) for name in ("output", "errors"))
        wanted = output if side.in_process else os.devnull
        steps = [list(step) for step in side.steps]
        answer = self._ask(
            (steps, environment(steps), self._folder, wanted, errors, list(side.makes))
        )
        if isinstance(answer, str):
            raise RunFailedError(f"{side.name}: {answer}")
        seconds, processor, peak, code = answer
        if code not in side.exit_codes:
            said = Path(errors).read_text("utf-8", "replace").strip().splitlines()[-5:]
            raise RunFailedError(f"{side.name}: exit code {code}: {' / '.join(said)}")
        if not side.in_process:
            return Run(seconds, processor, peak)
        said = json.loads(Path(output).read_text("utf-8").splitlines()[-1])
        return Run(said["seconds"], processor, peak, said.get("anonymous_bytes"))

    def remove(self, paths: tuple[str, ...]) -> None:
        """Remove what a side made."""
        self._ask(([], {}, self._folder, os.devnull, os.devnull, list(paths)))

    def _ask(self, request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        marshal.dump(request, self._process.stdin)
        self._process.stdin.flush()
        return marshal.load(self._process.stdout)


def environment(steps: list[list[str]]) -> dict[str, str]:
    """What the processes find around them: this project's tfartifacts, a quiet TensorFlow."""
    found = {name: value for name, value in os.environ.items() if name not in _DROPPED}
    found |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "LC_ALL": "C.UTF-8"}
    if any(step[0] == sys.executable for step in steps):
        found["PYTHONPATH"] = str(PROJECT)
    return found
