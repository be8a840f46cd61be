"""Time a piece of work and print it: {"seconds": 0.25, "anonymous_bytes": 9000000}."""

# ruff: noqa: T201 - the answer.

import gc
import json
import os
import time

SMALL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "fixtures", "digits")
SMALL_CHECKPOINT = os.path.join(SMALL, "checkpoints", "my_model-4")
SMALL_META = SMALL_CHECKPOINT + ".meta"


def timed(work, *arguments):
    """Call `work`, print what it took, and give its result, which is kept until memory is told."""
    # Garbage of the imports is not the work's.
    gc.collect()
    start = time.perf_counter()
    result = work(*arguments)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "anonymous_bytes": anonymous_bytes()}), flush=True)
    return result


def anonymous_bytes():
    """Memory of this process that is no file's, now; None where the system does not tell."""
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def expect(found, wanted):
    """Both sides have to have done the work."""
    if found != wanted:
        raise SystemExit(f"found {found!r}, expected {wanted!r}")
