"""What a reader of each format finds in it: its text, and whether anything else came through."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from io import StringIO

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tfartifacts.report.escape import printable

# All that pages of ours are made of; only `lang`, `class` and the like, of values of ours.
_ELEMENTS = frozenset(
    "html head meta title style body main article h1 h2 h3 p dl dt dd div table thead tbody tr th "
    "td pre".split()
)
_ATTRIBUTES = {
    ("html", "lang", "en"),
    ("div", "class", "scroll"),
    ("div", "tabindex", "0"),
    ("p", "class", "note"),
    ("p", "class", "soft"),
    ("pre", "class", "command"),
    *(
        (tag, "class", name)
        for tag in ("td", "th")
        for name in ("right", "wide", "right wide", "wide prose")
    ),
}
_MARKDOWN = frozenset(
    "heading_open heading_close paragraph_open paragraph_close bullet_list_open bullet_list_close "
    "list_item_open list_item_close table_open table_close thead_open thead_close tbody_open "
    "tbody_close tr_open tr_close th_open th_close td_open td_close inline fence".split()
)
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?|-Infinity", re.ASCII)
FORMULA = tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")


def assert_visible(text: str) -> None:
    """Nothing in it acts, hides, or is broken into lines by anything but our line feeds."""
    assert not text or text.endswith("\n")
    for line in text.split("\n"):
        assert printable(line) == line


def markdown_tokens(text: str) -> list[Token]:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return parser.parse(text)


def shown_by_markdown(text: str) -> Iterator[str]:
    """The text of each heading, paragraph, cell and block of code; nothing else may be there."""
    columns = head = 0
    for token in markdown_tokens(text):
        assert token.type in _MARKDOWN, token
        if token.type == "fence":
            assert token.info == ""
            yield token.content
        if token.type == "inline":
            yield inline_text(token)
        if token.type == "tr_open":
            columns = 0
        columns += token.type in ("th_open", "td_open")
        if token.type == "tr_close":
            assert columns == (head or columns)  # as many as in the row before
            head = columns
        if token.type == "table_close":
            head = 0


def inline_text(token: Token) -> str:
    """The text of an inline token, that holds nothing but text and our own emphasis."""
    parts = []
    for child in token.children or ():
        if child.type == "code_inline":
            assert set(child.content) == {"@"}
        else:
            assert child.type in ("text", "text_special", "strong_open", "strong_close"), child
        parts.append(child.content)
    strong = [child.type for child in token.children or ()].count("strong_open")
    # Notes begin with it; a finding of that severity does without.
    assert strong == 0 or (strong == 1 and "".join(parts).startswith("note:"))
    return "".join(parts)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.open: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _ELEMENTS, tag
        if tag != "meta":
            assert {(tag, *attribute) for attribute in attrs} <= _ATTRIBUTES
            self.open.append((tag, []))

    def handle_endtag(self, tag: str) -> None:
        opened, pieces = self.open.pop()
        assert opened == tag
        self.texts.append("".join(pieces))

    def handle_data(self, data: str) -> None:
        if self.open:
            self.open[-1][1].append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)


def shown_by_html(text: str) -> list[str]:
    """The text of each element of a page; other elements than ours may not be there."""
    page = _Page()
    page.feed(text)
    page.close()
    assert not page.open
    assert text.count("<meta ") == 5
    return page.texts


def shown_by_csv(text: str) -> list[dict[str, str]]:
    """The rows, each with all columns; no cell may be computed, whoever parts them how."""
    head, *rows = csv.reader(StringIO(text), strict=True)
    assert len(set(head)) == len(head)
    for row in rows:
        assert len(row) == len(head)
        for cell in row:
            for part in [cell, *cell.split(";")]:
                start = part.lstrip(" \"'") if not part.startswith("'") else ""
                assert not start.startswith(FORMULA) or _NUMBER.fullmatch(part), cell
    for line in text.splitlines():
        for part in line.split(";"):
            assert not part.strip(' "').startswith(FORMULA) or _NUMBER.match(part)
    return [dict(zip(head, row, strict=True)) for row in rows]
