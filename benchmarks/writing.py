"""Writing a checkpoint of 1 GiB in blocks, against copying its data file.

A copy is neither on the disk when `cp` ends nor read again; what is written by us is both, so that
a copy that is waited for (`sync`) stands beside.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import Command, print_table, run_in_turn

TARGET = 1.25  # of a plain copy

WRITING = """
import shutil, sys
import numpy as np, tfartifacts as tfa
block = np.random.default_rng(0).standard_normal(1 << 18).astype(np.float32)
with tfa.CheckpointWriter(sys.argv[1] + "/model") as writer:
    for number in range(16):
        writer.add_blocks(f"v{number}", "float32", (64, 1 << 18), (block for _ in range(64)))
if len(sys.argv) < 3:
    shutil.rmtree(sys.argv[1])
"""


def run(pairs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        data, copy = f"{source}/model.data-00000-of-00001", f"{folder}/copy"
        commands: dict[str, Command] = {
            "writer": [sys.executable, "-c", WRITING, f"{folder}/written"],
            "cp": ["sh", "-c", f"cp {data} {copy} && rm {copy}"],
            "cp and sync": ["sh", "-c", f"cp {data} {copy} && sync {copy} && rm {copy}"],
        }
        run_in_turn({"source": [sys.executable, "-c", WRITING, str(source), "keep"]}, 0)
        runs = run_in_turn(commands, pairs)
    print_table("A checkpoint of 1 GiB in blocks", runs, "writer", {"cp": TARGET})
