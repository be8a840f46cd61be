"""Every damage to what has checksums is told, with a manifest every damage to any file."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import PROJECT
from tests.damage import CASES

PARTS = 3
MOST_SECONDS = 1.0  # of the processor, for one case: scanned and verified
MOST_MEMORY = 200 << 20  # bytes of the whole process


@pytest.mark.parametrize("part", range(PARTS))
def test_damage_is_told(part: int) -> None:
    # A process of its own, so that its memory is that of what verifies.
    cases = os.environ.get("TFARTIFACTS_TOLD_CASES", str(CASES))
    command = ("-m", "tests.damage", "--json", "--cases", cases, "--part", f"{part}/{PARTS}")
    done = subprocess.run(
        [sys.executable, *command], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["peak"] < MOST_MEMORY
    assert len(result["victims"]) == 7
    for tally in result["victims"]:
        assert tally["cases"] > 0.9 * int(cases) // 21, tally
        assert tally["slowest"] < MOST_SECONDS, tally
        if tally["is_checked"]:
            assert tally["told"] == tally["cases"], tally
        if tally["has_manifest"]:
            assert tally["told_with_manifest"] == tally["cases"], tally
