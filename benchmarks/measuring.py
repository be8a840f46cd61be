"""Run commands in turn and compare: medians, ratios pair by pair, peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tabulate import tabulate

from tests.judges import installations

Command = Sequence[str]


@dataclass
class Runs:
    """What the runs of one command took."""

    seconds: list[float] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)


def tensorflow(version: str) -> str | None:
    """The Python of a TensorFlow installation, None where there is none."""
    (installation,) = (i for i in installations.INSTALLATIONS if i.version == version)
    python, _ = installations.find(installation)
    return None if python is None else str(python)


def run_in_turn(commands: Mapping[str, Command], pairs: int) -> dict[str, Runs]:
    """Run all commands once unmeasured, then `pairs` times in turn."""
    runs = {name: Runs() for name in commands}
    for count in range(pairs + 1):
        for name, command in commands.items():
            seconds, peak = _run(command)
            if count:
                runs[name].seconds.append(seconds)
                runs[name].peak_bytes.append(peak)
    return runs


def _run(command: Command) -> tuple[float, int]:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"failed with {process.returncode}: {' '.join(command)}")
    return seconds, usage.ru_maxrss * 1024


def ratio(first: Runs, second: Runs) -> float:
    """The median of first/second, pair by pair."""
    return statistics.median(a / b for a, b in zip(first.seconds, second.seconds, strict=True))


def print_table(
    title: str, runs: Mapping[str, Runs], base: str, targets: Mapping[str, float]
) -> None:
    """Median, spread and peak memory of each; the ratio of `base` to each, and its target."""
    print(f"\n{title}: {len(runs[base].seconds)} runs of each, in turn")  # noqa: T201
    rows = []
    for name, item in runs.items():
        target = targets.get(name)
        found = ratio(runs[base], item)
        verdict = ""
        if target is not None:
            verdict = f"{'met' if found <= target else 'MISSED'} (at most {target:g})"
        rows.append(
            (
                name,
                f"{statistics.median(item.seconds) * 1000:.1f}",
                f"{min(item.seconds) * 1000:.1f}-{max(item.seconds) * 1000:.1f}",
                f"{statistics.median(item.peak_bytes) / 2**20:.0f}",
                f"{found:.3f}",
                verdict,
            )
        )
    headers = ("command", "median ms", "min-max", "peak MiB", f"{base} / it", "target")
    right = ("left", "right", "right", "right", "right", "left")
    print(tabulate(rows, headers, disable_numparse=True, colalign=right))  # noqa: T201


def project_file(*parts: str) -> str:
    return str(Path(__file__).resolve().parents[1].joinpath(*parts))
