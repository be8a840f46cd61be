"""sha256 sums of files, several at a time, in constant memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tfartifacts.errors import TfArtifactsError
from tfartifacts.model.checkpoints import File
from tfartifacts.model.jobs import usual_jobs
from tfartifacts.model.values import Progress
from tfartifacts.storage.files import stream_range


def sha256_sums(
    files: Sequence[File], *, jobs: int | None = None, progress: Progress | None = None
) -> list[str | TfArtifactsError]:
    """The sha256 of each file in hex, or why it could not be read to the end.

    Sums are made in `jobs` threads, as hashlib leaves the interpreter to others meanwhile; each
    takes 1 MiB of memory. `progress` is called from them, one at a time. An interruption ends
    them at the next mebibyte.
    """
    from concurrent.futures import ThreadPoolExecutor

    summing = _Summing(sum(file.size for file in files), progress)
    with ThreadPoolExecutor(jobs or usual_jobs()) as pool:
        # The largest first: what is left in the end is small.
        order = sorted(range(len(files)), key=lambda i: -files[i].size)
        try:
            futures = {i: pool.submit(summing.sum_of, files[i]) for i in order}
            return [futures[i].result() for i in range(len(files))]
        except BaseException:
            summing.stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


class _Summing:
    """What the threads share."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._total = total
        self._done = 0
        self._progress = progress

    def sum_of(self, file: File) -> str | TfArtifactsError:
        import hashlib

        digest = hashlib.sha256()
        try:
            for piece in stream_range(file.path, 0, file.size):
                digest.update(piece)
                self._add(len(piece))
                if self.stopped.is_set():
                    break
        except TfArtifactsError as error:
            return error
        return digest.hexdigest()

    def _add(self, size: int) -> None:
        if self._progress is not None:
            with self._lock:
                self._done += size
                self._progress("checksums", self._done, self._total)
