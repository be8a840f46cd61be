"""Open, describe, render: several paths, each on its own, the worst exit code wins."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tfartifacts.cli.errors import DAMAGED, DONE, tell, tell_all
from tfartifacts.cli.output import (
    LIMIT_ON_TERMINAL,
    is_ascii_only,
    terminal_width,
    write_lines,
)
from tfartifacts.errors import TfArtifactsError
from tfartifacts.opening import open_artifact
from tfartifacts.report.describe import Report, describe
from tfartifacts.report.layout import Layout
from tfartifacts.report.view import Document, View


@dataclass(frozen=True, slots=True)
class Request:
    """The options of `inspect`; `limit` None: as suits where the output goes."""

    sections: frozenset[str] = frozenset()
    values: tuple[str, ...] = ()
    pattern: str = ""
    sort: str = "file"
    limit: int | None = None
    follow_external: bool = False
    as_json: bool = False
    debug: bool = False

    def view(self) -> View:
        return View(self.sections, self.pattern, self.sort, self.values, complete=self.as_json)

    def layout(self) -> Layout:
        width = terminal_width()
        usual = 0 if width is None else LIMIT_ON_TERMINAL
        return Layout(
            width=width,
            limit=usual if self.limit is None else self.limit,
            ascii_only=is_ascii_only(sys.stdout),
            sections=self.sections,
            all_values=self.limit == 0,
        )


def report_all(paths: Sequence[str], request: Request) -> int:
    """Report on each path; gives the worst exit code.

    A path that cannot be opened does not keep the others from being shown.
    """
    return _json(paths, request) if request.as_json else _text(paths, request)


def _text(paths: Sequence[str], request: Request) -> int:
    from tfartifacts.report.text import text_lines

    code = DONE
    layout = request.layout()
    between: list[str] = []
    for path in paths:
        report, failed = _described(path, request)
        code = max(code, failed)
        if report is not None:
            write_lines(between)
            write_lines(text_lines(report.document, layout))
            between = [""]
            code = max(code, _tell(report, request))
    return code


def _json(paths: Sequence[str], request: Request) -> int:
    from tfartifacts.report.json_text import json_lines

    code = DONE
    documents: list[Document] = []
    for path in paths:
        report, failed = _described(path, request)
        code = max(code, failed)
        if report is not None:
            documents.append(report.document)
            code = max(code, _tell(report, request))
    if len(paths) > 1 or documents:
        write_lines(json_lines(documents, many=len(paths) > 1, limit=request.limit or 0))
    return code


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
