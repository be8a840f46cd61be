"""What cases are made for: where the data is, which peers there are, real sizes or small ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import bert, bundles
from benchmarks.data.place import Dataset
from benchmarks.measuring.cases import Command, Limit, Side
from benchmarks.peers import TENSORFLOW_1, TENSORFLOW_2, Peers

PROJECT = Path(__file__).resolve().parents[2]
_IN_PROCESS = PROJECT / "benchmarks" / "in_process"
SMALL_CHECKPOINT = str(PROJECT / "fixtures" / "digits" / "checkpoints" / "my_model-4")
SMALL_SAVED_MODEL = str(PROJECT / "fixtures" / "digits" / "saved_model")


@dataclass(frozen=True)
class Setting:
    root: str  # of the data
    peers: Peers
    quick: bool = False

    @property
    def out(self) -> str:
        """A folder for what is written, on the file system of the data."""
        return os.path.join(self.root, "out")

    def result(self, name: str) -> str:
        return os.path.join(self.out, name)

    @property
    def plain_bert(self) -> Dataset:
        """1.34 GB in 398 variables."""
        return bert.plain(self.bert_size)

    @property
    def bert_with_adam(self) -> Dataset:
        """4.04 GB in 1,195 variables, and a graph of 29,925 nodes."""
        return bert.with_adam(self.bert_size, self._maker)

    @property
    def narrow_bert_with_adam(self) -> Dataset:
        """As many variables and nodes, in 15 MB: what works at constant memory takes as much."""
        return bert.with_adam(bert.TINY if self.quick else bert.NARROW, self._maker)

    @property
    def bert_as_safetensors(self) -> Dataset:
        return bert.as_safetensors(self.bert_size)

    @property
    def _maker(self) -> str | None:
        """Graphs of 1.15 are read by both."""
        return self.peers.python(TENSORFLOW_1) or self.peers.python(TENSORFLOW_2)

    @property
    def bert_size(self) -> bert.Size:
        return bert.TINY if self.quick else bert.LARGE

    @property
    def bert_prefix(self) -> str:
        return os.path.join(self.plain_bert.path(self.root), bert.PREFIX)

    @property
    def adam_prefix(self) -> str:
        return os.path.join(self.bert_with_adam.path(self.root), bert.ADAM_PREFIX)

    @property
    def narrow_adam_prefix(self) -> str:
        return os.path.join(self.narrow_bert_with_adam.path(self.root), bert.ADAM_PREFIX)

    def variables(self, count: int) -> Dataset:
        return bundles.variables(count)

    def count(self, real: int) -> int:
        """A number of variables or nodes: a hundredth of it in a quick run."""
        return max(10, real // 100) if self.quick else real

    def prefix(self, dataset: Dataset) -> str:
        return os.path.join(dataset.path(self.root), bundles.PREFIX)


def data_file(prefix: str) -> str:
    return f"{prefix}.data-00000-of-00001"


def tool(*arguments: str) -> Command:
    """The command line of the project."""
    return (sys.executable, "-m", "tfartifacts", *arguments)


def program(name: str, *arguments: str, python: str = sys.executable) -> Command:
    """One of `in_process`."""
    return (python, str(_IN_PROCESS / f"{name}.py"), *arguments)


def command(name: str, *steps: Command) -> Side:
    return Side(name, steps)


def in_process(
    name: str,
    program_name: str,
    *arguments: str,
    python: str = sys.executable,
    most_runs: int | None = None,
) -> Side:
    step = program(program_name, *arguments, python=python)
    return Side(name, (step,), in_process=True, most_runs=most_runs)


def there(sides: Iterable[Side | None]) -> tuple[Side, ...]:
    """Without those of peers that are not installed."""
    return tuple(side for side in sides if side is not None)


def missing(limits: Iterable[Limit], peers: Peers) -> tuple[str, ...]:
    """Peers that limits compare with, and that are not installed."""
    named = dict.fromkeys(limit.needs for limit in limits if limit.needs)
    return tuple(name for name in named if peers.python(name) is None)
