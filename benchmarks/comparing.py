"""Statistics of 1.3 GB against TensorFlow's reader with NumPy; a difference against reading.

Statistics in process, imports not counted: seconds of the clock, and of the processor, which a busy
machine disturbs less. A difference as a whole process: one changed element in 1 GiB.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

from benchmarks.measuring import Command, print_table, run_in_turn, tensorflow

TARGET = 0.35  # of TensorFlow's reader and NumPy

_WRITING = """
import sys
import numpy as np, tfartifacts as tfa
block = (0.02 * np.random.default_rng(0).standard_normal(1 << 20)).astype(np.float32)
odd = block.copy()
odd[5] += 1
for name, change in (("a", -1), ("b", 100)):
    with tfa.CheckpointWriter(f"{sys.argv[1]}/{name}") as writer:
        parts = (odd if number == change else block for number in range(256))
        writer.add_blocks("w", "float32", (256, 1 << 20), parts)
with tfa.CheckpointWriter(f"{sys.argv[1]}/model") as writer:
    for number in range(78):
        writer.add_blocks(f"v{number:02}", "float32", (4, 1 << 20), (block for _ in range(4)))
"""
_TIMED = """
import json, os, sys, time
{imports}
start = time.perf_counter(), time.process_time()
{work}
print(json.dumps([time.perf_counter() - start[0], time.process_time() - start[1]]))
"""
_OURS = (
    "import numpy, tfartifacts as tfa; tfa.open; tfa.statistics",
    "tfa.statistics(tfa.open(sys.argv[1]))",
)
_WITHOUT_QUANTILES = (
    _OURS[0],
    "tfa.statistics(tfa.open(sys.argv[1]), quantiles=False)",
)
_THEIRS = (
    "import numpy as np, tensorflow as tf",
    """
reader = tf.train.load_checkpoint(sys.argv[1])
for name in reader.get_variable_to_shape_map():
    x = reader.get_tensor(name)
    (x.min(), x.max(), x.mean(dtype=np.float64), x.std(dtype=np.float64),
     np.isnan(x).sum(), np.isinf(x).sum(), (x == 0).sum())
""",
)


def _seconds(python: str, code: tuple[str, str], prefix: str) -> tuple[float, float]:
    text = _TIMED.format(imports=code[0], work=code[1])
    completed = subprocess.run(
        [python, "-c", text, prefix], capture_output=True, text=True, check=True, timeout=600
    )
    clock, processor = json.loads(completed.stdout.splitlines()[-1])
    return clock, processor


def run(pairs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run_in_turn({"source": [sys.executable, "-c", _WRITING, folder]}, 0)
        _statistics("Statistics", _OURS, str(Path(folder, "model")), pairs)
        without = "Statistics without quantiles"
        _statistics(without, _WITHOUT_QUANTILES, str(Path(folder, "model")), pairs)
        a, b = f"{folder}/a", f"{folder}/b"
        # `diff` ends with 1 where something differs.
        command = f"{sys.executable} -m tfartifacts diff {a} {b}; test $? = 1"
        data = [f"{path}.data-00000-of-00001" for path in (a, b)]
        commands: dict[str, Command] = {
            "diff": ["sh", "-c", command],
            "cat both": ["cat", *data],
            "cmp": ["sh", "-c", f"cmp {data[0]} {data[1]}; test $? = 1"],
        }
        runs = run_in_turn(commands, pairs)
    print_table("One changed element in 1 GiB", runs, "diff", {})


def _statistics(title: str, code: tuple[str, str], prefix: str, pairs: int) -> None:
    judge = tensorflow("2.21")
    if judge is None:
        print("statistics: no TensorFlow 2.21 to compare with")  # noqa: T201
        return
    ours, theirs = [], []
    for count in range(pairs + 1):
        one, other = _seconds(sys.executable, code, prefix), _seconds(judge, _THEIRS, prefix)
        if count:
            ours.append(one)
            theirs.append(other)
    print(f"\n{title} of 1.3 GB, in process: {pairs} runs of each, in turn")  # noqa: T201
    rows = []
    for place, what in enumerate(("clock", "processor")):
        ratio = statistics.median(
            one[place] / other[place] for one, other in zip(ours, theirs, strict=True)
        )
        medians = [statistics.median(run[place] for run in runs) for runs in (ours, theirs)]
        verdict = ("met" if ratio <= TARGET else "MISSED") + f" (at most {TARGET:g})"
        rows.append((what, *(f"{m:.2f}" for m in medians), f"{ratio:.3f}", verdict))
    headers = ("seconds of", "stats", "TensorFlow + NumPy", "ratio", "target")
    print(tabulate(rows, headers, disable_numparse=True))  # noqa: T201
