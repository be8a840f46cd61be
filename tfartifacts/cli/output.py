"""Standard output and standard error, as the commands see them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TextIO

from tfartifacts.errors import WriteError
from tfartifacts.report.escape import printable

LIMIT_ON_TERMINAL = 40
_PIECE = 64 * 1024  # characters handed over at once


class OutputClosed(Exception):  # noqa: N818  # an end, not an error
    """Whoever read standard output went away."""


def is_ascii_only(stream: TextIO) -> bool:
    """Whether the stream may not be given anything but ASCII: it is not UTF-8."""
    encoding = (stream.encoding or "ascii").lower().replace("-", "").replace("_", "")
    return encoding not in ("utf8", "utf8sig")


def terminal_width() -> int | None:
    """Columns of the terminal on standard output; None where it is a pipe or a file."""
    if not sys.stdout.isatty():
        return None
    from shutil import get_terminal_size

    return get_terminal_size((80, 24)).columns


def write_lines(lines: Iterable[str]) -> None:
    """Write lines to standard output.

    Raises OutputClosed where nobody reads it any more, WriteError where it cannot be written.
    """
    try:
        pending: list[str] = []
        size = 0
        for line in lines:
            pending.append(line)
            size += len(line)
            if size > _PIECE:
                sys.stdout.write("\n".join(pending) + "\n")
                pending, size = [], 0
        if pending:
            sys.stdout.write("\n".join(pending) + "\n")
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise OutputClosed from error
    except OSError as error:
        raise WriteError(f"standard output cannot be written: {error.strerror}") from error


def write_error(text: str) -> None:
    """One line on standard error, safe to show."""
    with suppress(OSError):  # nobody is there to be told
        print(printable(text, ascii_only=is_ascii_only(sys.stderr)), file=sys.stderr)  # noqa: T201


def discard_output() -> None:
    """Keep the interpreter from flushing to a closed pipe when it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(null, stream.fileno())
    os.close(null)
