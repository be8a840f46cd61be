"""Open, describe, render: several paths, each on its own, the worst exit code wins."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tfartifacts.cli.errors import DAMAGED, DONE, tell, tell_all
from tfartifacts.cli.output import (
    LIMIT_ON_TERMINAL,
    is_ascii_only,
    terminal_width,
    write_lines,
)
from tfartifacts.errors import TfArtifactsError
from tfartifacts.opening import open_artifact
from tfartifacts.records import dataclass
from tfartifacts.report.describe import Report, describe
from tfartifacts.report.formats import (
    Format,
    Presentation,
    document_lines,
    end_lines,
    joined_lines,
)
from tfartifacts.report.layout import Layout
from tfartifacts.report.view import Document, View

if TYPE_CHECKING:
    from tfartifacts.report.blocks import Block
    from tfartifacts.report.csv_text import Rows


@dataclass(frozen=True, slots=True)
class Request:
    """The options of `inspect`; `limit` None: as suits where the output goes."""

    sections: frozenset[str] = frozenset()
    values: tuple[str, ...] = ()
    pattern: str = ""
    sort: str = "file"
    limit: int | None = None
    follow_external: bool = False
    output: Format = Format.TEXT
    debug: bool = False

    def view(self) -> View:
        complete = self.output is Format.JSON
        return View(self.sections, self.pattern, self.sort, self.values, complete=complete)

    def layout(self) -> Layout:
        width = terminal_width() if self.output is Format.TEXT else None
        usual = 0 if width is None else LIMIT_ON_TERMINAL
        return Layout(
            width=width,
            limit=usual if self.limit is None else self.limit,
            ascii_only=is_ascii_only(sys.stdout),
            sections=self.sections,
            all_values=self.limit == 0,
        )


class Writer:
    """Writes documents to standard output in one format; ended by `end`.

    `many` is whether there may be several. Text, Markdown and HTML are written document by
    document, JSON and CSV at the end.
    """

    def __init__(
        self, output: Format, presentation: Presentation, layout: Layout, *, many: bool = False
    ) -> None:
        self._output = output
        self._presentation = presentation
        self._layout = layout
        self._many = many
        self._kept: list[Document] = []
        self._is_first = True

    def write(self, document: Document) -> None:
        if self._output in (Format.JSON, Format.CSV):
            self._kept.append(document)
            return
        write_lines(
            document_lines(
                document, self._output, self._presentation, self._layout, first=self._is_first
            )
        )
        self._is_first = False

    def end(self) -> None:
        if self._output in (Format.JSON, Format.CSV):
            # Of one path that cannot be read there is nothing to say.
            if self._many or self._kept:
                lines = joined_lines(
                    self._kept, self._output, self._presentation, self._layout, many=self._many
                )
                write_lines(lines)
        elif not self._is_first:
            write_lines(end_lines(self._output))


def report_all(paths: Sequence[str], request: Request) -> int:
    """Report on each path; gives the worst exit code.

    A path that cannot be opened does not keep the others from being shown.
    """
    code = DONE
    writer = Writer(request.output, _presentation(request), request.layout(), many=len(paths) > 1)
    for path in paths:
        report, failed = _described(path, request)
        code = max(code, failed)
        if report is not None:
            writer.write(report.document)
            code = max(code, _tell(report, request))
    writer.end()
    return code


def _presentation(request: Request) -> Presentation:
    def blocks(document: Document, layout: Layout) -> Iterable[Block]:
        from tfartifacts.report.document_blocks import document_blocks

        return document_blocks(document, layout)

    def rows(document: Document) -> Rows:
        from tfartifacts.report.csv_sections import section_rows, usual_section, value_rows

        if "values" in document:
            return value_rows(document)
        section = next(iter(request.sections), None) or usual_section(document["kind"])
        return section_rows(document, section)

    return Presentation(blocks, rows)


def _described(path: str, request: Request) -> tuple[Report | None, int]:
    """The report of a path, or None and the exit code of the error that was told."""
    try:
        artifact = open_artifact(path, follow_external=request.follow_external)
        return describe(artifact, request.view()), DONE
    except TfArtifactsError as error:
        return None, tell(error, debug=request.debug)


def _tell(report: Report, request: Request) -> int:
    """Say what the report is missing; damage of any kind makes the answer incomplete."""
    failed = tell_all(report.failures, debug=request.debug)
    damaged = tell_all(report.damage, debug=request.debug)
    return max(failed, DAMAGED if damaged else DONE)
