"""A finding: one thing that is wrong, or worth knowing, about an artifact.

    error    damage, or what keeps TensorFlow from loading or running it; exit code 1
    warning  it loads, but hardly as its author meant; exit code 1 with --strict
    note     worth knowing, never a fault

Codes are stable, so that scripts can pick findings by them: small letters and hyphens, such as
`block-checksum`.
"""

from __future__ import annotations

from enum import Enum

from tfartifacts.errors import TfArtifactsError
from tfartifacts.records import dataclass


class Severity(str, Enum):
    """How much a finding matters."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found.

    `message` says what was found, what was expected, what to do; `path` is the file or folder
    concerned, `offset` the byte in it (None where none can be told), `name` the variable, node,
    signature or path concerned ("" for none).
    """

    severity: Severity
    code: str
    message: str
    path: str | None = None
    offset: int | None = None
    name: str = ""

    def __str__(self) -> str:
        place = [] if self.path is None else [self.path]
        if self.offset is not None:
            place.append(f"byte {self.offset}")
        return ": ".join([*place, self.message])


def error(
    code: str, message: str, path: str | None = None, offset: int | None = None, name: str = ""
) -> Finding:
    return Finding(Severity.ERROR, code, message, path, offset, name)


def warning(
    code: str, message: str, path: str | None = None, offset: int | None = None, name: str = ""
) -> Finding:
    return Finding(Severity.WARNING, code, message, path, offset, name)


def note(
    code: str, message: str, path: str | None = None, offset: int | None = None, name: str = ""
) -> Finding:
    return Finding(Severity.NOTE, code, message, path, offset, name)


def of_error(
    code: str,
    raised: TfArtifactsError,
    *,
    severity: Severity = Severity.ERROR,
    path: str | None = None,
    name: str = "",
) -> Finding:
    """An error that was raised, as a finding; `path` where the error names none."""
    return Finding(severity, code, raised.message, raised.path or path, raised.offset, name)


def link_out(path: str) -> Finding:
    """A link that leads out of the artifact, and is not followed."""
    return note(
        "link-out",
        "found a link that leads out of the SavedModel's folder: not read; put the file itself "
        "in its place to have it looked at",
        path,
    )
