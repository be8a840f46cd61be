"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from tfartifacts.cli.declaring import Option, UsageError
from tfartifacts.report.formats import Format

FollowExternal = Annotated[
    bool,
    Option(
        "--follow-external",
        help="Follow paths that a state file or a graph names out of its folder as well.",
    ),
]
Limit = Annotated[
    int | None,
    Option(
        "--limit",
        min=0,
        metavar="N",
        help="Most rows of a table, 0: all. Default: 40 on a terminal, else all.",
        show_default=False,
    ),
]
Roles = Annotated[
    list[str] | None,
    Option(
        "--role",
        metavar="ROLE,...",
        help="Only variables for this: model, average, optimizer, bookkeeping, copy.",
    ),
]
Jobs = Annotated[
    int | None,
    Option(
        "--jobs",
        min=1,
        max=64,
        metavar="N",
        help="Threads at work, 1: none beside. Default: one for each processor, at most 8.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, Option("--json", help="Write JSON.")]
OutputFormat = Annotated[
    Format | None,
    Option(
        "--format",
        help="What to write: text (default), json (everything, exact), markdown, html (one page "
        "without scripts), csv (one table).",
        show_default=False,
    ),
]
Debug = Annotated[bool, Option("--debug", help="Print tracebacks of errors.")]


def split(options: Iterable[str]) -> list[str]:
    """The parts of comma-separated, repeated options."""
    return [part.strip() for option in options for part in option.split(",") if part.strip()]


def output_format(chosen: Format | None, as_json: bool) -> Format:
    """The format of --format and --json; a usage error where they contradict each other."""
    if as_json and chosen not in (None, Format.JSON):
        raise UsageError(
            f"found --json and --format {chosen.value}, expected one of them",
            option="'--format'",
        )
    return Format.JSON if as_json else chosen or Format.TEXT


def roles(options: Iterable[str] | None) -> list[str] | None:
    """What `--role` asks for; None for all. Raises a usage error for roles there are none of."""
    from tfartifacts.weights.statistics import ROLES

    wanted = split(options or ())
    if unknown := [role for role in wanted if role not in ROLES]:
        raise UsageError(f"no role {unknown[0]!r}; there is {', '.join(ROLES)}", option="'--role'")
    return wanted or None
