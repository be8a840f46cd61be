"""Blocks -> lines of text, for terminals.

Every line is safe to show: whatever it is made of, it passes the sanitizer last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tfartifacts.report.blocks import (
    Block,
    Command,
    Facts,
    Heading,
    Notes,
    Statement,
    Table,
    Values,
)
from tfartifacts.report.document_blocks import document_blocks
from tfartifacts.report.escape import printable, shell_quote
from tfartifacts.report.layout import Layout
from tfartifacts.report.tables import GAP
from tfartifacts.report.view import Document


def text_lines(document: Document, layout: Layout) -> Iterator[str]:
    """The lines of the document of an artifact, without line ends."""
    yield from block_lines(document_blocks(document, layout), layout)


def block_lines(blocks: Iterable[Block], layout: Layout) -> Iterator[str]:
    """The lines of blocks, without line ends."""
    for number, block in enumerate(blocks):
        for line in _lines(block, layout, is_first=number == 0):
            yield printable(line, ascii_only=layout.ascii_only)


def _lines(block: Block, layout: Layout, *, is_first: bool) -> Iterator[str]:
    # Facts and notes belong to what is before them, and a table begins with a line of its own.
    if isinstance(block, Heading | Statement | Command | Values) and not is_first:
        yield ""
    match block:
        case Facts(facts, label_width):
            yield from layout.facts(facts, label_width)
        case Table("", columns, rows):
            yield from layout.rows(columns, rows)
        case Table(title, columns, rows, empty):
            yield from layout.table(title, columns, rows, empty=empty)
        case Notes(notes):
            yield from layout.notes(notes)
        case Heading(text):
            yield text
        case Statement(text):
            yield from layout.wrapped("", layout.safe(text))
        case Command(title, words):
            yield title
            quoted = (shell_quote(word, ascii_only=layout.ascii_only) for word in words)
            yield GAP + " ".join(quoted)
        case Values(name, about, remarks, lines):
            yield GAP.join((name, *about))
            yield from (GAP + remark for remark in remarks)
            yield from (f"{GAP}{line}".rstrip() for line in lines)
