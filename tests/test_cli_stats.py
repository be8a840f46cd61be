"""`tfartifacts stats`: text, JSON and CSV of the same numbers; exit codes."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tfartifacts.__main__ import run
from tfartifacts.report.layout import Layout
from tfartifacts.report.statistics import CSV_COLUMNS, SORT_KEYS, describe_statistics
from tfartifacts.report.statistics_blocks import picture, statistics_blocks
from tfartifacts.report.text import block_lines


def stats(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(["stats", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def save(path: Path, arrays: dict[str, Any]) -> Path:
    tfa.save(tfa.Checkpoint.from_arrays(arrays), path)
    return path


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A checkpoint with NaN, an infinity and strings."""
    return save(
        tmp_path / "odd",
        {
            "w": np.array([1.0, np.nan, np.inf, -2.0, 0.0]),
            "w/Adam": np.arange(5.0),
            "words": np.array([b"", b"ab"], object),
            "none": np.zeros((0, 2)),
        },
    )


def test_text_is_grouped_by_role_with_sums(
    capsys: pytest.CaptureFixture[str], fixtures: Path
) -> None:
    code, output, errors = stats(capsys, fixtures / "digits" / "checkpoints")
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    assert lines[0] == "32 variables, 8,492 elements: no NaN, no infinity"
    titles = [line for line in lines[1:] if line and line[0] != " "]
    assert titles == ["Model", "Optimizer: slots, powers, rates", "Together"]
    assert [line.split()[:2] for line in lines[-3:]] == [
        ["model", "10"],
        ["optimizer", "22"],
        ["all", "32"],
    ]


@pytest.mark.parametrize("ascii_only", [False, True])
def test_every_line_fits_a_terminal(fixtures: Path, ascii_only: bool) -> None:
    found = tfa.statistics(tfa.open(fixtures / "bert-style"))
    layout = Layout(width=80, limit=40, ascii_only=ascii_only)
    lines = list(block_lines(statistics_blocks(describe_statistics(found), layout), layout))
    assert [line for line in lines if len(line) > 80] == []
    assert all(line.isascii() for line in lines) == ascii_only


def test_strict_makes_nan_a_finding(capsys: pytest.CaptureFixture[str], odd: Path) -> None:
    code, output, _ = stats(capsys, odd)
    assert (code, output.splitlines()[0]) == (
        0,
        "4 variables, 12 elements: 1 NaN and 1 infinite in w",
    )
    assert stats(capsys, odd, "--strict")[0] == 1
    assert stats(capsys, odd, "--strict", "--filter", "Adam")[0] == 0


def test_json_has_the_fields_of_the_model(capsys: pytest.CaptureFixture[str], odd: Path) -> None:
    code, output, _ = stats(capsys, odd, "--json")
    document = json.loads(output)
    assert (code, document["schema"], document["kind"]) == (0, 1, "checkpoint")
    items = {item["name"]: item for item in document["variables"]}
    assert {key: items["w"][key] for key in ("min", "max", "num_nan", "num_infinite")} == {
        "min": -2.0,
        "max": 1.0,
        "num_nan": 1,
        "num_infinite": 1,
    }
    assert items["w"]["quantiles"]["0.5"] == 0.0
    assert items["w/Adam"]["role"] == "optimizer"
    assert items["words"]["max_length"] == 2
    assert "min" not in items["none"]
    assert document["not_finite"] == ["w"]
    assert document["total"]["num_variables"] == 4


def test_csv_has_a_row_for_each_variable(capsys: pytest.CaptureFixture[str], odd: Path) -> None:
    code, output, _ = stats(capsys, odd, "--format", "csv", "--sort", "name")
    assert code == 0
    head, *rows = csv.reader(StringIO(output))
    assert tuple(head) == CSV_COLUMNS
    assert [row[0] for row in rows] == ["none", "w", "w/Adam", "words"]
    adam = dict(zip(head, rows[2], strict=True))
    assert (adam["mean"], adam["max"], adam["quantile_0.5"]) == ("2.0", "4.0", "2.0")
    assert float(adam["std"]) == np.arange(5.0).std()


@pytest.mark.parametrize("sort", SORT_KEYS)
def test_every_order_is_one_of_all_variables(
    capsys: pytest.CaptureFixture[str], odd: Path, sort: str
) -> None:
    code, output, _ = stats(capsys, odd, "--sort", sort, "--json")
    assert code == 0
    names = [item["name"] for item in json.loads(output)["variables"]]
    assert sorted(names) == ["none", "w", "w/Adam", "words"]
    if sort in ("max", "mean", "l2"):
        assert names[:2] == ["w/Adam", "w"]


def test_a_histogram_is_a_character_for_each_step() -> None:
    assert picture([0, 1, 50, 100], ascii_only=True) == "_.=@"
    assert picture([0, 1, 50, 100], ascii_only=False) == "\u00b7\u2581\u2584\u2588"
    assert picture(None, ascii_only=True) == ""


def test_a_meta_file_stands_for_its_checkpoint(
    capsys: pytest.CaptureFixture[str], fixtures: Path
) -> None:
    path = fixtures / "digits" / "checkpoints" / "my_model-4.meta"
    assert stats(capsys, path)[1].startswith("32 variables")


# ---------------------------------------------------------------- bad input


def test_another_kind_of_file_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("no artifact\n")
    code, output, errors = stats(capsys, tmp_path / "notes.txt")
    assert (code, output) == (3, "")
    assert "notes.txt" in errors


@pytest.mark.parametrize("choice", [["--filter", "nowhere"], ["--role", "copy"]])
def test_a_choice_that_leaves_nothing_is_told(
    capsys: pytest.CaptureFixture[str], odd: Path, choice: list[str]
) -> None:
    code, output, errors = stats(capsys, odd, *choice)
    assert (code, output) == (3, "")
    assert "found no variable that is selected, expected one; there is 'none'" in errors


def test_damage_leaves_the_rest_and_ends_with_4(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = save(tmp_path / "m", {"a": np.arange(5.0), "b": np.arange(6.0)})
    data = tmp_path / "m.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[1] ^= 4
    data.write_bytes(content)
    code, output, errors = stats(capsys, path)
    assert code == 4
    assert any(line.split()[:1] == ["b"] for line in output.splitlines())
    assert "not readable: found tensor bytes with checksum" in output
    assert "checksum" in errors
    code, output, _ = stats(capsys, path, "--json")
    assert code == 4
    assert [item.get("error", {}).get("error") for item in json.loads(output)["variables"]] == [
        "ChecksumError",
        None,
    ]


@pytest.mark.parametrize(
    "option",
    [["--sort", "colour"], ["--role", "king"], ["--jobs", "0"], ["--json", "--format", "csv"]],
)
def test_an_option_that_means_nothing_is_refused(
    capsys: pytest.CaptureFixture[str], odd: Path, option: list[str]
) -> None:
    code, output, errors = stats(capsys, odd, *option)
    assert (code, output) == (2, "")
    assert option[-1] in errors
