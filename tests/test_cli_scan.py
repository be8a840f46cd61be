"""`tfartifacts scan`: exit codes, text, JSON, several paths."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.scan_models import (
    HARM,
    dangerous_nodes,
    directly,
    encoded,
    encoded_saved_model,
    saved_model,
    string_constant,
)
from tfartifacts.__main__ import run
from tfartifacts.model import Graph, Node


def _write(folder: Path, *nodes: Node) -> str:
    folder.mkdir()
    data = encoded_saved_model(saved_model(directly(nodes)))
    (folder / "saved_model.pb").write_bytes(data)
    return str(folder)


@pytest.fixture
def harmful(tmp_path: Path) -> str:
    return _write(tmp_path / "harmful", *dangerous_nodes("WriteFile"))


@pytest.fixture
def clean(tmp_path: Path) -> str:
    return _write(tmp_path / "clean", Node(HARM, "NoOp"))


def test_a_hit_is_told_with_exit_code_1(harmful: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", harmful]) == 1
    out = capsys.readouterr().out
    assert "1 hit: write-files 1" in out
    assert "signature serving_default" in out
    assert "writes a file: /etc/target" in out


def test_nothing_to_worry_about_is_exit_code_0(
    clean: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["scan", clean]) == 0
    assert "no hits" in capsys.readouterr().out


def test_warnings_count_only_with_strict(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.mkdir()
    nodes = (*dangerous_nodes("WriteFile"), Node("out", "NoOp"))
    (path / "saved_model.pb").write_bytes(encoded_saved_model(saved_model(Graph(nodes))))
    assert run(["scan", str(path)]) == 0
    assert run(["scan", str(path), "--strict"]) == 1


@pytest.mark.parametrize("allow", ["WriteFile", "capability:write-files"])
def test_what_is_allowed_is_listed_on_demand(
    harmful: str, allow: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["scan", harmful, "--allow", allow, "--show", "all"]) == 0
    assert "(allowed)" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--allow", "capability:everything"], ["--show", "some"]])
def test_options_that_make_no_sense_are_usage_errors(clean: str, arguments: list[str]) -> None:
    assert run(["scan", clean, *arguments]) == 2


def test_the_worst_of_several_paths_wins(
    clean: str, harmful: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["scan", clean, harmful]) == 1
    assert run(["scan", clean, harmful, str(tmp_path / "nothing")]) == 3
    assert "no such file" in capsys.readouterr().err


def test_json_has_a_document_for_each_path(
    clean: str, harmful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["scan", clean, harmful, "--json"]) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert (first["schema"], first["kind"], first["is_clean"]) == (1, "scan", True)
    assert second["counts"] == {"write-files": 1}
    (row,) = second["rows"]
    assert row == {
        "severity": "error",
        "capability": "write-files",
        "op": "WriteFile",
        "nodes": [HARM],
        "num_nodes": 1,
        "reach": "signature",
        "callers": ["serving_default"],
        "function": "",
        "nesting": [],
        "target": "/etc/target",
        "explanation": "writes a file",
        "part": "",
        "is_allowed": False,
    }


def test_damage_is_exit_code_4_and_the_rest_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model"
    _write(path, *dangerous_nodes("WriteFile"))
    (path / "keras_metadata.pb").write_bytes(b"\n\x7f")
    assert run(["scan", str(path)]) == 4
    captured = capsys.readouterr()
    assert "1 hit: write-files 1" in captured.out
    assert "keras_metadata.pb: byte" in captured.err


def test_names_out_of_files_are_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "evil\x1b]0;title\x07\u202e\nname"
    inner = encoded(Graph((Node(name, "PyFunc"),)))
    path = _write(tmp_path / "model", string_constant(HARM, inner), Node(name, "Evil\x1bOp"))
    run(["scan", path, "--show", "all"])
    out = capsys.readouterr().out
    assert "PyFunc" in out
    assert not set("\x1b\x07\u202e") & set(out)
    assert "evil\\x1b]0;title\\x07\\u202e\\nname" in out


def test_a_checkpoint_without_a_graph_can_do_nothing(
    fixtures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["scan", str(fixtures / "dtypes")]) == 0
    assert "no graph: nothing in it can run" in capsys.readouterr().out


def test_graphs_of_a_folder_that_are_the_same_are_looked_at_once(
    fixtures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["scan", str(fixtures / "digits" / "checkpoints"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {row["op"] for row in document["rows"]} == {"SaveV2", "RestoreV2"}
    assert {row["reach"] for row in document["rows"]} == {"saver"}


def test_a_keras_file_is_not_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert run(["scan", str(path)]) == 3
    assert "HDF5" in capsys.readouterr().err
