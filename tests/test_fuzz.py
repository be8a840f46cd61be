"""The fuzz targets without a fuzzer: their seeds, and a few thousand changed ones."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys

import pytest

from tests.conftest import PROJECT
from tests.fuzz.__main__ import MISSING_EXTRA, NAMES
from tests.fuzz.mutation import repaired, scramble
from tests.fuzz.targets import TARGETS
from tfartifacts.errors import ChecksumError, FormatError
from tfartifacts.formats.table import open_table
from tfartifacts.storage.files import BytesSource

CHANGES = 200  # of each target


def test_the_command_knows_every_target() -> None:
    assert list(NAMES) == list(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_mostly_accepted_and_fit(name: str) -> None:
    target = TARGETS[name]
    seeds = target.seeds()
    accepted = [target.examine(data) for data in seeds]
    assert sum(accepted) > 0.8 * len(seeds) > 0
    assert max(map(len, seeds)) <= target.most_bytes


@pytest.mark.parametrize("name", TARGETS)
def test_changed_seeds_keep_every_promise(name: str) -> None:
    target = TARGETS[name]
    seeds = target.seeds()
    source = random.Random(name)
    mutate = scramble(source)
    accepted = changed = 0
    for _ in range(CHANGES):
        seed = source.choice(seeds)
        data = seed
        for _ in range(source.choice((1, 1, 2, 4))):
            data = target.change(data, mutate, source, target.most_bytes)
            assert len(data) <= target.most_bytes
        changed += data != seed
        accepted += target.examine(data)
    assert changed > 0.8 * CHANGES
    # What is refused at once shows little.
    assert accepted > 0.03 * CHANGES


def test_changes_of_tables_get_past_the_checksums() -> None:
    target = TARGETS["bundle"]
    source = random.Random(0)
    seeds = target.seeds()
    damaged = 0
    for _ in range(CHANGES):
        data = target.change(source.choice(seeds), scramble(source), source, target.most_bytes)
        try:
            list(open_table(BytesSource("", data)).entries())
        except ChecksumError:
            damaged += 1
        except FormatError:
            continue
    assert damaged < 0.15 * CHANGES


def test_a_repaired_table_has_its_checksums_again() -> None:
    whole = TARGETS["table"].seeds()[-1]
    assert repaired(whole) == whole
    first, _ = list(open_table(BytesSource("", whole)).entries())[1]
    position = whole.index(first)
    changed = whole[:position] + b"\x01" + whole[position + 1 :]
    with pytest.raises(ChecksumError):
        list(open_table(BytesSource("", changed)).entries())
    keys = [key for key, _ in open_table(BytesSource("", repaired(changed))).entries()]
    assert keys[1] == b"\x01" + first[1:]


def test_without_the_fuzzer_the_command_says_what_to_install() -> None:
    if importlib.util.find_spec("atheris") is not None:
        pytest.skip("atheris is installed")
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "snappy", "--runs", "10"],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
        timeout=60,
    )
    assert run.returncode == MISSING_EXTRA
    assert "pip install atheris" in run.stderr


def test_one_input_is_tried_without_the_fuzzer() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "bundle", "fixtures/dtypes/dtypes.index"],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
        timeout=60,
    )
    assert run.stdout == "fixtures/dtypes/dtypes.index: accepted\n"
