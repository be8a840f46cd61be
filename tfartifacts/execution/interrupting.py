"""Session.run that Ctrl-C ends: while TensorFlow runs, Python would not notice it."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

_INTERRUPTED = 130  # as a shell says it of SIGINT
_PATIENCE = 1.0  # seconds for a session to end


def run_session(session: Any, fetches: Any, feeds: Mapping[Any, Any]) -> Any:
    """What session.run gives; it runs in another thread, so that this one can be interrupted."""
    if threading.current_thread() is not threading.main_thread():
        return session.run(fetches, feeds)  # Ctrl-C goes to the main thread
    done: list[Any] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(session.run(fetches, feeds))
        except BaseException as error:  # noqa: BLE001  # raised again, in the thread that waits
            failed.append(error)

    running = threading.Thread(target=run, daemon=True)
    running.start()
    try:
        running.join()
    except KeyboardInterrupt:
        _abandon(session, running)
        raise
    if failed:
        raise failed[0]
    return done[0]


def _abandon(session: Any, running: threading.Thread) -> None:
    """End what waits between ops; an op that runs on is not waited for."""
    closing = threading.Thread(target=session.close, daemon=True)
    closing.start()
    threads = (running, closing)
    for thread in threads:
        thread.join(_PATIENCE)
    if any(thread.is_alive() for thread in threads):
        # Taken away what it computes with, its session first, the op would crash the process.
        atexit.register(_leave, session, threads)


def _leave(session: Any, threads: Iterable[threading.Thread]) -> None:
    """End the process at once, unless all has ended meanwhile; until then, keep the session."""
    if any(thread.is_alive() for thread in threads):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(_INTERRUPTED)
