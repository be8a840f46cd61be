"""Listing the variables of a large checkpoint, in process: imports are not counted.

Each run of a side is a process of its own that prints the seconds of its fastest of three tries.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

from benchmarks.measuring import tensorflow

SIZES = (10_000, 100_000)
TARGET = 0.15

_TIMED = """
import gc, sys, time
{imports}
best = 1e9
for _ in range(3):
    start = time.perf_counter()
    listed = {listing}
    best = min(best, time.perf_counter() - start)
    assert len(listed) == {count}
    del listed
print(best)
"""
_OURS = (
    "import tfartifacts as tfa; tfa.open",
    "[(v.name, v.shape) for v in tfa.open({prefix!r}).variables.values()]",
)
_THEIRS = ("import tensorflow as tf", "tf.train.list_variables({prefix!r})")


def write_checkpoint(prefix: str, num_variables: int) -> None:
    """A checkpoint of that many tiny variables, by our own writer (a data file without them)."""
    import numpy as np

    import tfartifacts as tfa
    from tfartifacts.dtypes import dtype_from_name
    from tfartifacts.formats.tensor_data import ArrayTensor

    float32 = dtype_from_name("float32")
    value = ArrayTensor(float32, (2, 3), np.zeros((2, 3), np.float32))
    variables = {}
    for number in range(num_variables):
        name = f"model/layer_{number // 10:05d}/block/dense_{number % 10}/kernel"
        variables[name] = tfa.Variable(name, float32, (2, 3), value)
    tfa.save(tfa.Checkpoint("", "V2", 1, variables), prefix)


def _seconds(python: str, code: tuple[str, str], prefix: str, count: int) -> float:
    text = _TIMED.format(imports=code[0], listing=code[1].format(prefix=prefix), count=count)
    completed = subprocess.run(
        [python, "-c", text], capture_output=True, text=True, check=True, timeout=600
    )
    return float(completed.stdout.splitlines()[-1])


def run(pairs: int) -> None:
    theirs = tensorflow("2.21")
    rows = []
    medians = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            prefix = str(Path(folder) / str(size) / "model")
            write_checkpoint(prefix, size)
            ours, peers = [], []
            for _ in range(pairs):
                ours.append(_seconds(sys.executable, _OURS, prefix, size))
                if theirs is not None:
                    peers.append(_seconds(theirs, _THEIRS, prefix, size))
            medians[size] = statistics.median(ours)
            row = [f"{size:,}", f"{medians[size] * 1000:.1f}"]
            if peers:
                found = statistics.median(a / b for a, b in zip(ours, peers, strict=True))
                verdict = "met" if found <= TARGET else "MISSED"
                row += [f"{statistics.median(peers) * 1000:.1f}", f"{found:.3f}", verdict]
            rows.append(row)
    print(f"\nlisting variables, in process: {pairs} runs of each, in turn")  # noqa: T201
    if theirs is None:
        print("TensorFlow 2.21 is not installed: left out")  # noqa: T201
    headers = ("variables", "ours ms", "tf.train.list_variables ms", "ratio", f"at most {TARGET}")
    print(tabulate(rows, headers, disable_numparse=True))  # noqa: T201
    growth = medians[SIZES[1]] / medians[SIZES[0]]
    verdict = "met" if growth <= 16 else "MISSED"
    print(f"ten times the variables take {growth:.1f} times as long: {verdict} (at most 16)")  # noqa: T201
