"""A cold `inspect`: the whole process, against TensorFlow's own tools and an empty Python."""

from __future__ import annotations

import sys

from benchmarks.measuring import print_table, project_file, run_in_turn, tensorflow


def run(pairs: int) -> None:
    prefix = project_file("fixtures", "digits", "checkpoints", "my_model-4")
    model = project_file("fixtures", "digits", "saved_model")
    ours = [sys.executable, "-m", "tfartifacts", "inspect"]
    checkpoint = {
        "inspect PREFIX": [*ours, prefix],
        "python -c pass": [sys.executable, "-c", "pass"],
    }
    shown = {"inspect SAVED_MODEL": [*ours, model, "--show", "signatures"]}
    for version in ("2.21", "1.15"):
        python = tensorflow(version)
        if python is None:
            print(f"TensorFlow {version} is not installed: left out")  # noqa: T201
            continue
        tools = [python, "-m", "tensorflow.python.tools"]
        checkpoint[f"inspect_checkpoint {version}"] = [
            *tools[:2],
            f"{tools[2]}.inspect_checkpoint",
            f"--file_name={prefix}",
        ]
        shown[f"saved_model_cli show {version}"] = [
            *tools[:2],
            f"{tools[2]}.saved_model_cli",
            "show",
            "--dir",
            model,
            "--all",
        ]
    print_table(
        "cold inspect of a checkpoint",
        run_in_turn(checkpoint, pairs),
        "inspect PREFIX",
        {"inspect_checkpoint 2.21": 0.04, "inspect_checkpoint 1.15": 0.10, "python -c pass": 6},
    )
    print_table(
        "cold inspect of a SavedModel's signatures",
        run_in_turn(shown, pairs),
        "inspect SAVED_MODEL",
        {"saved_model_cli show 2.21": 0.04},
    )
