"""What is found: tensors with their roles."""

from __future__ import annotations

from tfartifacts.dtypes import DType
from tfartifacts.model.values import PartialShape
from tfartifacts.records import dataclass

INPUT, SWITCH, LABEL = "input", "switch", "label"
OUTPUT, ALTERNATIVE = "output", "alternative"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tensor that could be an input or an output.

    `role` of an input: "input" (data), "switch" (a scalar such as keep_prob or is_training) or
    "label" (meets only the loss or the metrics). `role` of an output: "output" (propose it) or
    "alternative" (before or after a better one, or a weak guess). `connected`: the proposed
    outputs depend on this input; always true of outputs. `score` only orders; larger is better.
    """

    name: str
    dtype: DType | None
    shape: PartialShape
    op: str
    role: str
    reason: str
    score: float
    connected: bool = True


@dataclass(frozen=True, slots=True)
class Candidates:
    """Inputs and outputs a graph seems to have, each best first."""

    inputs: tuple[Candidate, ...] = ()
    outputs: tuple[Candidate, ...] = ()
