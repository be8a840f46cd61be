"""What there is to say about an artifact, in the order in which it is read, in no format yet.

Modules named after what they tell (checkpoint_blocks, graph_blocks, ...) make blocks of a
document; `text`, `markdown` and `html` lay them out. Text in blocks is as it was found: escaping
is for whoever lays it out.

They are named tuples because dataclasses take four times as long to define: 3 ms of what `inspect`
takes to start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tfartifacts.report.tables import Column

LABEL_WIDTH = 14


class Heading(NamedTuple):
    """What follows is about an artifact (`level` 1) or a part of it (2)."""

    text: str
    level: int = 2


class Statement(NamedTuple):
    """A sentence that takes the place of a part: why there is none."""

    text: str


class Facts(NamedTuple):
    """Labels and values; those without a value are left out."""

    facts: Sequence[tuple[str, str]]
    label_width: int = LABEL_WIDTH  # where labels and values are aligned


class Notes(NamedTuple):
    """What is odd, a sentence each."""

    notes: Sequence[str]


class Table(NamedTuple):
    """Rows under a title, as many as the reader wants; `empty` is said where there are none.

    One without a title belongs to the facts before it, and is shown whole.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    empty: str = ""


class Command(NamedTuple):
    """A command line to be copied, in words that are not quoted yet."""

    title: str
    words: Sequence[str]


class Values(NamedTuple):
    """The elements of an array: its name, type and shape, what is to say of them, their picture.

    `lines` is empty where they cannot be read, which one of the `remarks` says.
    """

    name: str
    about: Sequence[str]
    remarks: Sequence[str]
    lines: Sequence[str]


Block = Heading | Statement | Facts | Notes | Table | Command | Values
