"""Every error a bad artifact or a bad request raises, in one tree.

    TfArtifactsError
    ├── PathNotFoundError         no such file or folder; also a FileNotFoundError
    ├── FormatError               bytes that break their format's rules
    │   ├── NotThisFormatError    another kind of file altogether
    │   ├── ChecksumError         stored and computed checksum differ
    │   └── UnsupportedError      well formed, but nothing we can read or do
    ├── NameNotFoundError         no such variable, node, tensor, signature; also a KeyError
    ├── ConversionError           the artifact is fine, the conversion asked for is not possible
    ├── DestinationExistsError    something is there already; also a FileExistsError
    ├── ExecutionError            TensorFlow would not load or run what it was given
    ├── SourceChangedError        the source was rewritten while it was read; nothing was published
    ├── WriteError                the operating system refused a write; also an OSError
    └── MissingDependencyError    needs an extra that is not installed; also an ImportError

Formats raise low, with a byte offset and without a path; `located` adds the path once, where
the file was opened. `str(error)` is `path: byte N: found X, expected Y; what to do`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class TfArtifactsError(Exception):
    """Base of all errors of this library.

    Attributes: `message` (what was found, what was expected, what to do), `path` (the file, or
    None where no single file is concerned), `offset` (bytes from the start of that file, or
    None), `details` (further lines, where there is more than one thing to tell).
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        offset: int | None = None,
        details: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.offset = offset
        self.details = details

    def __str__(self) -> str:
        return "\n  ".join([self.line, *self.details])

    @property
    def line(self) -> str:
        """Place and message, without details."""
        where = [part for part in (self.path, self._place()) if part is not None]
        return ": ".join([*where, self.message])

    def _place(self) -> str | None:
        return None if self.offset is None else f"byte {self.offset}"

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only attributes travel as state, so that errors survive pickling.
        state = {"path": self.path, "offset": self.offset, "details": self.details}
        return (type(self), (self.message,), state)


class PathNotFoundError(TfArtifactsError, FileNotFoundError):
    """The path, or a file that belongs to it, does not exist or cannot be opened."""


class FormatError(TfArtifactsError):
    """The bytes break a rule of their format."""


class NotThisFormatError(FormatError):
    """The file is of another kind than the reader reads; the message names the kind."""


class ChecksumError(FormatError):
    """A stored checksum does not fit the bytes it covers."""


class UnsupportedError(FormatError):
    """The file is well formed, but of a form that is not read or converted."""


class NameNotFoundError(TfArtifactsError, KeyError):
    """Nothing has that name; the message lists close ones."""


class ConversionError(TfArtifactsError):
    """The conversion asked for is not possible, or not without an answer from the caller."""


class DestinationExistsError(TfArtifactsError, FileExistsError):
    """Something stands where the result should be written."""


class ExecutionError(TfArtifactsError):
    """TensorFlow would not load or run what it was given; the message is its reason."""


class SourceChangedError(TfArtifactsError):
    """The source was rewritten or removed while it was read; nothing was published."""


class WriteError(TfArtifactsError, OSError):
    """The operating system refused a write; nothing was published."""


class MissingDependencyError(TfArtifactsError, ImportError):
    """The request needs an extra that is not installed; the message names it."""


@contextmanager
def located(path: str | None, base: int = 0) -> Iterator[None]:
    """Give errors raised inside, that name no file yet, this path; move their offsets by `base`.

    With path None only the offsets move: for a part of a file that knows where it starts.
    """
    try:
        yield
    except TfArtifactsError as error:
        place(error, path, base)
        raise


def place(error: TfArtifactsError, path: str | None, base: int = 0) -> None:
    """As `located`, for an error that was caught: a context for each value would cost too much."""
    if error.path is None:
        error.path = path
        if error.offset is not None:
            error.offset += base


def close_names(wanted: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Names that look like the wanted one, best first: for "did you mean"."""
    names = list(known)
    folded = wanted.casefold()
    same_letters = [name for name in names if folded and folded in name.casefold()][:most]
    import difflib

    # difflib is quadratic in the length of names: a cap keeps a mistyped name from stalling.
    similar = difflib.get_close_matches(wanted, names[:5000], n=most, cutoff=0.6)
    return list(dict.fromkeys([*similar, *same_letters]))[:most]


def name_not_found(what: str, wanted: str, known: Iterable[str]) -> NameNotFoundError:
    """`no node 'x'; did you mean 'y'?`, or what there is instead when nothing is close."""
    names = list(known)
    close = close_names(wanted, names)
    if close:
        hint = "did you mean " + " or ".join(repr(name) for name in close) + "?"
    elif names:
        shown = ", ".join(repr(name) for name in names[:5])
        hint = f"there is {shown}" + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    else:
        hint = "there are none"
    return NameNotFoundError(f"no {what} {wanted!r}; {hint}")
