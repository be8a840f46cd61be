"""Where the data lies: `ROOT/NAME`, there once it is complete."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

VARIABLE = "TFARTIFACTS_BENCHMARK_DATA"


class NotMadeError(Exception):
    """Data that cannot be made here: why, and what to do."""


@dataclass(frozen=True)
class Dataset:
    """Data of one kind and size; two of the same name are the same bytes."""

    name: str  # of its folder; says the recipe's version too
    num_bytes: int  # on the disk, about
    make: Callable[[str], None] = field(compare=False)  # into that empty folder
    why_not: str = ""  # why it cannot be made here

    def path(self, root: str) -> str:
        return os.path.join(root, self.name)

    def is_there(self, root: str) -> bool:
        return os.path.isdir(self.path(root))


def default_root() -> str:
    """`$TFARTIFACTS_BENCHMARK_DATA`, or a folder of the user's cache."""
    if named := os.environ.get(VARIABLE):
        return named
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(Path.home(), ".cache")
    return os.path.join(cache, "tfartifacts-benchmarks")


def to_be_made(datasets: Iterable[Dataset], root: str) -> list[Dataset]:
    """Those that are not there, each once."""
    return [dataset for dataset in dict.fromkeys(datasets) if not dataset.is_there(root)]


def free_bytes(root: str) -> int:
    return shutil.disk_usage(root).free


def make(dataset: Dataset, root: str) -> str:
    """The folder of a dataset, made if it is not there; seen by no one before it is complete.

    Raises NotMadeError where something it needs is missing, or there is no room for it.
    """
    path = dataset.path(root)
    if dataset.is_there(root):
        return path
    if dataset.why_not:
        raise NotMadeError(dataset.why_not)
    if (free := free_bytes(root)) < dataset.num_bytes * 1.05:
        raise NotMadeError(
            f"{dataset.name} needs {size_text(dataset.num_bytes)}, "
            f"{size_text(free)} are free in {root}; --data DIR names another place"
        )
    with tempfile.TemporaryDirectory(prefix=f".{dataset.name}-", dir=root) as staging:
        made = os.path.join(staging, "made")
        os.mkdir(made)
        dataset.make(made)
        os.rename(made, path)
    return path


def size_text(num_bytes: float) -> str:
    """`1.34 GB`: decimal, as disks are sold."""
    for unit in ("bytes", "kB", "MB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.2f} GB"
