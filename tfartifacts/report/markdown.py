r"""Blocks -> Markdown: CommonMark with the tables of GitHub.

Names are text, not code spans: in a table, a code span cannot hold `\|`, whatever one writes.
What the sanitizer leaves is text that shows as itself:

    \ ` * [ ] < > # & ~ | $ { } ^   a backslash before them
    _                        a backslash, but not inside a word (conv2d_1), where it means nothing
    ! : . w                  a backslash where they could begin an image or an address:
                             `![`, `://`, `www.`
    @                        a code span: GitHub makes links and mentions of it even if escaped
    + - = 1. 1)              a backslash at the start, where they could begin a list or heading

Commands and pictures of arrays are code blocks, fenced by more backticks than they have in a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

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
from tfartifacts.report.escape import shell_quote
from tfartifacts.report.layout import Layout
from tfartifacts.report.tables import Column, cell

_MEANT_AS_MARKUP = re.compile(
    r"""
      [\\`*\[\]<>#&~|${}^]
    | (?<![A-Za-z0-9])_ | _(?![A-Za-z0-9])
    | !(?=\[) | :(?=//) | (?<=www)\.
    | ^[-+=]
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NUMBER_OF_A_LIST = re.compile(r"(\d+)([.)])(?= |$)")


def markdown_text(text: str, *, ascii_only: bool = False) -> str:
    """Text that shows as `text` does on a terminal, wherever in a line it is put."""
    safe = cell(text, ascii_only)
    escaped = _MEANT_AS_MARKUP.sub(r"\\\g<0>", safe)
    escaped = re.sub("@+", r"`\g<0>`", escaped)
    if numbered := _NUMBER_OF_A_LIST.match(escaped):
        return f"{numbered[1]}\\{escaped[numbered.start(2) :]}"
    return escaped


def markdown_lines(blocks: Iterable[Block], layout: Layout) -> Iterator[str]:
    """The lines of blocks, without line ends. The layout's width is not for them."""
    before: Block | None = None
    for block in blocks:
        lines = _lines(block, layout)
        first = next(lines, None)
        if first is None:
            continue
        # Facts and notes that follow each other are one list.
        if before is not None and not (_is_list(before) and _is_list(block)):
            yield ""
        yield first
        yield from lines
        before = block


def _is_list(block: Block) -> bool:
    return isinstance(block, Facts | Notes)


def _lines(block: Block, layout: Layout) -> Iterator[str]:
    def safe(text: str) -> str:
        return markdown_text(text, ascii_only=layout.ascii_only)

    match block:
        case Heading(text, level):
            yield f"{'#' * level} {safe(text)}"
        case Statement(text):
            yield safe(text)
        case Facts(facts):
            yield from (f"- {safe(label)}: {safe(value)}" for label, value in facts if value)
        case Notes(notes):
            yield from (f"- **note:** {safe(note)}" for note in notes)
        case Table(title, _, [], empty):
            if empty:
                yield safe(f"{title}: {empty}")
        case Table(title, columns, rows):
            if title:
                yield f"### {safe(title)}"
                yield ""
            shown, rest = layout.cut(rows) if title else (rows, "")
            yield from _table(columns, shown, layout)
            if rest:
                yield ""
                yield safe(rest)
        case Command(title, words):
            yield f"### {safe(title)}"
            yield ""
            quoted = (shell_quote(word, ascii_only=layout.ascii_only) for word in words)
            yield from _code([" ".join(quoted)], layout)
        case Values(name, about, remarks, lines):
            yield f"## {safe(name)}"
            yield ""
            yield safe("  ".join(about))
            if remarks:
                yield ""
                yield from (f"- {safe(remark)}" for remark in remarks)
            if lines:
                yield ""
                yield from _code(lines, layout)


def _table(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], layout: Layout
) -> Iterator[str]:
    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |"

    yield line(column.title for column in columns)
    yield line("---:" if column.right else "---" for column in columns)
    for row in rows:
        yield line(markdown_text(text, ascii_only=layout.ascii_only) for text in row)


def _code(lines: Iterable[str], layout: Layout) -> Iterator[str]:
    safe = [layout.safe(line) for line in lines]
    longest = max((len(run) for line in safe for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield fence
    yield from safe
    yield fence
