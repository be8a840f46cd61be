"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

FollowExternal = Annotated[
    bool,
    typer.Option(
        "--follow-external", help="Follow a state file's paths out of its folder as well."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print tracebacks of errors.")]
