"""How a command's arguments and options are declared, without the parser's library.

    def inspect(paths: Annotated[list[str], Argument(metavar="PATH...", help="...")],
                limit: Annotated[int | None, Option("--limit", min=0, help="...")] = None) -> int:

means what it means in typer. `app` hands the declarations on to typer; `plain` reads the commonest
command lines by them without typer, whose import takes as long as all the rest of an `inspect`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

from tfartifacts.records import dataclass, field

Command = Callable[..., int]
Declared = TypeVar("Declared", bound=Command)


class UsageError(Exception):
    """An option or argument that makes no sense; `option` is the one, in quotes."""

    def __init__(self, message: str, option: str | None = None) -> None:
        super().__init__(message)
        self.option = option

    @property
    def line(self) -> str:
        """As typer says it."""
        message = str(self).rstrip(".")
        return f"invalid value for {self.option}: {message}" if self.option else message


class Argument:
    """A positional argument; the keywords are those of `typer.Argument`."""

    def __init__(self, **keywords: Any) -> None:
        self.keywords = keywords


class Option:
    """An option and its names; the keywords are those of `typer.Option`."""

    def __init__(self, *names: str, **keywords: Any) -> None:
        self.names = names
        self.keywords = keywords


@dataclass(frozen=True, slots=True)
class Group:
    """Commands under a common name: `tfartifacts NAME COMMAND`."""

    name: str
    help: str
    commands: dict[str, Command] = field(default_factory=dict)

    def command(self, name: str) -> Callable[[Declared], Declared]:
        """Declare the function below as a command of the group."""

        def declare(command: Declared) -> Declared:
            self.commands[name] = command
            return command

        return declare


def declarations(command: Command) -> dict[str, tuple[Any, Argument | Option]]:
    """The type and the declaration of each parameter of a command, by its name."""
    hints = get_type_hints(command, include_extras=True)
    del hints["return"]
    declared = {}
    for name, hint in hints.items():
        # Python 3.10 makes Optional of what is None by default.
        annotated = hint if hasattr(hint, "__metadata__") else hint.__args__[0]
        (declaration,) = annotated.__metadata__
        declared[name] = (annotated.__origin__, declaration)
    return declared
