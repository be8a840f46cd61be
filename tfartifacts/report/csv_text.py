r"""Rows -> CSV that a spreadsheet shows, and does not compute.

As RFC 4180 has it, in UTF-8 and without a mark of it; but lines end in a line feed alone, which
every reader of CSV takes and `cut`, `sort` and `awk` need: no cell holds the end of a line.

    number, true, false   as JSON writes them; NaN, Infinity, -Infinity
    null                  an empty cell
    list, object          JSON, in ASCII
    text                  what the sanitizer makes of it, whole, however long
    text, a formula       after a `'`: begins, blanks aside, with = + - @ (or their full-width
                          forms), unless it is a number such as -1; and, for spreadsheets that part
                          cells at semicolons, wherever it does so after a `;`

For eyes and spreadsheets: JSON is the lossless form.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from typing import Any

from tfartifacts.records import dataclass
from tfartifacts.report.escape import printable
from tfartifacts.report.json_text import compact

_FORMULA = re.compile("(^|;)([ \"']*[=+\\-@\uff1d\uff0b\uff0d\uff20])")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rows:
    """One table: its columns, and for each row the values of some of them."""

    columns: tuple[str, ...]
    rows: Iterable[Mapping[str, Any]]


def csv_lines(rows: Rows, *, limit: int = 0, ascii_only: bool = False) -> Iterator[str]:
    """The head and the rows, without line ends. `limit`: most rows, 0 for all."""
    line = StringIO()
    writer = csv.writer(line, lineterminator="")
    writer.writerow(rows.columns)
    yield line.getvalue()
    for number, row in enumerate(rows.rows):
        if limit and number == limit:
            return
        line.seek(0)
        line.truncate()
        writer.writerow(csv_cell(row.get(column), ascii_only) for column in rows.columns)
        yield line.getvalue()


def csv_cell(value: Any, ascii_only: bool = False) -> str:
    """What the cell holds; the quotes around it are for the writer."""
    if value is None:
        return ""
    if type(value) is int:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return compact(value).strip('"')
    if not isinstance(value, str):
        # A semicolon can only be part of a string there.
        return compact(value).replace(";", "\\u003b")
    text = printable(value, ascii_only=ascii_only)
    return text if _NUMBER.fullmatch(text) else _FORMULA.sub(r"\1'\2", text)
