"""The typer application. A command is a function of a module of its own, registered here."""

from __future__ import annotations

from typing import Annotated

import typer

from tfartifacts import __version__
from tfartifacts.cli.convert import convert
from tfartifacts.cli.inspect import inspect

# Plain help and plain errors: rich takes as long to import as `inspect` takes altogether.
app = typer.Typer(
    name="tfartifacts",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(inspect)
app.command()(convert)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tfartifacts {__version__}")
        raise typer.Exit


@app.callback()
def tfartifacts(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Read, explain and convert what TensorFlow left on disk, without TensorFlow.

    \b
    Examples:
      tfartifacts inspect checkpoints/
      tfartifacts inspect export/saved_model.pb --json
      tfartifacts convert checkpoints/ export/
    """
