"""The edge: an error becomes one line on standard error, a hint, and an exit code.

  0  done
  1  a finding
  2  usage: an option or argument that makes no sense; a destination that is taken
  3  not found, or not an artifact we support
  4  damaged, so that the answer is incomplete
  5  needs an extra that is not installed
 70  a fault of ours
 74  the system refused a write; nothing was published
130  interrupted (Ctrl-C)
141  whoever read the output went away
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tfartifacts.cli.declaring import UsageError
from tfartifacts.cli.output import OutputClosed, discard_output, write_error
from tfartifacts.errors import (
    ConversionError,
    DestinationExistsError,
    ExecutionError,
    FormatError,
    MissingDependencyError,
    NameNotFoundError,
    NotThisFormatError,
    PathNotFoundError,
    SourceChangedError,
    TfArtifactsError,
    UnsupportedError,
    WriteError,
)

DONE, FINDING, USAGE, NOT_FOUND, DAMAGED, MISSING_EXTRA = range(6)
OUR_FAULT = 70
NOT_WRITTEN = 74
INTERRUPTED = 130
OUTPUT_CLOSED = 141

# The first that fits counts.
_CODES: tuple[tuple[type[TfArtifactsError], int], ...] = (
    (PathNotFoundError, NOT_FOUND),
    (NameNotFoundError, NOT_FOUND),
    (NotThisFormatError, NOT_FOUND),
    (UnsupportedError, NOT_FOUND),
    (FormatError, DAMAGED),
    (SourceChangedError, DAMAGED),
    (ExecutionError, DAMAGED),
    (ConversionError, USAGE),
    (DestinationExistsError, USAGE),
    (MissingDependencyError, MISSING_EXTRA),
    (WriteError, NOT_WRITTEN),
)


def exit_code(error: TfArtifactsError) -> int:
    """The exit code of an error of the library."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), OUR_FAULT)


def tell(error: TfArtifactsError, *, debug: bool = False) -> int:
    """Write the error's line and details, with `debug` its traceback before; its exit code."""
    _trace(error, debug)
    write_error(f"tfartifacts: error: {error.line}")
    for detail in error.details:
        write_error(f"  {detail}")
    return exit_code(error)


def tell_all(errors: Iterable[TfArtifactsError], *, debug: bool = False) -> int:
    """Write each error's line; gives the worst exit code, 0 without errors."""
    return max([tell(error, debug=debug) for error in errors], default=DONE)


def guarded(run: Callable[[], int], *, command: Sequence[str] = (), debug: bool = False) -> int:
    """Run a command line to its exit code, whatever happens in it.

    `command` is its first word, `debug` prints the traceback of an error before its line.
    """
    try:
        return run()
    except OutputClosed:
        discard_output()
        return OUTPUT_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except TfArtifactsError as error:
        return tell(error, debug=debug)
    except UsageError as error:
        return _tell_usage(error.line, " ".join(["tfartifacts", *command]))
    except OSError as error:
        _trace(error, debug)
        where = "" if error.filename is None else f"{error.filename}: "
        write_error(f"tfartifacts: error: {where}{error.strerror or error}")
        return NOT_FOUND
    except Exception as error:  # noqa: BLE001  # the last place where anything can be said
        if (code := _told_by_typer(error)) is not None:
            return code
        _trace(error, debug)
        write_error(f"tfartifacts: error: unexpected {type(error).__name__}: {error}")
        write_error("  a fault of tfartifacts: please report it, with what --debug prints")
        return OUR_FAULT


def _told_by_typer(error: Exception) -> int | None:
    """The exit code of an error that typer raises; None for others."""
    typer: Any = sys.modules.get("typer")
    if typer is None:
        return None
    if isinstance(error, typer.Abort):  # its KeyboardInterrupt
        return INTERRUPTED
    # The class of all complaints about arguments: click's, or typer's own copy of it.
    if not isinstance(error, typer.BadParameter.__mro__[2]):
        return None
    complaint: Any = error
    message = complaint.format_message()
    context = getattr(complaint, "ctx", None)
    command = "tfartifacts" if context is None else context.command_path
    return _tell_usage(message[:1].lower() + message[1:].rstrip("."), command)


def _tell_usage(message: str, command: str) -> int:
    write_error(f"tfartifacts: error: {message or 'no command given'}")
    write_error(f"  see {command} --help")
    return USAGE


def _trace(error: BaseException, debug: bool) -> None:
    if debug:
        import traceback

        for part in traceback.format_exception(error):
            for line in part.splitlines():
                write_error(line)
