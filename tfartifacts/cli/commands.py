"""The commands by name. A command is a function of a module of its own.

Only the command that is asked for is imported: importing all of them would take a tenth of the time
that `inspect` takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from tfartifacts.cli.declaring import Command, Group

# In the order of the help.
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


def load(name: str) -> Command | Group:
    """The command or group of commands of that name."""
    module, _, attribute = COMMANDS[name].partition(":")
    loaded: Command | Group = getattr(import_module(module), attribute)
    return loaded


def called(words: Sequence[str]) -> tuple[Command | None, Sequence[str]]:
    """The command that the words begin with, None for none, and the words after its name."""
    first, second = [*words, "", ""][:2]
    if first not in COMMANDS:
        return None, words
    loaded = load(first)
    if isinstance(loaded, Group):
        return loaded.commands.get(second), words[2:]
    return loaded, words[1:]
