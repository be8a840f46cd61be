"""Exporting 1 GiB as safetensors and as NumPy's files, and importing it, against copying it.

A copy is neither on the disk when `cp` ends nor read again; what is written by us is both, so that
a copy that is waited for (`sync`) stands beside.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import Command, print_table, run_in_turn
from benchmarks.writing import WRITING

TARGET = 1.25  # of a plain copy


def run(pairs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        run_in_turn({"source": [sys.executable, "-c", WRITING, str(source), "keep"]}, 0)
        data, copy = f"{source}/model.data-00000-of-00001", f"{folder}/copy"
        tool = f"{sys.executable} -m tfartifacts"
        export, out = f"{tool} export {source}/model", f"{folder}/out"
        given = f"{folder}/given.safetensors"
        commands: dict[str, Command] = {
            name: ["sh", "-c", line]
            for name, line in {
                "safetensors": f"{export} {out}.safetensors && rm {out}.safetensors",
                "cp": f"cp {data} {copy} && rm {copy}",
                "cp and sync": f"cp {data} {copy} && sync {copy} && rm {copy}",
                "npz": f"{export} {out}.npz && rm {out}.npz",
                "npy": f"{export} {out}/ && rm -r {out}",
                "import": f"{tool} import {given} {out}/m && rm -r {out}",
            }.items()
        }
        run_in_turn({"given": ["sh", "-c", f"test -e {given} || {export} {given}"]}, 0)
        runs = run_in_turn(commands, pairs)
    print_table("1 GiB to and from other formats", runs, "safetensors", {"cp": TARGET})
