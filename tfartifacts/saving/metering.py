"""How far writing is, for who is to be told."""

from __future__ import annotations

from tfartifacts.model.values import Progress


class Meter:
    """How far writing and checking are."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._what = ""
        self._done = 0

    def start(self, what: str) -> None:
        self._what, self._done = what, 0
        self.add(0)

    def add(self, size: int) -> None:
        self._done += size
        if self._progress is not None:
            self._progress(self._what, self._done, self._total)
