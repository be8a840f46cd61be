"""Rows as CSV (RFC 4180, line feeds) that a spreadsheet shows, and does not compute.

A text that begins as a formula does (= + - @, a tab or a carriage return), blanks aside, gets a `'`
in front, unless it is a plain number. Whatever is not plainly visible is escaped as on a terminal.
Numbers have all their digits; NaN, Infinity and -Infinity are written so.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from tfartifacts.report.escape import printable

_FORMULA = re.compile("[ \"']*[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?", re.ASCII)

Cell = str | int | float | None


def csv_lines(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, ascii_only: bool = False
) -> Iterator[str]:
    """The head and the rows, without line ends."""
    line = StringIO()
    writer = csv.writer(line, lineterminator="")
    for row in (columns, *rows):
        line.seek(0)
        line.truncate()
        writer.writerow([csv_cell(value, ascii_only) for value in row])
        yield line.getvalue()


def csv_cell(value: Cell, ascii_only: bool = False) -> str:
    """What the cell holds; the quotes around it are for the writer."""
    if value is None:
        return ""
    if isinstance(value, float):
        if math.isfinite(value):
            return repr(value)
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int):
        return str(value)
    begins_as_formula = _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    text = printable(value, ascii_only=ascii_only)
    return f"'{text}" if begins_as_formula else text
