"""TensorFlow, imported when needed; its log, kept away; its errors, in one line each.

Everything goes through TensorFlow 1's interface, which TensorFlow 2 still has and which loads
every kind of graph. TensorFlow 1.15 itself needs Python 3.7, which this package does not support:
what it wrote is run by TensorFlow 2.
"""

# TensorFlow has no types that mypy finds.
# mypy: disable-error-code="import-untyped, import-not-found"

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, TextIO

from tfartifacts.errors import ExecutionError, MissingDependencyError, TfArtifactsError

# How lines of TensorFlow's messages begin that only lead to the reason.
_NO_REASON = (
    "Graph execution error",
    "Detected at node",
    "<stack traces unavailable>",
    "[[",
    "Errors may have originated",
    "Original stack trace",
    "File ",
    "Node:",
    "2 root error(s)",
    "1 root error(s)",
)

_LOG_SHOWN = 8000  # bytes of TensorFlow's log, its end, that are shown after a failure
_INSTALL = "pip install 'tfartifacts[tensorflow]'"
# The last line of a traceback, as some messages hold one.
_RAISED = re.compile(r"[\w.]*(?:Error|Exception|Warning): (.+)")


def import_tensorflow() -> Any:
    """The module. Raises MissingDependencyError where there is none that can be imported."""
    try:
        import tensorflow
    except ModuleNotFoundError as error:
        if error.name == "tensorflow":
            raise MissingDependencyError(
                f"found no TensorFlow, which runs models; install it with {_INSTALL}"
            ) from None
        raise _broken(error) from error
    # Whatever its own code, and the NumPy and protobuf it finds, may raise when they do not fit.
    except (Exception, SystemExit) as error:
        raise _broken(error) from error
    if not hasattr(tensorflow, "compat"):
        where = getattr(tensorflow, "__file__", None) or next(iter(tensorflow.__path__), "?")
        raise MissingDependencyError(
            f"found no TensorFlow in what is imported by that name ({where}), expected "
            f"TensorFlow 2; remove it, or install it anew: {_INSTALL}"
        )
    return tensorflow


def _broken(error: BaseException) -> MissingDependencyError:
    lines = [line.strip() for line in str(error).split("\n") if line.strip()]
    raised = [match[1] for line in lines if (match := _RAISED.match(line))]
    reason = (raised or lines or ["without a word"])[-1 if raised else 0]
    return MissingDependencyError(
        f"found a TensorFlow that cannot be imported ({type(error).__name__}: {reason}), expected "
        f"one that can; install it anew: {_INSTALL}"
    )


@contextmanager
def quiet(tell: Callable[[str], object] | None = None) -> Iterator[TextIO]:
    """Keep what TensorFlow logs off both streams; after a failure its end goes to standard error.

    `tell` takes its lines in the stream's place: a model can print whatever it wants to it.

    TensorFlow writes to file descriptors, behind Python's back: those are turned to a file. What
    is given is standard error as it was, for a progress bar.
    """
    _flush()
    kept = [_duplicate(number) for number in (1, 2)]
    with os.fdopen(os.dup(kept[1]), "w") as shown, _log_file() as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield shown
        finally:
            _flush()
            for number, descriptor in enumerate(kept, start=1):
                os.dup2(descriptor, number)
                os.close(descriptor)
            if isinstance(sys.exc_info()[1], ExecutionError):
                _show(log, tell)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed before the start: `>&-`
            with suppress(OSError, ValueError):
                stream.flush()


def _duplicate(number: int) -> int:
    try:
        return os.dup(number)
    except OSError:
        # Closed before the start: its number would be given to the next file that is opened.
        null = os.open(os.devnull, os.O_RDWR)
        if null != number:
            os.dup2(null, number)
            os.close(null)
        return os.dup(number)


def _log_file() -> BinaryIO:
    try:
        return tempfile.TemporaryFile()
    except OSError:
        # No room for a log is no reason not to run.
        return open(os.devnull, "w+b")


def _show(log: BinaryIO, tell: Callable[[str], object] | None) -> None:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _LOG_SHOWN))
    text = log.read().decode("utf-8", "replace")
    if tell is not None:
        for line in text.splitlines():
            tell(line)
    elif sys.stderr is not None:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)


@contextmanager
def reasons(tensorflow: Any, doing: str = "") -> Iterator[None]:
    """TensorFlow's refusals as ExecutionError, in its words, after what was being done."""
    try:
        yield
    except TfArtifactsError:
        raise
    # What its Python raises for a graph that it cannot make sense of is of many kinds.
    except (
        tensorflow.errors.OpError,
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        message = str(getattr(error, "message", None) or error)
        begin = f"{doing}: " if doing else ""
        raise ExecutionError(f"{begin}TensorFlow says: {_reason(message)}") from error


def _reason(message: str) -> str:
    """The line that says what is wrong, without the places where it went wrong."""
    lines = (line.strip() for line in message.split("\n"))
    telling = (line for line in lines if line and not line.startswith(_NO_REASON))
    return next(telling, message.strip() or "nothing")
