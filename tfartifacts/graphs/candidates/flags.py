"""The proposal alone: the tensors to feed and to fetch, and how `convert` is told of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tfartifacts.graphs.candidates.candidate import INPUT, OUTPUT, Candidates
from tfartifacts.graphs.edges import parse_input


def proposed(found: Candidates) -> tuple[list[str], list[str]]:
    """Names of the tensors to feed and of those to fetch, best first."""
    inputs = [item.name for item in found.inputs if item.role == INPUT and item.connected]
    outputs = [item.name for item in found.outputs if item.role == OUTPUT]
    return inputs, outputs


def as_flags(found: Candidates) -> list[str]:
    """The proposal as arguments of `convert`: `["--inputs", "x:0", "--outputs", "y:0"]`.

    Each option takes one tensor and is repeated for the next. A key is written out (`x_1=b/x:0`)
    only where the node names' last components collide. Empty without an output to propose:
    `convert` takes no inputs alone.
    """
    inputs, outputs = proposed(found)
    if not outputs:
        return []
    return [*_repeated("--inputs", inputs), *_repeated("--outputs", outputs)]


def _repeated(option: str, names: Sequence[str]) -> list[str]:
    return [word for mapping in _with_keys(names) for word in (option, mapping)]


def _with_keys(names: Sequence[str]) -> list[str]:
    last = [parse_input(name).node.rpartition("/")[2] for name in names]
    times = Counter(last)
    taken = {key for key in last if times[key] == 1}
    numbers: Counter[str] = Counter()
    mappings: list[str] = []
    for name, key in zip(names, last, strict=True):
        if times[key] == 1:
            mappings.append(name)
            continue
        unique = key
        while unique in taken:
            numbers[key] += 1
            unique = f"{key}_{numbers[key]}"
        taken.add(unique)
        mappings.append(f"{unique}={name}")
    return mappings
