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

    return guarded(lambda: _command(arguments), debug="--debug" in arguments)


def _command(arguments: list[str]) -> int:
    from tfartifacts.cli.app import application
    from tfartifacts.cli.errors import USAGE

    # Not "standalone": errors come to us, and what a command returns is its exit code.
    app = application(arguments)
    code = app(arguments or ["--help"], prog_name="tfartifacts", standalone_mode=False)
    return int(code or 0) if arguments else USAGE


if __name__ == "__main__":
    main()
