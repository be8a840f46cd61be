"""Make the environment of tensorflow-checkpoint-reader: `python -m benchmarks.peers.install`.

A reader of checkpoints in pure Python (MIT). It needs protobuf before 3.19, whose fast half exists
for Python up to 3.9: so it gets an environment of its own, beside the judges' TensorFlow.
"""

# ruff: noqa: T201 - a program for people at a terminal.

from __future__ import annotations

import shutil
import subprocess
import sys

from benchmarks.peers import CHECKPOINT_READER, READER_FOLDER
from tests.judges.install import find_pythons
from tests.judges.installations import Installation

REQUIREMENTS = ("tensorflow-checkpoint-reader==0.2.2", "protobuf==3.18.3", "numpy<1.24", "six")


def main() -> int:
    """Make it anew; 1 where that does not work."""
    wanted = Installation(CHECKPOINT_READER, REQUIREMENTS, ("3.9", "3.8"))
    python = next(find_pythons(wanted), None)
    if python is None:
        print(f"{CHECKPOINT_READER} needs Python {' or '.join(wanted.pythons)}", file=sys.stderr)
        return 1
    shutil.rmtree(READER_FOLDER, ignore_errors=True)
    pip = [str(READER_FOLDER / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    commands = ([str(python), "-m", "venv", str(READER_FOLDER)], [*pip, *REQUIREMENTS])
    for command in commands:
        if subprocess.run(command, check=False).returncode != 0:
            print(f"failed: {' '.join(command)}", file=sys.stderr)
            return 1
    print(f"{CHECKPOINT_READER}: {READER_FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
