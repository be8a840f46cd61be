"""Aligned rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabulate import tabulate

from tfartifacts.report.tables import Column, display_width, elide, fitting, table
from tfartifacts.report.units import count, counted, readable_time, shape, size, utc

COLUMNS = (Column("name", elastic=True), Column("shape"), Column("size", right=True))
ROWS = [["conv1/kernel", "(5, 5)", "100 B"], ["b", "scalar", "4 B"]]


def lines(rows: list[list[str]], width: int | None = None) -> list[str]:
    return list(table(COLUMNS, rows, width=width, indent=""))


def test_numbers_are_right_aligned() -> None:
    assert lines(ROWS) == [
        "name          shape    size",
        "------------  ------  -----",
        "conv1/kernel  (5, 5)  100 B",
        "b             scalar    4 B",
    ]


CELL = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


@given(st.lists(st.tuples(CELL, CELL, CELL).map(list), min_size=1, max_size=5))
def test_look_as_tabulate_makes_them(rows: list[list[str]]) -> None:
    widths = [max(len(title), *map(len, column)) for title, *column in _columns(rows)]
    theirs = tabulate(
        [[column.title for column in COLUMNS], ["-" * width for width in widths], *rows],
        tablefmt="plain",
        colalign=["right" if column.right else "left" for column in COLUMNS],
        disable_numparse=True,
    )
    assert lines(rows) == [line.rstrip() for line in theirs.split("\n")]


def _columns(rows: list[list[str]]) -> list[list[str]]:
    return [[column.title, *(row[i] for row in rows)] for i, column in enumerate(COLUMNS)]


def test_names_that_look_like_numbers_stay_as_they_are() -> None:
    assert lines([["1e5", "007", "1_000"]])[-1].split() == ["1e5", "007", "1_000"]


def test_long_names_lose_their_middle_on_a_terminal_only() -> None:
    name = "model/encoder/" + "layer/" * 30 + "kernel"
    assert name in lines([[name, "(5, 5)", "100 B"]])[-1]
    shown = lines([[name, "(5, 5)", "100 B"]], width=60)
    assert all(len(line) <= 60 for line in shown)
    assert shown[-1].startswith("model/encoder/")
    assert "..." in shown[-1]
    assert "kernel" in shown[-1]


def test_the_widest_column_gives_way_first() -> None:
    columns = (Column("a", elastic=True), Column("b", elastic=True), Column("c"))
    assert fitting(columns, [100, 20, 5], 64) == [35, 20, 5]
    assert fitting(columns, [100, 90, 5], 49) == [20, 20, 5]
    assert fitting(columns, [100, 90, 90], 49) == [12, 12, 90]


def test_prose_gives_way_before_names_and_loses_its_end() -> None:
    columns = (Column("name", elastic=True), Column("why", elastic=True, prose=True))
    assert fitting(columns, [40, 30], 60) == [40, 18]
    assert fitting(columns, [40, 30], 50) == [36, 12]
    rows = [["n" * 40, "because of many things"]]
    assert list(table(columns, rows, width=60, indent=""))[-1] == "n" * 40 + "  because of many..."


def test_columns_that_go_below_do_so_where_rows_do_not_fit_prose_first() -> None:
    columns = (
        Column("tensor"),
        Column("shape", below=True),
        Column("why", prose=True, below=True),
    )
    rows = [["n" * 20, "(5, 5)", "because of many things"], ["b", "", ""]]

    def shown(width: int) -> list[str]:
        return list(table(columns, rows, width=width, indent="  "))

    assert shown(60)[2].split() == ["n" * 20, "(5,", "5)", *"because of many things".split()]
    assert shown(40)[2:] == ["  " + "n" * 20 + "  (5, 5)", "      because of many things", "  b"]
    assert shown(24)[1:] == [
        "  " + "-" * 20,
        "  " + "n" * 20,
        "      (5, 5)  because of",
        "      many things",
        "  b",
    ]
    # Never cut, and the line under the title is no longer than there is room.
    assert shown(18)[1:3] == ["  " + "-" * 16, "  " + "n" * 20]


def test_a_name_of_megabytes_is_cut_at_once() -> None:
    assert fitting((Column("a", elastic=True),), [10**12], 80) == [80]


def test_wide_characters_take_two_columns() -> None:
    assert display_width("核e\u0301") == 3
    shown = lines([["核核", "x", "1"], ["abcd", "y", "2"]])
    assert shown[2].index("x") == shown[3].index("y") - 2


@given(st.text(max_size=40), st.integers(min_value=5, max_value=30))
def test_elided_text_fits(text: str, width: int) -> None:
    assert display_width(elide(text, width)) <= width


def test_spaces_at_the_ends_of_a_name_are_seen() -> None:
    assert lines([[" a ", "", "  "]])[-1].split() == [r"\x20a\x20", r"\x20\x20"]


def test_cells_are_safe() -> None:
    assert lines([["a\x1b[2J\nb", "", ""]])[-1] == r"a\x1b[2J\nb"


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (10_230, "9.99 KiB"),
        (10_239, "10.0 KiB"),
        (1_048_575, "1.00 MiB"),
        (4_935_680, "4.71 MiB"),
        (1 << 40, "1.00 TiB"),
        (1 << 80, "1048576.0 EiB"),
    ],
)
def test_sizes(num_bytes: int, text: str) -> None:
    assert size(num_bytes) == text


def test_scalar_unknown_size_and_unknown_rank_are_three_things() -> None:
    assert shape([]) == "scalar"
    assert shape([-1, 28, None]) == "(?, 28, ?)"
    assert shape([3]) == "(3,)"
    assert shape([0]) == "(0,)"
    assert shape(None) == "unknown rank"


def test_counts_and_times() -> None:
    assert count(1234567) == "1,234,567"
    assert counted(1, "node") == "1 node"
    assert counted(0, "node") == "0 nodes"
    assert utc(1544018591.9) == "2018-12-05T14:03:11Z"
    assert readable_time("2018-12-05T14:03:11Z") == "2018-12-05 14:03:11"
    assert utc(float("nan")) == utc(float("inf")) == utc(1e30) == ""
