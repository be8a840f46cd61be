"""Blocks -> one page of HTML that needs nothing else, and runs nothing.

It has no script, no link and no picture, and a policy that forbids them. All that comes out of a
file is text or nothing: it passes the sanitizer, then html.escape, quotes included, and is put
between tags, never into an attribute. A stream of ASCII gets other letters as references.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

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
from tfartifacts.report.escape import printable, shell_quote
from tfartifacts.report.layout import Layout
from tfartifacts.report.tables import Column, cell

_STYLE = """\
:root {
  color-scheme: light dark;
  --ink: #1d2129; --soft: #5b6472; --paper: #fff; --shade: #f4f5f7; --line: #dadee4;
  --accent: #b4540a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e4e6ea; --soft: #9aa3b0; --paper: #16181d; --shade: #20242b; --line: #363c46;
    --accent: #f0a35e;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  -webkit-text-size-adjust: 100%;
}
main { max-width: 76rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
article + article { margin-top: 3rem; border-top: 3px solid var(--line); padding-top: .5rem; }
h1, h2, h3 { line-height: 1.3; overflow-wrap: anywhere; white-space: pre-wrap; }
h1 { font-size: 1.45rem; margin: 1rem 0 .75rem; }
h2 {
  font-size: 1.15rem; margin: 2.25rem 0 .5rem; padding-top: 1rem;
  border-top: 1px solid var(--line);
}
article > h2:first-child { border-top: 0; margin-top: 0; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; white-space: pre-wrap; }
.soft { color: var(--soft); }
.note { border-left: 3px solid var(--accent); padding-left: .75rem; }
dl {
  display: grid; grid-template-columns: minmax(6.5rem, max-content) minmax(0, 1fr);
  gap: .15rem 1.25rem; margin: .5rem 0;
}
dt { color: var(--soft); overflow-wrap: anywhere; }
dd { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
.scroll {
  overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0;
  width: fit-content; max-width: 100%;
}
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .75rem; text-align: left; vertical-align: top; }
th { background: var(--shade); color: var(--soft); font-weight: 600; white-space: nowrap; }
td { border-top: 1px solid var(--line); min-width: max-content; white-space: pre; }
td.wide { min-width: 0; max-width: 30rem; white-space: pre-wrap; overflow-wrap: anywhere; }
td.prose { min-width: 11rem; overflow-wrap: break-word; }
.right { text-align: right; }
pre {
  font: .9em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  background: var(--shade); border: 1px solid var(--line); border-radius: 6px;
  padding: .6rem .75rem; margin: .5rem 0; overflow-x: auto;
}
pre.command { white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 34rem) {
  main { padding: .75rem .75rem 3rem; }
  dl { grid-template-columns: fit-content(45%) minmax(0, 1fr); column-gap: .75rem; }
  td.wide { max-width: 16rem; }
}
@media print { .scroll, pre { overflow: visible; } }
"""

_HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">"""

_WIDE = 48  # characters; longer cells are broken into lines


def html_text(text: str, *, ascii_only: bool = False) -> str:
    """Text that shows as `text` does on a terminal, between tags or in a quoted attribute."""
    return _references(escape(cell(text), quote=True), ascii_only)


def page_start(title: str, layout: Layout) -> Iterator[str]:
    """The lines before the first artifact."""
    yield from _HEAD.splitlines()
    yield f"<title>{html_text(title, ascii_only=layout.ascii_only)}</title>"
    yield "<style>"
    yield from _STYLE.splitlines()
    yield "</style>"
    yield "</head>"
    yield "<body>"
    yield "<main>"


def article_lines(blocks: Iterable[Block], layout: Layout) -> Iterator[str]:
    """The lines of one artifact. The layout's width is not for them."""
    yield "<article>"
    for block in blocks:
        yield from _lines(block, layout)
    yield "</article>"


def page_end() -> Iterator[str]:
    """The lines after the last artifact."""
    yield "</main>"
    yield "</body>"
    yield "</html>"


def _references(text: str, ascii_only: bool) -> str:
    return text.encode("ascii", "xmlcharrefreplace").decode() if ascii_only else text


def _lines(block: Block, layout: Layout) -> Iterator[str]:
    def safe(text: str) -> str:
        return html_text(text, ascii_only=layout.ascii_only)

    match block:
        case Heading(text, level):
            yield f"<h{level}>{safe(text)}</h{level}>"
        case Statement(text):
            yield f"<p>{safe(text)}</p>"
        case Facts(facts):
            if any(value for _, value in facts):
                yield "<dl>"
                for label, value in facts:
                    if value:
                        yield f"<dt>{safe(label)}</dt><dd>{safe(value)}</dd>"
                yield "</dl>"
        case Notes(notes):
            yield from (f'<p class="note">{safe(note)}</p>' for note in notes)
        case Table(title, _, [], empty):
            if empty:
                yield f"<h3>{safe(title)}</h3>"
                yield f'<p class="soft">{safe(empty)}</p>'
        case Table(title, columns, rows):
            if title:
                yield f"<h3>{safe(title)}</h3>"
            shown, rest = layout.cut(rows) if title else (rows, "")
            yield from _table(columns, shown, layout)
            if rest:
                yield f'<p class="soft">{safe(rest)}</p>'
        case Command(title, words):
            yield f"<h3>{safe(title)}</h3>"
            quoted = (shell_quote(word) for word in words)
            yield f'<pre class="command">{_code(" ".join(quoted), layout)}</pre>'
        case Values(name, about, remarks, lines):
            yield f"<h2>{safe(name)}</h2>"
            yield f"<p>{safe('  '.join(about))}</p>"
            yield from (f"<p>{safe(remark)}</p>" for remark in remarks)
            if lines:
                yield "<pre>" + "\n".join(_code(line, layout) for line in lines) + "</pre>"


def _table(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], layout: Layout
) -> Iterator[str]:
    yield '<div class="scroll" tabindex="0"><table>'
    heads = (f"<th{_class(column)}>{escape(column.title)}</th>" for column in columns)
    yield f"<thead><tr>{''.join(heads)}</tr></thead>"
    yield "<tbody>"
    for row in rows:
        cells = (
            f"<td{_class(column, text)}>{html_text(text, ascii_only=layout.ascii_only)}</td>"
            for column, text in zip(columns, row, strict=True)
        )
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody>"
    yield "</table></div>"


def _class(column: Column, text: str = "") -> str:
    names = [
        *(["right"] if column.right else []),
        *(["wide"] if len(text) > _WIDE else []),
        *(["prose"] if column.prose and len(text) > _WIDE else []),
    ]
    return f' class="{" ".join(names)}"' if names else ""


def _code(text: str, layout: Layout) -> str:
    return _references(escape(printable(text), quote=True), layout.ascii_only)
