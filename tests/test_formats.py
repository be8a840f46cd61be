"""The escape of each format, read back by a reader of that format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.formats import (
    FORMULA,
    assert_visible,
    inline_text,
    markdown_tokens,
    shown_by_csv,
    shown_by_html,
    shown_by_markdown,
)
from tests.odd_names import ODD_NAMES
from tests.test_escape import ANY_TEXT
from tfartifacts.__main__ import run
from tfartifacts.checks.findings import error
from tfartifacts.cli.rendering import Writer
from tfartifacts.report.blocks import Command, Facts, Heading, Notes, Statement, Table, Values
from tfartifacts.report.csv_text import Rows, csv_cell, csv_lines
from tfartifacts.report.escape import printable
from tfartifacts.report.finding_blocks import describe_finding, finding_rows, findings_blocks
from tfartifacts.report.formats import Format, Presentation
from tfartifacts.report.html import article_lines, html_text, page_end, page_start
from tfartifacts.report.layout import Layout
from tfartifacts.report.markdown import markdown_lines, markdown_text
from tfartifacts.report.tables import Column, cell
from tfartifacts.report.view import SECTIONS

# Pieces that mean something somewhere, so that random text meets its readers' corners.
_PIECES = st.lists(
    st.sampled_from([*"\\`*_{}[]()<>#+-=.!|&~$^:;@'\", \n\tab1", "http://", "www.", "&amp;", "```"])
)
ODD_TEXT = ANY_TEXT | _PIECES.map("".join)


def and_odd_names(*rest: object) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Checks a property of each of the odd names as well."""

    def with_examples(property_: Callable[..., None]) -> Callable[..., None]:
        for name in ODD_NAMES:
            property_ = example(name, *rest)(property_)
        return property_

    return with_examples


def blocks(name: str) -> list[Heading | Statement | Facts | Notes | Table | Command | Values]:
    columns = (Column("a"), Column("b", right=True), Column(""))
    return [
        Heading(name, 1),
        Facts([("label", name), ("empty", "")]),
        Notes([name]),
        Table("", columns, [[name, "1", name]]),
        Table(name, columns, [[name, name, name], ["", name, ""]]),
        Table(name, columns, [], "none"),
        Heading(f"About {name}"),
        Statement(name),
        Command(name, ["run", name]),
        Values(name, ("float32", "(2,)"), (name,), [name, name]),
    ]


@and_odd_names(False)
@given(ODD_TEXT, st.booleans())
def test_markdown_shows_the_name_and_nothing_else_wherever_it_stands(
    name: str, ascii_only: bool
) -> None:
    safe = cell(name, ascii_only)
    escaped = markdown_text(name, ascii_only=ascii_only)
    for text in (escaped, f"# {escaped}", f"- {escaped}", f"| a |\n| --- |\n| {escaped} |"):
        found = [inline_text(t) for t in markdown_tokens(text) if t.type == "inline"]
        assert found[-1:] == ([safe] if safe or text.startswith("|") else found[-1:])
        assert not ascii_only or text.isascii()


@and_odd_names()
@given(ODD_TEXT)
def test_blocks_as_markdown_are_text_with_nothing_but_our_marks(name: str) -> None:
    lines = "\n".join(markdown_lines(blocks(name), Layout())) + "\n"
    assert_visible(lines)
    shown = list(shown_by_markdown(lines))
    assert shown.count(cell(name)) >= 5 or not name
    assert f"{printable(name)}\n{printable(name)}\n" in shown


@and_odd_names(False)
@given(ODD_TEXT, st.booleans())
def test_blocks_as_html_are_text_in_our_elements(name: str, ascii_only: bool) -> None:
    layout = Layout(ascii_only=ascii_only)
    page = [*page_start(name, layout), *article_lines(blocks(name), layout), *page_end()]
    text = "\n".join(page) + "\n"
    assert_visible(text)
    assert not ascii_only or text.isascii()
    # A stream of ASCII has the other letters too, as references.
    assert shown_by_html(text).count(cell(name)) >= 10
    assert html_text(name).count("<") == html_text(name).count('"') == 0


@given(st.lists(ODD_TEXT, min_size=1), st.booleans())
@example(list(ODD_NAMES), False)
def test_csv_gives_the_name_back_and_no_formula(names: list[str], ascii_only: bool) -> None:
    rows = Rows(("name", "next", "list"), [{"name": n, "next": 1, "list": [n]} for n in names])
    text = "\n".join(csv_lines(rows, ascii_only=ascii_only)) + "\n"
    assert_visible(text)
    found = shown_by_csv(text)
    assert len(found) == len(names)
    for row, name in zip(found, names, strict=True):
        safe = printable(name, ascii_only=ascii_only)
        assert row["name"].replace("'", "") == safe.replace("'", "")
        if not safe.lstrip(" \"'").startswith(FORMULA) and ";" not in safe:
            assert row["name"] == safe
        assert json.loads(row["list"]) == [name]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-1, "-1"),
        ("-1", "-1"),
        ("+1.5e-3", "+1.5e-3"),
        ("-1+1", "'-1+1"),
        ("=1", "'=1"),
        ("  @x", "'  @x"),
        *((f"{sign}x", f"'{sign}x") for sign in "\uff1d\uff0b\uff0d\uff20"),
        ("\t=1", "\\t=1"),
        ("a=b", "a=b"),
        ("a;-b", "a;'-b"),
        (None, ""),
        (True, "true"),
        ([-1, 2], "[-1, 2]"),
        (["a;=\u202e"], '["a\\u003b=\\u202e"]'),
        (0.5, "0.5"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
    ],
)
def test_csv_cells(value: object, shown: str) -> None:
    assert csv_cell(value) == shown


def test_markdown_stays_readable_where_nothing_is_meant_as_markup() -> None:
    for plain in ("conv2d_1/kernel:0", "model.ckpt-7", "146.6 KiB", "(?, 28, 28, 1)", "C:/a-b.c"):
        assert markdown_text(plain) == plain


def test_rows_beyond_the_limit_are_counted_in_markdown_and_html_and_cut_in_csv() -> None:
    table = Table("T", (Column("a"),), [["x"]] * 5)
    for lines in (
        markdown_lines([table], Layout(limit=2)),
        article_lines([table], Layout(limit=2)),
    ):
        assert "3 more, --limit 0 shows all" in "\n".join(lines)
    assert len(list(csv_lines(Rows(("a",), [{"a": 1}] * 5), limit=2))) == 3


# The command line.


def inspect(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(["inspect", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def digits(fixtures: Path) -> Path:
    return fixtures / "digits" / "checkpoints"


def test_json_by_either_name_is_the_same_and_another_format_contradicts_it(
    capsys: pytest.CaptureFixture[str], digits: Path
) -> None:
    first = inspect(capsys, digits, "--json")
    assert first == inspect(capsys, digits, "--format", "json")
    assert first == inspect(capsys, digits, "--format", "json", "--json")
    code, output, errors = inspect(capsys, digits, "--format", "html", "--json")
    assert (code, output) == (2, "")
    assert "found --json and --format html" in errors


def test_csv_has_room_for_one_section(capsys: pytest.CaptureFixture[str], digits: Path) -> None:
    code, output, errors = inspect(capsys, digits, "--format", "csv", "--show", "ops,nodes")
    assert (code, output) == (2, "")
    assert "found 2 sections, expected one: CSV has one table" in errors


def test_csv_of_paths_that_need_several_tables_is_refused(
    capsys: pytest.CaptureFixture[str], fixtures: Path, digits: Path
) -> None:
    paths = (digits, fixtures / "digits" / "saved_model")
    code, output, errors = inspect(capsys, *paths, "--format", "csv")
    assert (code, output) == (2, "")
    assert "choose a section with --show" in errors
    code, output, _ = inspect(capsys, *paths, "--format", "csv", "--show", "variables")
    assert code == 0
    rows = shown_by_csv(output)
    assert {row["path"] for row in rows} == {str(path) for path in paths}


def test_csv_has_the_variables_as_json_has_them(
    capsys: pytest.CaptureFixture[str], digits: Path
) -> None:
    rows = shown_by_csv(inspect(capsys, digits, "--format", "csv")[1])
    document = json.loads(inspect(capsys, digits, "--json")[1])["latest_checkpoint"]
    assert [row["name"] for row in rows] == [item["name"] for item in document["variables"]]
    for row, variable in zip(rows, document["variables"], strict=True):
        assert json.loads(row["shape"]) == variable["shape"]
        assert [int(row[key]) for key in ("nbytes", "shard", "offset")] == [
            variable[key] for key in ("nbytes", "shard", "offset")
        ]
        assert row["role"] == variable["role"]


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize(
    "artifact",
    ["digits/checkpoints", "keras", "keras/saved_model", "saved-models/two_meta_graphs",
     "graphs/frozen.pb", "graphs/model.text.meta", "partitioned"],
)  # fmt: skip
def test_csv_columns_are_the_same_whatever_the_artifact(
    capsys: pytest.CaptureFixture[str], fixtures: Path, section: str, artifact: str
) -> None:
    arguments = (fixtures / artifact, "--format", "csv", "--show", section)
    code, output, errors = inspect(capsys, *arguments)
    assert (code, errors) == (0, "")
    shown_by_csv(output)
    empty = inspect(capsys, fixtures / "empty-bundle", *arguments[1:])[1]
    assert output.splitlines()[0] == empty.splitlines()[0]


def test_csv_of_values_has_a_row_for_each_element(
    capsys: pytest.CaptureFixture[str], digits: Path
) -> None:
    arguments = (digits, "--values", "conv2d/kernel")
    rows = shown_by_csv(inspect(capsys, *arguments, "--format", "csv")[1])
    [value] = json.loads(inspect(capsys, *arguments, "--json")[1])["values"]
    assert len(rows) == 3 * 3 * 1 * 8
    for row in rows:
        element = value["values"]
        for index in json.loads(row["index"]):
            element = element[index]
        assert float(row["value"]) == element


@pytest.mark.parametrize(
    ("output", "begins"), [("markdown", "# "), ("html", "<!DOCTYPE html>"), ("csv", "name,")]
)
def test_a_path_that_cannot_be_read_leaves_the_others_and_alone_leaves_nothing(
    capsys: pytest.CaptureFixture[str], digits: Path, output: str, begins: str
) -> None:
    gone = digits / "gone"
    assert inspect(capsys, gone, "--format", output)[:2] == (3, "")
    code, shown, errors = inspect(capsys, digits, gone, "--format", output)
    assert code == 3
    assert str(gone) in errors
    assert shown.startswith(begins if output != "csv" else "path,name,")
    if output == "html":
        assert shown.endswith("</html>\n")


def test_a_page_forbids_scripts_and_whatever_lies_elsewhere(
    capsys: pytest.CaptureFixture[str], digits: Path
) -> None:
    page = inspect(capsys, digits, "--format", "html")[1]
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in page
    assert page.index("Content-Security-Policy") < page.index("<title>")
    for forbidden in ("<script", "href", "src=", "url(", "@import", "javascript:"):
        assert forbidden not in page


def missing(shown: str) -> list[str]:
    """The odd names that a text does not show; blanks count as one, as they are laid out."""
    words = " ".join(shown.split())
    return [name for name in ODD_NAMES if " ".join(printable(name).split()) not in words]


@pytest.mark.parametrize("output", Format)
def test_findings_have_every_format(capsys: pytest.CaptureFixture[str], output: Format) -> None:
    found = [error("block-checksum", name, f"m{name}", 7, name) for name in ODD_NAMES]
    document: dict[str, Any] = {
        "schema": 1,
        "kind": "findings",
        "path": "m",
        "findings": [describe_finding(finding) for finding in found],
    }
    presentation = Presentation(
        lambda document, layout: findings_blocks(document["findings"], layout), finding_rows
    )
    writer = Writer(output, presentation, Layout())
    writer.write(document)
    writer.end()
    text = capsys.readouterr().out
    assert_visible(text)
    if output is Format.JSON:
        assert json.loads(text) == document
    elif output is Format.CSV:
        assert [row["code"] for row in shown_by_csv(text)] == ["block-checksum"] * len(found)
    elif output is Format.HTML:
        assert missing(" ".join(shown_by_html(text))) == []
    elif output is Format.MARKDOWN:
        assert missing(" ".join(shown_by_markdown(text))) == []
    else:
        assert text.count("block-checksum") == len(found)
