"""How text is laid out: width, limits, and the two shapes everything takes, facts and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from tfartifacts.records import dataclass
from tfartifacts.report.blocks import LABEL_WIDTH
from tfartifacts.report.escape import printable
from tfartifacts.report.tables import GAP, Column, table, wrapped

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Layout:
    """`width`: of the terminal, None for lines as long as they are. `limit`: most rows, 0 all.

    `sections` are those asked for; empty for the usual ones. `all_values`: every element of a
    variable whose values are shown, however many there are.
    """

    width: int | None = None
    limit: int = 0
    ascii_only: bool = False
    sections: frozenset[str] = frozenset()
    all_values: bool = False

    def shows(self, section: str, *, usually: bool = True) -> bool:
        """Whether a section is part of the text."""
        return section in self.sections if self.sections else usually

    def safe(self, text: str) -> str:
        return printable(text, ascii_only=self.ascii_only)

    def facts(
        self, facts: Sequence[tuple[str, str]], label_width: int = LABEL_WIDTH
    ) -> Iterator[str]:
        """`  label         value`, a line each; facts without a value are left out."""
        for label, value in facts:
            if value:
                yield from self.wrapped(f"{GAP}{label:<{label_width}}", self.safe(value))

    def wrapped(self, start: str, text: str) -> Iterator[str]:
        """The text after `start`, broken at spaces where it would run over the edge."""
        yield from wrapped(start, text, self.width)

    def table(
        self,
        title: str,
        columns: Sequence[Column],
        rows: Sequence[Sequence[str]],
        *,
        empty: str = "",
    ) -> Iterator[str]:
        """An empty line, the title, the rows; `empty` is said where there are none."""
        if not rows:
            if empty:
                yield ""
                yield f"{self.safe(title)}: {empty}"
            return
        yield ""
        yield self.safe(title)
        shown, rest = self.cut(rows)
        yield from self.rows(columns, shown)
        if rest:
            yield f"{GAP}... {rest}"

    def cut(self, rows: Sequence[Row]) -> tuple[Sequence[Row], str]:
        """The rows within the limit, and what is to say of the rest; "" for nothing."""
        if not self.limit or len(rows) <= self.limit:
            return rows, ""
        return rows[: self.limit], f"{len(rows) - self.limit:,} more, --limit 0 shows all"

    def rows(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Iterator[str]:
        """The rows without more; all of them."""
        yield from table(columns, rows, width=self.width, ascii_only=self.ascii_only)

    def notes(self, notes: Sequence[str]) -> Iterator[str]:
        for note in notes:
            yield from self.wrapped(f"{GAP}note: ", self.safe(note))
