"""What notebooks show of variables and checkpoints: small tables in HTML, no value read.

Names come out of files: each goes through model.escape, and nothing in it becomes markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from math import prod
from typing import TYPE_CHECKING

from tfartifacts.model.escape import printable_html

if TYPE_CHECKING:
    from tfartifacts.model.checkpoints import Checkpoint
    from tfartifacts.model.variables import Variable

MOST_ROWS = 20
_TITLES = ("name", "dtype", "shape", "elements", "bytes", "stored")


def checkpoint_table(checkpoint: Checkpoint) -> str:
    """What it is, and its first variables."""
    step = "" if checkpoint.step is None else f", step {checkpoint.step}"
    count = len(checkpoint.variables)
    head = f"<b>Checkpoint</b> {printable_html(checkpoint.path)}"
    summary = (
        f"{checkpoint.format}, {_counted(checkpoint.num_shards, 'shard')}{step}; "
        f"{_counted(count, 'variable')}, {_counted(checkpoint.num_parameters, 'parameter')}"
    )
    table = variable_table(checkpoint.variables.values(), count) if count else ""
    return f"<div>{head}<br>{printable_html(summary)}</div>{table}"


def variable_table(variables: Iterable[Variable], count: int = 1) -> str:
    """The first of `count` variables as a table; how many are left out stands below."""
    rows = [_row(_TITLES, "th")]
    rows += [_row(_cells(variable), "td") for variable in islice(variables, MOST_ROWS)]
    more = f"<div>... {count - MOST_ROWS:,} more</div>" if count > MOST_ROWS else ""
    return f"<table>{''.join(rows)}</table>{more}"


def _row(cells: Sequence[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{printable_html(cell)}</{tag}>" for cell in cells) + "</tr>"


def _cells(variable: Variable) -> tuple[str, ...]:
    stored = _counted(len(variable.slices), "slice") if variable.value is None else "whole"
    return (
        variable.name,
        variable.dtype.name,
        str(variable.shape),
        f"{prod(variable.shape):,}",
        _bytes(variable),
        stored,
    )


def _bytes(variable: Variable) -> str:
    """The bytes it takes; nothing for strings whose size is known only when they are read."""
    if variable.dtype.itemsize is not None:
        return f"{prod(variable.shape) * variable.dtype.itemsize:,}"
    locations = [value.location for value in variable.values]
    sizes = [location.size for location in locations if location is not None]
    return f"{sum(sizes):,}" if len(sizes) == len(locations) else ""


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
