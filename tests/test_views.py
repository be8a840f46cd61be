"""Arrays that are the file itself: the same values, no copy, and the same errors as reading."""

from __future__ import annotations

import os
import tracemalloc
from mmap import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tfartifacts.errors import ChecksumError, FormatError, PathNotFoundError

DATA = "m.data-00000-of-00001"


def opened(path: Path) -> tfa.Checkpoint:
    found = tfa.open(path)
    assert isinstance(found, tfa.Checkpoint)
    return found


def saved(folder: Path, **arrays: Any) -> tfa.Checkpoint:
    tfa.save(tfa.Checkpoint.from_arrays(arrays), folder / "m")
    return opened(folder / "m")


def is_the_file(array: Any) -> bool:
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return isinstance(getattr(array, "obj", array), mmap)


def same(first: Any, second: Any) -> bool:
    if first.dtype == object:
        return bool(first.shape == second.shape and first.tolist() == second.tolist())
    alike = first.dtype == second.dtype and first.shape == second.shape
    return bool(alike and first.tobytes() == second.tobytes())


@pytest.mark.parametrize("check", [True, False])
def test_views_of_one_file_are_one_mapping_and_no_copy(check: bool, tmp_path: Path) -> None:
    checkpoint = saved(
        tmp_path, a=np.arange(6, dtype=np.float32).reshape(2, 3), b=np.arange(3), c=1.5
    )
    before = len(os.listdir("/proc/self/fd"))
    views = checkpoint.views(check=check)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    for name, array in views.items():
        assert same(array, checkpoint.variables[name].read())
        assert is_the_file(array), name
        assert not array.flags.writeable
    again = checkpoint.variables["a"].view(check=check)
    assert np.shares_memory(again, views["a"])
    del again, views, array
    assert len(os.listdir("/proc/self/fd")) == before


def test_every_type_and_layout_has_a_view(fixtures: Path) -> None:
    num_copied = num_mapped = 0
    for index in sorted(fixtures.rglob("*.index")):
        try:
            checkpoint = opened(index)
        except tfa.TfArtifactsError:
            continue
        for variable in checkpoint.variables.values():
            try:
                expected = variable.read()
            except tfa.TfArtifactsError as error:
                with pytest.raises(type(error)):
                    variable.view()
                continue
            array = variable.view()
            assert same(array, expected), (index, variable.name)
            assert not array.flags.writeable
            num_mapped += is_the_file(array)
            num_copied += not is_the_file(array)
    assert num_copied > 10
    assert num_mapped > 100


def test_what_does_not_lie_as_its_type_needs_is_copied(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, a=np.zeros(3, np.uint8), b=np.ones(4, np.float32))
    assert is_the_file(checkpoint.variables["a"].view())
    copied = checkpoint.variables["b"].view()
    assert not is_the_file(copied)
    assert copied.tolist() == [1.0] * 4
    assert copied.flags.aligned
    assert not copied.flags.writeable


def test_damage_is_found_unless_that_is_not_wanted(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, a=np.zeros(4, np.float32), b=np.zeros(4, np.float32))
    with open(tmp_path / DATA, "r+b") as file:
        file.seek(17)
        file.write(b"\x01")
    for jobs in (1, 2):
        with pytest.raises(ChecksumError, match="byte 16"):
            checkpoint.views(jobs=jobs)
    assert checkpoint.variables["a"].view().tolist() == [0.0] * 4
    assert checkpoint.variables["b"].view(check=False)[0] != 0


@pytest.mark.parametrize("check", [True, False])
def test_a_file_that_is_too_short_or_missing_is_told_at_once(check: bool, tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, a=np.zeros(4, np.float32), b=np.zeros(4, np.float32))
    os.truncate(tmp_path / DATA, 20)
    assert checkpoint.variables["a"].view(check=check).size == 4
    with pytest.raises(FormatError, match="truncated"):
        checkpoint.variables["b"].view(check=check)
    (tmp_path / DATA).unlink()
    with pytest.raises(PathNotFoundError):
        checkpoint.variables["a"].view(check=check)


def test_a_view_outlives_the_name_of_its_file(tmp_path: Path) -> None:
    view = saved(tmp_path, a=np.arange(4, dtype=np.float32)).variables["a"].view()
    (tmp_path / DATA).unlink()
    assert view.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("jobs", [1, 3])
def test_memory_does_not_grow_with_what_is_viewed(jobs: int, tmp_path: Path) -> None:
    block = np.ones((8, 1 << 20), np.float32)
    checkpoint = saved(tmp_path, a=block, b=block, c=block)
    checkpoint.variables["a"].view(check=False)  # loads what is imported
    tracemalloc.start()
    views = checkpoint.views(jobs=jobs)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20  # of 96 MiB
    assert views["b"].sum() == block.size
