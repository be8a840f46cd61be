"""What is measured: two or more sides that do the same work, and limits on ours."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.data.place import Dataset

Command = tuple[str, ...]

# What a limit may be on. Memory without a name is the peak of the whole process, its own pages and
# those of files it maps; anonymous memory is its own alone, as it says itself.
SECONDS = "seconds"
PEAK = "peak_bytes"
ANONYMOUS = "anonymous_bytes"


@dataclass(frozen=True)
class Side:
    """One way to do the work."""

    name: str
    steps: tuple[Command, ...]  # processes, one after the other, timed together
    # The last line it prints is a JSON object with its own `seconds`, without its imports.
    in_process: bool = False
    makes: tuple[str, ...] = ()  # removed before each run and after the last, outside of the time
    exit_codes: tuple[int, ...] = (0,)
    most_runs: int | None = None  # where a run takes long; None: as many as there are pairs


@dataclass(frozen=True)
class Limit:
    """What the side `of` may take: `at_most` times what `to` takes, or in all where that is None.

    Without `at_most` the ratio is told and nothing is demanded.
    """

    of: str
    to: str | None
    at_most: float | None
    measure: str = SECONDS
    needs: str = ""  # the peer that `to` is of, named where it is not installed


@dataclass(frozen=True)
class Case:
    """A row of the results: sides that run in turn; the first is ours."""

    name: str
    title: str
    sides: tuple[Side, ...]
    limits: tuple[Limit, ...]
    target: int | None = None  # which of the performance targets; None: for information
    datasets: tuple[Dataset, ...] = ()
    room: int = 0  # bytes that the runs write at the same time, at most
    missing: tuple[str, ...] = ()  # peers left out
    note: str = ""
    most_pairs: int | None = field(default=None)
