"""Documents -> lines, in each format there is.

    text      for a terminal, as wide as that is
    json      for programs: everything, exact
    markdown  to be pasted where people talk
    html      a page to be kept or sent
    csv       one table, for spreadsheets

A command that has documents says in a Presentation how they read, and has all formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from tfartifacts.errors import ConversionError
from tfartifacts.records import dataclass
from tfartifacts.report.layout import Layout
from tfartifacts.report.view import Document

if TYPE_CHECKING:
    from tfartifacts.report.blocks import Block
    from tfartifacts.report.csv_text import Rows


class Format(str, Enum):
    """What a command writes."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Presentation:
    """How documents of a command read: as blocks, and as the one table that CSV has room for."""

    blocks: Callable[[Document, Layout], Iterable[Block]]
    rows: Callable[[Document], Rows]


def document_lines(
    document: Document, output: Format, presentation: Presentation, layout: Layout, *, first: bool
) -> Iterator[str]:
    """The lines of one of several documents, in a format that shows them one after another.

    Those of `html` need `end_lines` after the last.
    """
    blocks = presentation.blocks(document, layout)
    if output is Format.HTML:
        from tfartifacts.report.html import article_lines, page_start

        if first:
            yield from page_start(f"tfartifacts: {document['path'] or document['kind']}", layout)
        yield from article_lines(blocks, layout)
        return
    if not first:
        yield ""
    if output is Format.MARKDOWN:
        from tfartifacts.report.markdown import markdown_lines

        yield from markdown_lines(blocks, layout)
    else:
        from tfartifacts.report.text import block_lines

        yield from block_lines(blocks, layout)


def end_lines(output: Format) -> Iterator[str]:
    """What ends a text of one document or more."""
    if output is Format.HTML:
        from tfartifacts.report.html import page_end

        yield from page_end()


def joined_lines(
    documents: Sequence[Document],
    output: Format,
    presentation: Presentation,
    layout: Layout,
    *,
    many: bool,
) -> Iterator[str]:
    """The lines of all documents, in a format that makes one thing of them.

    With `many` JSON is a list, and CSV has a column more for the path.
    Raises ConversionError where CSV would need several tables.
    """
    if output is Format.JSON:
        from tfartifacts.report.json_text import json_lines

        yield from json_lines(documents, many=many, limit=layout.limit)
        return
    from tfartifacts.report.csv_text import Rows, csv_lines

    tables = [presentation.rows(document) for document in documents]
    if not tables:
        return
    for table in tables:
        if table.columns != tables[0].columns:
            raise ConversionError(
                f"found tables of columns {', '.join(tables[0].columns)} and of "
                f"{', '.join(table.columns)}, expected one for CSV; choose a section with --show"
            )
    joined = tables[0]
    if many:
        rows = (
            {"path": document["path"], **row}
            for document, table in zip(documents, tables, strict=True)
            for row in table.rows
        )
        columns = ("path", *(column for column in joined.columns if column != "path"))
        joined = Rows(columns, rows)
    yield from csv_lines(joined, limit=layout.limit, ascii_only=layout.ascii_only)
