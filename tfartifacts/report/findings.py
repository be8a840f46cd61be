"""Errors met while describing: kept, so that everything else is still shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tfartifacts.errors import PathNotFoundError, TfArtifactsError
from tfartifacts.records import dataclass, field
from tfartifacts.report.view import Document


@dataclass(slots=True)
class Findings:
    """What could not be told.

    `damage`: parts of the artifact that are broken. `failures`: requests that could not be met,
    such as a name nothing has.
    """

    damage: list[TfArtifactsError] = field(default_factory=list)
    failures: list[TfArtifactsError] = field(default_factory=list)

    @contextmanager
    def damaged(self) -> Iterator[None]:
        """Keep an error raised inside as damage, and go on."""
        try:
            yield
        except TfArtifactsError as error:
            self.damage.append(error)

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Keep an error raised inside as a failed request, and go on."""
        try:
            yield
        except TfArtifactsError as error:
            self.failures.append(error)

    def problems(self, problems: tuple[TfArtifactsError, ...]) -> list[Document]:
        """Faults of a checkpoint as documents; damaged data counts, missing data does not."""
        self.damage.extend(
            problem for problem in problems if not isinstance(problem, PathNotFoundError)
        )
        return [describe_error(problem) for problem in problems]


def describe_error(error: TfArtifactsError) -> Document:
    return {
        "error": type(error).__name__,
        "path": error.path,
        "offset": error.offset,
        "message": error.message,
    }
