"""Memory does not grow with the tensors: each of these goes through one of 64 MiB."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tfartifacts as tfa

MIB = 1 << 20


def opened(path: Path) -> tfa.Checkpoint:
    found = tfa.open(path)
    assert isinstance(found, tfa.Checkpoint)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints `small` and `large`, each with another of the same form: `small-2`, `large-2`."""
    folder = tmp_path_factory.mktemp("memory")
    for name, rows in (("small", 1), ("large", 64)):
        for suffix, first in (("", 0.0), ("-2", 1.0)):
            elements = np.full((rows, 1 << 18), first, np.float32)
            checkpoint = tfa.Checkpoint.from_arrays({"w": elements, "step": 1})
            tfa.save(checkpoint, folder / f"{name}{suffix}")
        tfa.export(opened(folder / name), folder / f"{name}.safetensors")
    return folder


def verify(source: Path, result: Path) -> None:
    assert tfa.verify(source).is_readable


def copy(source: Path, result: Path) -> None:
    tfa.save(opened(source), result / "m")


def rename(source: Path, result: Path) -> None:
    tfa.save(tfa.edit(opened(source), tfa.Edits(names={"w": "v"})), result / "m")


def cast(source: Path, result: Path) -> None:
    tfa.save(tfa.edit(opened(source), tfa.Edits(cast="bfloat16")), result / "m")


def average(source: Path, result: Path) -> None:
    others = source.with_name(source.name + "-2")
    tfa.save(tfa.average([opened(source), opened(others)]), result / "m")


def diff(source: Path, result: Path) -> None:
    others = source.with_name(source.name + "-2")
    assert not tfa.diff(opened(source), opened(others), values="exact").equal


def statistics(source: Path, result: Path) -> None:
    tfa.statistics(opened(source))


def safetensors(source: Path, result: Path) -> None:
    tfa.export(opened(source), result / "m.safetensors")


def npz(source: Path, result: Path) -> None:
    tfa.export(opened(source), result / "m.npz")


def import_(source: Path, result: Path) -> None:
    incoming = tfa.import_checkpoint(source.with_name(source.name + ".safetensors"))
    tfa.save(incoming, result / "m")


def salvage(source: Path, result: Path) -> None:
    tfa.save(tfa.salvage(source).checkpoint, result / "m")


def peak_of(operation: Callable[[Path, Path], None], source: Path, result: Path) -> int:
    result.mkdir()
    tracemalloc.start()
    try:
        operation(source, result)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "operation",
    [verify, copy, rename, cast, average, diff, statistics, safetensors, npz, import_, salvage],
    ids=lambda operation: operation.__name__,
)
def test_memory_does_not_grow_with_a_tensor(
    operation: Callable[[Path, Path], None], folder: Path, tmp_path: Path
) -> None:
    small = peak_of(operation, folder / "small", tmp_path / "small")
    large = peak_of(operation, folder / "large", tmp_path / "large")
    assert large < small + 8 * MIB  # of 64 MiB
