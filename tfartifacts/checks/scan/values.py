"""Strings among the variables of a checkpoint: a graph in one is read, never run by restoring."""

from __future__ import annotations

from collections.abc import Iterator

from tfartifacts.checks.findings import Severity
from tfartifacts.checks.scan.capabilities import RULES, Capability
from tfartifacts.checks.scan.graphs import Found
from tfartifacts.checks.scan.payloads import may_hold_graph, search
from tfartifacts.checks.scan.rows import Reach, Row
from tfartifacts.errors import PathNotFoundError, TfArtifactsError
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.values import TensorValue

MOST_BYTES = 1 << 24  # of one variable
_TYPES = frozenset({"string", "variant"})


def scan_values(checkpoint: Checkpoint, found: Found) -> None:
    """Add notes for graphs in the string and variant variables of a checkpoint."""
    for name, variable in checkpoint.variables.items():
        if variable.dtype.name not in _TYPES or variable.nbytes > MOST_BYTES:
            continue
        try:
            for value in variable.values:
                for string in _strings(value):
                    _look_into(name, string, checkpoint, found)
        except PathNotFoundError:
            return  # its data is elsewhere: nothing of it can be loaded either
        except TfArtifactsError as error:
            found.problems.append(error)


def _strings(value: TensorValue) -> Iterator[bytes]:
    strings = getattr(value, "strings", None)
    if strings is not None and value.dtype.name == "string":
        yield from strings()
    else:
        yield b"".join(bytes(piece) for piece in value.stored())


def _look_into(name: str, string: bytes, checkpoint: Checkpoint, found: Found) -> None:
    if not may_hold_graph(string) or found.budget.exceeded:
        return
    result = search(string, found.known_ops, found.budget)
    for nested in result.found:
        found.num_nested_graphs += 1
        for node in nested.nodes:
            rule = RULES.get(node.op)
            if rule is not None and rule.capability is not Capability.WRITE_LOG:
                row = Row(
                    severity=Severity.NOTE,
                    capability=rule.capability,
                    op=node.op,
                    nodes=(),
                    num_nodes=0,
                    reach=Reach.BESIDE,
                    explanation=f"{rule.does}; it is in a value of the checkpoint",
                    nesting=(name, *nested.nesting),
                    part=checkpoint.path,
                )
                found.add(row, node.name)
