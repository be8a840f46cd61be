"""Random damage against what verifies: `python -m tests.damage [--cases N] [--seed N]`.

Each victim is a file of a fixture; each case damages a copy of it in one way (a bit flipped, bytes
set, ranges cut, zeroed, deleted, inserted, copied elsewhere), then scans and verifies what it
belongs to, with a manifest beside it. Printed is, for each victim, how many were told.
"""

# ruff: noqa: T201 - a program for people at a terminal.

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import tfartifacts as tfa
from tests.conftest import PROJECT
from tests.test_damage import VICTIMS, Victim, damaged
from tfartifacts.checks.findings import Severity

CASES = 5_250  # 250 of each victim
SEED = 20260704


@dataclass
class Tally:
    """Of one victim: damages, those told without and with a manifest, and the slowest, in s.

    `is_checked`: checksums cover every byte. A state file has no manifest: it is meant to change.
    """

    victim: str
    is_checked: bool
    has_manifest: bool
    cases: int = 0
    told: int = 0
    told_with_manifest: int = 0
    slowest: float = 0.0


def told(path: Path) -> set[tuple[str, str]]:
    """Code and message of what is told of a path; any error but ours passes through."""
    with suppress(tfa.TfArtifactsError):
        tfa.scan(path)
    try:
        verification = tfa.verify(path)
    except tfa.TfArtifactsError as error:
        return {("", error.message)}
    return {
        (finding.code, finding.message)
        for finding in verification.findings
        if finding.severity is not Severity.NOTE
    }


def damage(victim: Victim, cases: int, seed: int, folder: Path) -> Tally:
    """Damage a copy of the victim so many times; every case is made of the seed and its number."""
    shutil.copytree(PROJECT / "fixtures" / victim.folder, folder)
    opened = folder if victim.opened == "." else folder / victim.opened
    path = folder / victim.file
    data = path.read_bytes()
    odd = told(opened)  # what is odd about the fixture itself is no damage
    is_state_file = victim.file == "checkpoint" and not victim.is_checked
    if not is_state_file:
        tfa.write_manifest(opened)
    tally = Tally(f"{victim.folder}/{victim.file}", victim.is_checked, not is_state_file)
    source = random.Random(f"{seed} {victim}")
    for _ in range(cases):
        changed = damaged(source, data)
        if changed == data:
            continue
        path.write_bytes(changed)
        start = time.process_time()
        found = told(opened) - odd
        tally.slowest = max(tally.slowest, time.process_time() - start)
        tally.cases += 1
        tally.told += any(not code.startswith("manifest-") for code, _ in found)
        tally.told_with_manifest += bool(found)
    return tally


def peak_memory() -> int:
    """The most memory this process had, in bytes; getrusage counts what its parent had, too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise OSError("/proc/self/status does not tell VmHWM")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--part", default="0/1", help="I/N: the victims I, I + N, I + 2 N ...")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    part, parts = map(int, arguments.part.split("/"))
    tallies = []
    with tempfile.TemporaryDirectory() as scratch:
        for number, victim in enumerate(VICTIMS[part::parts]):
            folder = Path(scratch) / str(number)
            tallies.append(damage(victim, arguments.cases // len(VICTIMS), arguments.seed, folder))
    peak = peak_memory()
    if arguments.json:
        print(json.dumps({"peak": peak, "victims": [asdict(tally) for tally in tallies]}))
        return 0
    print(f"{'file':48} {'damages':>8} {'told':>7} {'with manifest':>14} {'slowest':>8}")
    for tally in tallies:
        whole = f"{tally.told_with_manifest:14}" if tally.has_manifest else f"{'none':>14}"
        print(f"{tally.victim:48} {tally.cases:8} {tally.told:7} {whole} {tally.slowest:7.2f}s")
    print(f"{sum(tally.cases for tally in tallies)} damages, peak {peak >> 20} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
