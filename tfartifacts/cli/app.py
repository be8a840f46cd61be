"""The typer application. A command is a function of a module of its own, named here.

Only the command that is asked for is imported: building the options of all of them would take a
tenth of the time that `inspect` takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from tfartifacts import __version__

# In the order of the help. What is a typer.Typer is a group of commands.
COMMANDS = {
    "inspect": "tfartifacts.cli.inspect:inspect",
    "verify": "tfartifacts.cli.verify:verify",
    "scan": "tfartifacts.cli.scan:scan",
    "convert": "tfartifacts.cli.convert:convert",
    "run": "tfartifacts.cli.run:run",
    "diff": "tfartifacts.cli.diff:diff",
    "stats": "tfartifacts.cli.stats:stats",
    "edit": "tfartifacts.cli.edit:edit",
    "average": "tfartifacts.cli.average:average",
    "export": "tfartifacts.cli.export:export",
    "import": "tfartifacts.cli.import_file:import_file",
    "salvage": "tfartifacts.cli.salvage:salvage",
    "manifest": "tfartifacts.cli.manifest:manifest",
    "state": "tfartifacts.cli.state:state",
    "signature": "tfartifacts.cli.signature:signature_app",
    "tags": "tfartifacts.cli.signature:tags_app",
}


def application(arguments: Sequence[str]) -> typer.Typer:
    """The application with the command that comes first, or with all where none does.

    All are needed for help, for completion, and to say what a mistyped one may have meant.
    """
    # Plain help and plain errors: rich takes as long to import as `inspect` takes altogether.
    app = typer.Typer(
        name="tfartifacts",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(tfartifacts)
    first = arguments[0] if arguments else ""
    for name in [first] if first in COMMANDS else COMMANDS:
        module, _, attribute = COMMANDS[name].partition(":")
        command = getattr(import_module(module), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command)
        else:
            app.command(name)(command)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tfartifacts {__version__}")
        raise typer.Exit


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
      tfartifacts scan export/
      tfartifacts convert checkpoints/ export/
      tfartifacts export checkpoints/ model.safetensors --strip-optimizer
      tfartifacts run export/ --inputs image=digits.npy
    """
