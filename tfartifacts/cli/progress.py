"""How far a command is, on a terminal's standard error."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO


class TerminalProgress:
    """A bar on a terminal's standard error, for work that takes longer than a second."""

    AFTER = 1.0  # seconds

    def __init__(
        self, *, quiet: bool = False, counts: bool = False, stream: TextIO | None = None
    ) -> None:
        """`counts`: things are counted, not bytes. `stream`: what stands for standard error."""
        self._counts = counts
        self._stream = stream or sys.stderr
        self.wanted = not quiet and self._stream is not None and self._stream.isatty()
        self._began = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._what = ""

    def __enter__(self) -> TerminalProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        if not self.wanted or time.monotonic() - self._began < self.AFTER:
            return
        if self._bar is None:
            self._start(what, total)
        elif what != self._what:
            self._bar.reset(self._task, description=what, total=total)
        self._what = what
        self._bar.update(self._task, completed=done, total=total)

    def _start(self, what: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            ProgressColumn,
            Task,
            TextColumn,
            TimeRemainingColumn,
        )

        class SpeedColumn(ProgressColumn):
            """In the units of DownloadColumn; rich's own has others."""

            def render(self, task: Task) -> str:
                return "" if not task.speed else f"{task.speed / (1 << 20):.1f} MiB/s"

        done: list[ProgressColumn] = [DownloadColumn(binary_units=True), SpeedColumn()]
        if self._counts:
            done = [MofNCompleteColumn()]
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            *done,
            TimeRemainingColumn(),
            console=Console(file=self._stream),
            transient=True,
            # Where standard error is something else, what goes there is not for the terminal.
            redirect_stdout=self._stream is sys.stderr,
            redirect_stderr=self._stream is sys.stderr,
        )
        self._task = self._bar.add_task(what, total=total)
        self._bar.start()
