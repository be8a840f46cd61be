"""`tfartifacts diff`: the answer first, exit codes, JSON, the map of names."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tfartifacts.__main__ import run
from tfartifacts.graphs.renaming import renamed
from tfartifacts.report.difference_blocks import difference_blocks
from tfartifacts.report.differences import CSV_COLUMNS, describe_difference
from tfartifacts.report.layout import Layout
from tfartifacts.report.text import block_lines


@pytest.fixture
def checkpoint(fixtures: Path) -> tfa.Checkpoint:
    folder = tfa.open(fixtures / "digits" / "checkpoints")
    assert isinstance(folder, tfa.CheckpointDirectory)
    assert folder.latest is not None
    return folder.latest


def diff(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(["diff", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def save(path: Path, arrays: dict[str, Any]) -> Path:
    tfa.save(tfa.Checkpoint.from_arrays(arrays), path)
    return path


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def test_a_copy_is_the_same(
    capsys: pytest.CaptureFixture[str], fixtures: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(fixtures / "digits" / "checkpoints", tmp_path / "copy")
    code, output, errors = diff(capsys, fixtures / "digits" / "checkpoints", copy)
    assert (code, errors) == (0, "")
    assert output.splitlines()[0] == (
        "same weights: 10 of 10 model variables equal, bit for bit; graphs equal"
    )


def test_weights_of_a_checkpoint_and_a_saved_model_in_one_command(
    capsys: pytest.CaptureFixture[str], checkpoint: tfa.Checkpoint, tmp_path: Path
) -> None:
    outputs = {"p": "myPrediction:0"}
    tfa.save(tfa.checkpoint_to_saved_model(checkpoint, outputs=outputs), tmp_path / "export")
    code, output, _ = diff(capsys, checkpoint.path, tmp_path / "export")
    assert code == 1
    assert output.splitlines()[0] == (
        "same weights: 10 of 10 model variables equal, bit for bit; graphs differ; "
        "optimizer: 22 only in A"
    )
    code, _, _ = diff(
        capsys, checkpoint.path, tmp_path / "export", "--show", "variables", "--role", "model"
    )
    assert code == 0


def test_changed_weights_are_told_with_how_much(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    a = save(tmp_path / "a", {"w": np.zeros((3, 4)), "b": np.ones(2)})
    array = np.zeros((3, 4))
    array[2, 1] = 0.5
    b = save(tmp_path / "b", {"w": array, "b": np.ones(2)})
    code, output, _ = diff(capsys, a, b)
    assert code == 1
    lines = output.splitlines()
    assert lines[0] == "different weights: 1 of 2 variables equal; 1 changed"
    row = next(line.split() for line in lines if line.split()[:1] == ["w"])
    assert row == ["w", "1", "of", "12", "0.5", "0.04167", "1", "-", "first", "at", "[2,", "1]"]
    code, output, _ = diff(capsys, a, b, "--values", "atol=0.6")
    assert (code, output.splitlines()[0]) == (
        0,
        "same weights: 2 of 2 variables equal, within atol=0.6",
    )
    code, output, _ = diff(capsys, a, b, "--values", "none")
    assert (code, output.splitlines()[0]) == (
        0,
        "same variables: 2 of 2 variables equal in type and shape; values were not compared",
    )


def test_names_that_changed_are_written_as_a_map(
    capsys: pytest.CaptureFixture[str], checkpoint: tfa.Checkpoint, tmp_path: Path
) -> None:
    tfa.save(renamed(checkpoint, ["dense/=head/"]), tmp_path / "b")
    names = tmp_path / "names.json"
    code, output, _ = diff(capsys, checkpoint.path, tmp_path / "b", "--rename-map", names)
    assert code == 1
    assert output.startswith("same weights: 10 of 10 model variables equal, bit for bit, 2 of them")
    expected = {n: n.replace("dense/", "head/") for n in checkpoint.variables if n[:6] == "dense/"}
    assert json.loads(names.read_text()) == expected
    assert len(expected) == 6
    assert "  rule  ^dense/  ->  head/  (explains 6)" in output.splitlines()
    code, _, errors = diff(capsys, checkpoint.path, tmp_path / "b", "--rename-map", names)
    assert code == 2
    assert "exists already" in errors


@pytest.mark.parametrize("rule", ["dense/=head/", "re:^(.*)$=a\x85 =\udcff/\\1"])
def test_edit_takes_the_map_that_makes_both_the_same(
    capsys: pytest.CaptureFixture[str], checkpoint: tfa.Checkpoint, tmp_path: Path, rule: str
) -> None:
    tfa.save(renamed(checkpoint, [rule]), tmp_path / "b")
    names = tmp_path / "names.json"
    assert diff(capsys, checkpoint.path, tmp_path / "b", "--rename-map", names)[0] == 1
    assert run(["edit", checkpoint.path, str(tmp_path / "c"), "--map", str(names)]) == 0
    capsys.readouterr()
    code, output, _ = diff(capsys, tmp_path / "c", tmp_path / "b", "--show", "variables")
    assert code == 0, output


def test_json_says_all_of_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    a = save(tmp_path / "a", {"w": np.zeros(3), "old": np.arange(4.0), "gone": np.zeros((2, 2))})
    b = save(tmp_path / "b", {"w": np.array([0, np.nan, 1]), "new": np.arange(4.0)})
    code, output, _ = diff(capsys, a, b, "--json")
    assert code == 1
    document = json.loads(output)
    assert document["schema"] == 1
    assert document["a"]["num_variables"] == 3
    assert (document["equal"], document["same_weights"]) == (False, False)
    assert document["renames"] == {"old": "new"}
    assert {item["name"]: item["changes"] for item in document["variables"]} == {
        "w": ["changed"],
        "old": ["renamed"],
        "gone": ["removed"],
    }
    comparison = document["variables"][-1]["comparison"]
    assert (comparison["num_different"], comparison["num_comparable"]) == (2, 2)


def test_csv_has_a_row_for_each_variable_that_differs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    same = {"same": np.zeros(2)}
    a = save(tmp_path / "a", {**same, "w": np.zeros((2, 2)), "gone": np.zeros(3)})
    b = save(tmp_path / "b", {**same, "w": np.full((2, 2), 2.0), "new": np.zeros(5, np.float32)})
    code, output, _ = diff(capsys, a, b, "--format", "csv")
    assert code == 1
    head, *rows = csv.reader(StringIO(output))
    assert tuple(head) == CSV_COLUMNS
    named = (dict(zip(head, row, strict=True)) for row in rows)
    found = {row["name"] or row["name_in_b"]: row for row in named}
    assert set(found) == {"w", "gone", "new"}
    assert (found["w"]["changes"], found["w"]["max_absolute"]) == ("changed", "2.0")
    assert (found["gone"]["shape"], found["gone"]["shape_in_b"]) == ("3", "")
    assert (found["new"]["dtype"], found["new"]["dtype_in_b"]) == ("", "float32")


def test_every_line_fits_a_terminal(fixtures: Path) -> None:
    found = tfa.diff(
        tfa.open(fixtures / "digits" / "checkpoints"), tfa.open(fixtures / "digits" / "saved_model")
    )
    layout = Layout(width=80, limit=40)
    lines = list(block_lines(difference_blocks(describe_difference(found), layout), layout))
    assert len(lines) > 40
    assert [line for line in lines if len(line) > 80] == []


def test_a_name_is_never_shown_raw(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    a = save(tmp_path / "a", {"\x1b[31mred\n": np.zeros(2)})
    b = save(tmp_path / "b", {"w": np.zeros((2, 2))})
    _, output, _ = diff(capsys, a, b)
    assert "\x1b" not in output
    assert "\\x1b[31mred\\n" in output


def test_graphs_of_two_meta_files_are_compared(
    capsys: pytest.CaptureFixture[str], fixtures: Path
) -> None:
    meta = fixtures / "graphs" / "model.meta"
    code, output, _ = diff(capsys, meta, fixtures / "graphs" / "model.text.meta")
    assert (code, output.splitlines()[0]) == (0, "graphs equal")
    code, output, _ = diff(capsys, meta, fixtures / "bert-style" / "model.ckpt-3.meta")
    assert (code, output.splitlines()[0]) == (1, "graphs differ")


# ---------------------------------------------------------------- bad input


def test_another_kind_of_file_is_refused(
    capsys: pytest.CaptureFixture[str], checkpoint: tfa.Checkpoint, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("no artifact\n")
    code, output, errors = diff(capsys, checkpoint.path, tmp_path / "notes.txt")
    assert (code, output) == (3, "")
    assert "notes.txt" in errors
    code, _, errors = diff(capsys, tmp_path / "nothing", checkpoint.path)
    assert code == 3
    assert "nothing" in errors


@pytest.mark.parametrize("choice", [["--filter", "nowhere"], ["--filter", "no*where"]])
def test_a_filter_that_matches_nothing_is_told(
    capsys: pytest.CaptureFixture[str], checkpoint: tfa.Checkpoint, choice: list[str]
) -> None:
    code, output, errors = diff(capsys, checkpoint.path, checkpoint.path, *choice)
    assert (code, output) == (3, "")
    assert re.search("found no variable that is selected, expected one; there is 'beta1", errors)


def test_a_filter_may_match_nodes_alone(
    capsys: pytest.CaptureFixture[str], checkpoint: tfa.Checkpoint
) -> None:
    assert diff(capsys, checkpoint.path, checkpoint.path, "--filter", "myPrediction")[0] == 0


def test_damage_leaves_the_rest_and_ends_with_4(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    a = save(tmp_path / "a", {"a": np.zeros(2), "b": np.zeros(3), "c": np.zeros(4)})
    b = save(tmp_path / "b", {"a": np.ones(2), "b": np.zeros(3), "c": np.ones(4)})
    damage(tmp_path / "b.data-00000-of-00001")
    code, output, errors = diff(capsys, a, b)
    assert code == 4
    assert output.splitlines()[0] == "not all could be read: 1 of 3 variables equal, 1 not readable"
    assert "Not readable" in output
    assert any(line.split()[:1] == ["c"] for line in output.splitlines())
    assert "checksum" in errors


def test_a_damaged_meta_file_leaves_the_variables(
    capsys: pytest.CaptureFixture[str], fixtures: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(fixtures / "digits" / "checkpoints", tmp_path / "copy")
    (folder / "my_model-4.meta").write_bytes(b"\xff" * 100)
    code, output, errors = diff(capsys, fixtures / "digits" / "checkpoints", folder)
    assert code == 4
    assert output.startswith("same weights: 10 of 10")
    assert "my_model-4.meta" in errors


@pytest.mark.parametrize(
    "option",
    [["--show", "colours"], ["--role", "king"], ["--values", "perhaps"], ["--values", "rtol=x"]],
)
def test_an_option_that_means_nothing_is_refused(
    capsys: pytest.CaptureFixture[str], checkpoint: tfa.Checkpoint, option: list[str]
) -> None:
    code, output, errors = diff(capsys, checkpoint.path, checkpoint.path, *option)
    assert (code, output) == (2, "")
    assert option[1] in errors


def test_a_map_that_cannot_be_written_is_told(
    capsys: pytest.CaptureFixture[str], checkpoint: tfa.Checkpoint, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "names.json"
    code, _, errors = diff(capsys, checkpoint.path, checkpoint.path, "--rename-map", path)
    assert code == 74
    assert "found no folder, expected one to write into" in errors


def test_slots_of_a_stripped_checkpoint_are_summed_up(
    capsys: pytest.CaptureFixture[str], checkpoint: tfa.Checkpoint, tmp_path: Path
) -> None:
    kept = {k: v for k, v in checkpoint.variables.items() if "Adam" not in k and "beta" not in k}
    tfa.save(replace(checkpoint, variables=kept), tmp_path / "b")
    code, output, _ = diff(capsys, checkpoint.path, tmp_path / "b")
    assert code == 1
    assert output.splitlines()[0] == (
        "same weights: 10 of 10 model variables equal, bit for bit; graphs equal; "
        "optimizer: 22 only in A"
    )
    assert "Only in A" not in output
    code, output, _ = diff(capsys, checkpoint.path, tmp_path / "b", "--show", "variables")
    assert sum("optimizer" in line for line in output.splitlines()) == 23
