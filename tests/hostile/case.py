"""A hostile case: files whose checksums are right and whose contents are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

# What a case's path is to TensorFlow: a checkpoint prefix, a `.meta` file, a frozen graph, the
# folder of a SavedModel, a folder with a state file.
FORMS = ("checkpoint", "meta", "graph", "saved_model", "state")


@dataclass(frozen=True)
class Refused:
    """An error of ours: the name of its class, and a part of what it says."""

    error: str
    says: str


@dataclass(frozen=True)
class Read:
    """What is read, by name: a variable's values, a node's op; None: not looked at."""

    contents: Mapping[str, object] | None = None


@dataclass(frozen=True)
class Case:
    """Files, and what has to come of them.

    `write` makes them in an empty folder, beside which `outside/` is no part of the artifact;
    `opened` is the path in that folder that is passed. `reason` says why we read something else
    than TensorFlow does, `leads_out` that a link of the artifact itself is followed out of it.
    `seconds` of the processor and so many bytes of `memory` are allowed.
    """

    group: str
    name: str
    what: str
    write: Callable[[Path], object]
    expected: Refused | Read
    opened: str = "m"
    form: str = "checkpoint"
    reason: str = ""
    leads_out: bool = False
    seconds: float = 1.0
    memory: int = 200 << 20

    @property
    def id(self) -> str:
        return f"{self.group}/{self.name}"


def refused(says: str, error: str = "FormatError") -> Refused:
    return Refused(error, says)


@dataclass(frozen=True)
class Group:
    """Cases of one class, as robustness is told of: a heading and a sentence."""

    name: str
    about: str
    cases: tuple[Case, ...] = field(repr=False)
