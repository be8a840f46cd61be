"""What both examples do: run a command and show it, compare predictions before and after."""

# ruff: noqa: T201 - examples talk to the person who runs them.

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Before anything imports TensorFlow: its log lines would hide what the examples print.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np
from classifier import Predict, Predictions, accuracy
from digits import Digits

NUM_SHOWN = 10


@dataclass(frozen=True)
class Options:
    """What the command line says; the working directory is the output folder from then on."""

    mnist: str | None
    num_steps: int
    python: str  # has tfartifacts, which need not share an environment with TensorFlow


def options(description: str) -> Options:
    """Read the command line, make the output folder and change into it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--mnist", metavar="FOLDER", help="MNIST's IDX files, else scikit-learn's")
    parser.add_argument(
        "--out", metavar="DIR", help="a new folder for the output, else a temporary"
    )
    parser.add_argument("--steps", type=int, default=600, help="of training (default: 600)")
    parser.add_argument("--python", default=sys.executable, help="that has tfartifacts, else this")
    arguments = parser.parse_args()
    mnist = None if arguments.mnist is None else str(Path(arguments.mnist).resolve())
    out = Path(arguments.out or tempfile.mkdtemp(prefix="tfartifacts-example-"))
    if out.is_dir() and any(out.iterdir()):
        parser.error(f"{out} is not empty; name a new folder")
    out.mkdir(parents=True, exist_ok=True)
    os.chdir(out)
    print(f"working in {out}")
    return Options(mnist, arguments.steps, arguments.python)


def headline(text: str) -> None:
    """Say what comes next."""
    print(f"\n--- {text}", flush=True)


def show_files(folder: str) -> None:
    """List the files of a folder and below, with their sizes."""
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size:>9,}  {path}")


def tfartifacts(python: str, arguments: Sequence[str]) -> None:
    """Run a tfartifacts command, in sight; the example ends where it fails."""
    print(f"$ tfartifacts {shlex.join(arguments)}", flush=True)
    completed = subprocess.run([python, "-m", "tfartifacts", *arguments], check=False)
    if completed.returncode != 0:
        sys.exit(completed.returncode)


@dataclass(frozen=True)
class Measured:
    """What one loaded model says of all the digits."""

    train: Predictions
    test: Predictions


def measure(predict: Predict, digits: Digits) -> Measured:
    """Predict every digit and print both accuracies."""
    measured = Measured(predict(digits.train_images), predict(digits.test_images))
    print(f"train accuracy {accuracy(measured.train, digits.train_labels):.7f}")
    print(f"test accuracy  {accuracy(measured.test, digits.test_labels):.7f}")
    return measured


def show_ten(measured: Measured, digits: Digits) -> None:
    """Print what was predicted for the first ten test digits, and what they are."""
    print("predicted", *measured.test[:NUM_SHOWN].argmax(axis=1))
    print("real     ", *digits.test_labels[:NUM_SHOWN])


def require_equal(before: Measured, after: Measured) -> None:
    """Exit with 1 unless every prediction is the same, bit for bit."""
    # As bytes: two NaNs are unequal as numbers, and 0.0 equals -0.0.
    same = before.train.tobytes() == after.train.tobytes()
    same = same and before.test.tobytes() == after.test.tobytes()
    if not same:
        furthest = max(
            np.abs(before.train - after.train).max(), np.abs(before.test - after.test).max()
        )
        sys.exit(f"the predictions differ, by up to {furthest:g}")
    num_predictions = len(before.train) + len(before.test)
    print(f"all {num_predictions:,} predictions are the same, bit for bit")
