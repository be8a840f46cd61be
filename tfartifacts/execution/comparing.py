"""The outputs of two artifacts on one feed, compared bit for bit, in one process of TensorFlow.

    planning.plan    which signatures, what is fed; refuses what cannot be compared
    run_source       the source's outputs; of a conversion before its result is written
    compare_result   the result's, and how they differ

TensorFlow's own optimizer is off in both: it may compute conv(x, w * c) for conv(x, w) * c where w
is a constant, as in a frozen graph, and so change the last bits of what is the same graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tfartifacts.convert import SavedModelOptions
from tfartifacts.errors import ExecutionError
from tfartifacts.execution.differences import OutputComparison, compared
from tfartifacts.execution.loading import Loading, loaded
from tfartifacts.execution.planning import Plan, plan
from tfartifacts.model import Artifact
from tfartifacts.records import replace

Outputs = Mapping[str, list[Any]]  # of each signature, in the order of its Call
Progress = Callable[[int, int], None]


def run_source(planned: Plan, progress: Progress | None = None) -> Outputs:
    """The source's outputs. Raises ExecutionError, which names the inputs that were made up."""
    hint = ""
    if planned.made_up:
        keys = ", ".join(planned.made_up)
        hint = f" on values made up for {keys} (others: --feed KEY=VALUE)"
    with _doing(f"running the source{hint}"), loaded(planned.source, planned.loading) as session:
        found = {}
        for number, (name, call) in enumerate(planned.calls.items()):
            feeds = {**call.given(), **call.fixed}
            found[name] = session.run([tensor for _, tensor in call.outputs], feeds)
            if progress is not None:
                progress(number + 1, len(planned.calls))
    return found


def compare_result(
    planned: Plan, result: Artifact, expected: Outputs, progress: Progress | None = None
) -> tuple[OutputComparison, ...]:
    """Each output of the result beside the source's. Raises ExecutionError."""
    found = {}
    with _doing("running the result"), loaded(result, Loading(as_written=True)) as session:
        for number, (name, call) in enumerate(planned.calls.items()):
            found[name] = session.run([tensor for _, tensor in call.outputs], call.given())
            if progress is not None:
                progress(number + 1, len(planned.calls))
    rows = _rows(planned, expected, found)
    if all(row.equal for row in rows):
        return rows
    # What differs from itself says nothing of the result: random ops, the time.
    again = _rows(planned, expected, run_source(planned))
    return tuple(
        replace(row, repeatable=other.equal) for row, other in zip(rows, again, strict=True)
    )


def compare(
    source: Artifact,
    result: Artifact,
    feeds: Mapping[str, Any] | None = None,
    *,
    options: SavedModelOptions | None = None,
    tags: Iterable[str] | None = None,
) -> tuple[OutputComparison, ...]:
    """Each output of each signature, as the source and as the result compute it.

    Arguments as for plan. Raises ExecutionError with TensorFlow's reason, MissingDependencyError
    without TensorFlow.
    """
    planned = plan(source, result, feeds, options=options, tags=tags)
    return compare_result(planned, result, run_source(planned))


@contextmanager
def _doing(what: str) -> Iterator[None]:
    """Say in an error of TensorFlow's what was being done."""
    try:
        yield
    except ExecutionError as error:
        error.message = f"{what}: {error.message}"
        raise


def _rows(planned: Plan, expected: Outputs, found: Outputs) -> tuple[OutputComparison, ...]:
    return tuple(
        compared(name, key, tensor, one, other)
        for name, call in planned.calls.items()
        for (key, tensor), one, other in zip(call.outputs, expected[name], found[name], strict=True)
    )
