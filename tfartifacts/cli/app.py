"""The typer application: help, completion, and whatever is said of a mistaken command line."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import wraps
from typing import Annotated, Any

import typer

from tfartifacts import __version__
from tfartifacts.cli.commands import COMMANDS, load
from tfartifacts.cli.declaring import Argument, Command, Group, Option, declarations


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
        loaded = load(name)
        if isinstance(loaded, Group):
            app.add_typer(_group(loaded))
        else:
            app.command(name)(typed(loaded))
    return app


def _group(group: Group) -> typer.Typer:
    app = typer.Typer(name=group.name, help=group.help, rich_markup_mode=None)
    app.callback(help=group.help)(lambda: None)  # without it a single command would be the group
    for name, command in group.commands.items():
        app.command(name)(typed(command))
    return app


def typed(command: Command) -> Command:
    """The command, with its declarations as typer's."""

    @wraps(command)
    def run(**given: Any) -> int:
        return command(**given)

    signature = inspect.signature(command)
    hints = {
        name: Annotated[kind, _typers(declared)]
        for name, (kind, declared) in declarations(command).items()
    }
    run.__annotations__ = hints
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[
            parameter.replace(annotation=hints[name])
            for name, parameter in signature.parameters.items()
        ]
    )
    return run


def _typers(declared: Argument | Option) -> Any:
    if isinstance(declared, Argument):
        return typer.Argument(**declared.keywords)
    return typer.Option(*declared.names, **declared.keywords)


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
