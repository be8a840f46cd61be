"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

FollowExternal = Annotated[
    bool,
    typer.Option(
        "--follow-external",
        help="Follow paths that a state file or a graph names out of its folder as well.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print tracebacks of errors.")]


def split(options: Iterable[str]) -> list[str]:
    """The parts of comma-separated, repeated options."""
    return [part.strip() for option in options for part in option.split(",") if part.strip()]
