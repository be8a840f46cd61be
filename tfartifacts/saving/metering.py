"""How far writing is, for who is to be told."""

from __future__ import annotations

import threading

from tfartifacts.model.values import Progress


class Meter:
    """How far writing and checking are."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._what = ""
        self._done = 0
        self._lock = threading.Lock()

    def start(self, what: str) -> None:
        self._what, self._done = what, 0
        self.add(0)

    def add(self, size: int) -> None:
        if self._progress is not None:
            with self._lock:  # several threads may check
                self._done += size
                self._progress(self._what, self._done, self._total)
