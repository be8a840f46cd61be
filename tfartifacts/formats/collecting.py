"""Python's garbage collector, kept from looking through what is just being read."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """No search for garbage meanwhile.

    Reading makes a hundred thousand objects and no garbage, yet the collector looks through all of
    them again and again: that takes as long as the reading.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
