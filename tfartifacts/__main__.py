"""`tfartifacts`, and `python -m tfartifacts`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    import gc

    # What a command builds it keeps until the end: looking for garbage in it is lost time, and
    # most of all once more at the end (16 of 140 ms).
    gc.set_threshold(1_000_000, 50, 50)
    code = run(sys.argv[1:])
    gc.freeze()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run a command line; gives its exit code."""
    from tfartifacts.cli.errors import guarded

    return guarded(lambda: _command(arguments), command=arguments[:1], debug="--debug" in arguments)


def _command(words: list[str]) -> int:
    from tfartifacts.cli.commands import called
    from tfartifacts.cli.errors import USAGE
    from tfartifacts.cli.plain import plain

    command, rest = called(words)
    if command is not None and (given := plain(command, rest)) is not None:
        return command(**given)
    from tfartifacts.cli.app import application

    # Not "standalone": errors come to us, and what a command returns is its exit code.
    app = application(words)
    code = app(words or ["--help"], prog_name="tfartifacts", standalone_mode=False)
    return int(code or 0) if words else USAGE


if __name__ == "__main__":
    main()
