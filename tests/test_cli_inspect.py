"""`tfartifacts inspect`, on the fixtures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tfartifacts.__main__ import run
from tfartifacts.report.view import SECTIONS


@pytest.fixture
def digits(fixtures: Path, tmp_path: Path) -> Path:
    """A copy of the digits' checkpoints, to be damaged."""
    return Path(shutil.copytree(fixtures / "digits" / "checkpoints", tmp_path / "checkpoints"))


def inspect(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(["inspect", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    code, output, errors = inspect(capsys, "--json", *arguments)
    assert (code, errors) == (0, "")
    return json.loads(output)


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_folder_tells_latest_and_how_to_convert(
    capsys: pytest.CaptureFixture[str], digits: Path
) -> None:
    code, output, errors = inspect(capsys, digits)
    assert (code, errors) == (0, "")
    assert ["latest", "my_model-4"] in words(output)
    assert ["kept", "3", "checkpoints"] in words(output)
    flags = "--inputs myInput:0 --outputs myPrediction:0"
    assert f"  tfartifacts convert {digits} DESTINATION {flags}" in output.splitlines()


def test_checkpoint_lists_its_variables(capsys: pytest.CaptureFixture[str], digits: Path) -> None:
    code, output, _ = inspect(capsys, digits / "my_model-4", "--filter", "conv2d/kernel")
    assert code == 0
    assert [line for line in words(output) if line[:2] == ["conv2d/kernel", "float32"]]
    assert not [line for line in words(output) if line[:1] == ["dense/kernel"]]


@pytest.mark.parametrize("member", ["my_model-4.index", "my_model-4.data-00000-of-00001"])
def test_any_member_stands_for_its_checkpoint(
    capsys: pytest.CaptureFixture[str], digits: Path, member: str
) -> None:
    assert as_json(capsys, digits / member)["prefix"] == str(digits / "my_model-4")


def test_json_has_the_documented_keys(capsys: pytest.CaptureFixture[str], digits: Path) -> None:
    found = as_json(capsys, digits / "my_model-4")
    assert list(found)[:3] == ["schema", "kind", "path"]
    expected = {"format", "num_shards", "num_variables", "num_parameters", "nbytes"}
    assert expected | {"variables", "meta_graph"} <= set(found)
    assert found["num_variables"] == len(found["variables"])
    assert found["nbytes"] == sum(variable["nbytes"] for variable in found["variables"])
    graph = found["meta_graph"]
    assert graph["num_nodes"] == sum(graph["ops"].values()) == sum(graph["devices"].values())
    assert {"name": "myInput:0", "dtype": "float32", "shape": [-1, 28, 28, 1]}.items() <= (
        graph["candidates"]["inputs"][0].items()
    )


def test_saved_model_in_json(capsys: pytest.CaptureFixture[str], fixtures: Path) -> None:
    found = as_json(capsys, fixtures / "digits" / "saved_model")
    [meta_graph] = found["meta_graphs"]
    assert meta_graph["tags"] == ["serve"]
    assert meta_graph["signatures"]["serving_default"]["inputs"]["input"]["name"] == "myInput:0"
    assert found["variables"]


@pytest.mark.parametrize(
    "artifact",
    [
        "digits/checkpoints",
        "digits/saved_model",
        "dtypes",
        "empty-bundle",
        "graphs/frozen.pb",
        "graphs/model.text.meta",
        "keras",
        "keras/saved_model",
        "lookup-table",
        "partitioned",
        "saved-models/no_variables",
        "saved-models/two_meta_graphs",
        "tensorflow-1.15/sharded",
        "v1-checkpoint",
        "v1-checkpoint/all_forms",
    ],
)
def test_everything_of_every_kind_can_be_shown(
    capsys: pytest.CaptureFixture[str], fixtures: Path, artifact: str
) -> None:
    code, output, errors = inspect(capsys, fixtures / artifact, "--show", "all")
    assert (code, errors) == (0, "")
    assert output.replace("\n", "").isprintable()
    found = as_json(capsys, fixtures / artifact, "--show", "all")
    holder = found.get("latest_checkpoint") or found.get("checkpoint") or found
    if number := holder.get("num_variables", 0):
        values = as_json(capsys, fixtures / artifact, "--values", "*")["values"]
        assert len(values) == number


def test_values_are_those_of_the_variable(capsys: pytest.CaptureFixture[str], digits: Path) -> None:
    import numpy as np

    import tfartifacts as tfa

    prefix = digits / "my_model-4"
    [value] = as_json(capsys, prefix, "--values", "dense/bias")["values"]
    checkpoint: Any = tfa.open(prefix)
    expected = checkpoint.variables["dense/bias"].read()
    assert np.array(value["values"], expected.dtype).tobytes() == expected.tobytes()


def test_several_paths_are_a_list_and_a_bad_one_does_not_hide_the_others(
    capsys: pytest.CaptureFixture[str], digits: Path
) -> None:
    paths = [digits / "my_model-2", digits / "gone", digits / "my_model-4"]
    code, output, errors = inspect(capsys, "--json", *paths)
    assert code == 3
    assert [document["step"] for document in json.loads(output)] == [2, 4]
    [line] = errors.splitlines()
    assert line.startswith(f"tfartifacts: error: {digits / 'gone'}: ")
    code, output, _ = inspect(capsys, *paths)
    assert code == 3
    assert output.count("\n\nCheckpoint ") == 1


def test_one_bad_path_leaves_standard_output_empty(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for options in ([], ["--json"]):
        code, output, errors = inspect(capsys, tmp_path / "gone", *options)
        assert (code, output, len(errors.splitlines())) == (3, "", 1)


def test_the_worst_exit_code_wins(capsys: pytest.CaptureFixture[str], digits: Path) -> None:
    index = digits / "my_model-2.index"
    index.write_bytes(index.read_bytes()[:-1])
    code, output, errors = inspect(capsys, index, digits / "gone", digits / "my_model-4")
    assert code == 4
    assert "Checkpoint " in output
    assert len(errors.splitlines()) == 2


def test_a_broken_checkpoint_in_a_folder_exits_4_and_the_rest_is_shown(
    capsys: pytest.CaptureFixture[str], digits: Path
) -> None:
    index = digits / "my_model-2.index"
    index.write_bytes(index.read_bytes()[:-1])
    code, output, errors = inspect(capsys, digits)
    assert code == 4
    assert ["my_model-2", "broken"] in words(output)
    assert ["latest", "my_model-4"] in words(output)
    assert "my_model-2.index" in errors


def test_data_shorter_than_its_index_exits_4(
    capsys: pytest.CaptureFixture[str], digits: Path
) -> None:
    data = digits / "my_model-4.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1])
    code, output, errors = inspect(capsys, digits / "my_model-4")
    assert code == 4
    assert "conv2d/kernel" in output
    assert data.name in errors


def test_missing_data_is_a_note_and_exits_0_until_values_are_wanted(
    capsys: pytest.CaptureFixture[str], digits: Path
) -> None:
    data = digits / "my_model-4.data-00000-of-00001"
    data.unlink()
    code, output, errors = inspect(capsys, digits / "my_model-4")
    assert (code, errors) == (0, "")
    assert any(line[:1] == ["note:"] and data.name in " ".join(line) for line in words(output))
    code, _, errors = inspect(capsys, digits / "my_model-4", "--values", "dense/bias")
    assert code == 3
    assert data.name in errors


def test_a_flipped_bit_in_a_value_exits_4_and_other_values_are_shown(
    capsys: pytest.CaptureFixture[str], digits: Path
) -> None:
    found = as_json(capsys, digits / "my_model-4")
    offset = next(item["offset"] for item in found["variables"] if item["name"] == "dense/bias")
    data = digits / "my_model-4.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[offset] ^= 1
    data.write_bytes(content)
    names = ("--values", "dense/bias", "--values", "dense/kernel")
    code, output, errors = inspect(capsys, digits / "my_model-4", *names)
    assert code == 4
    assert "dense/kernel  float32" in output
    assert "not readable" in output
    assert "checksum" in errors


def test_a_damaged_graph_exits_4_and_the_variables_are_shown(
    capsys: pytest.CaptureFixture[str], digits: Path
) -> None:
    meta = digits / "my_model-4.meta"
    meta.write_bytes(meta.read_bytes()[:-100])
    code, output, errors = inspect(capsys, digits / "my_model-4")
    assert code == 4
    assert "conv2d/kernel" in output
    assert meta.name in errors


def test_an_unknown_variable_is_answered_with_a_close_one(
    capsys: pytest.CaptureFixture[str], digits: Path
) -> None:
    code, _, errors = inspect(capsys, digits / "my_model-4", "--values", "dense/bais")
    assert code == 3
    assert "did you mean 'dense/bias'" in errors


def test_sections_can_be_listed_and_repeated(
    capsys: pytest.CaptureFixture[str], digits: Path
) -> None:
    code, output, _ = inspect(capsys, digits, "--show", "ops,saver", "--show", "devices")
    assert code == 0
    titles = [line for line in output.splitlines() if line in ("Ops", "Saver", "Devices")]
    assert sorted(titles) == ["Devices", "Ops", "Saver"]
    assert "Candidates" not in output


def test_an_unknown_section_is_a_usage_error_that_lists_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, output, errors = inspect(capsys, "x", "--show", "weights")
    assert (code, output) == (2, "")
    assert errors.splitlines()[0].startswith("tfartifacts: error: ")
    assert all(section in errors for section in (*SECTIONS, "all"))


def test_limit_and_sort(capsys: pytest.CaptureFixture[str], digits: Path) -> None:
    options = (digits / "my_model-4", "--show", "variables", "--sort", "size", "--limit", "1")
    code, output, _ = inspect(capsys, *options)
    assert code == 0
    assert "  ... 31 more, --limit 0 shows all" in output
    found = as_json(capsys, *options)
    [largest] = found["variables"]
    everything = as_json(capsys, digits / "my_model-4")["variables"]
    assert largest["nbytes"] == max(item["nbytes"] for item in everything)
    assert found["num_variables"] == 32


HOSTILE_GRAPH = (
    'node { name: "x\\033]0;owned\\007\\342\\200\\256\\n<script>" op: "Placeholder" '
    'attr { key: "dtype" value { type: DT_FLOAT } } }\n'
    'node { name: "w" op: "Const\\033[2J" device: "/device:\\342\\200\\213GPU:0" }\n'
)


def test_names_out_of_a_file_are_escaped_in_text_and_exact_in_json(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "hostile\x1b[31m.pbtxt"
    path.write_text(HOSTILE_GRAPH)
    code, output, _ = inspect(capsys, path, "--show", "all")
    assert code == 0
    assert output.replace("\n", "").isprintable()
    assert r"x\x1b]0;owned\x07\u202e\n<script>" in output
    found = as_json(capsys, path, "--show", "nodes")
    assert found["nodes"][0]["name"] == "x\x1b]0;owned\x07\u202e\n<script>"
    path.unlink()
    _, _, errors = inspect(capsys, path)
    assert r"hostile\x1b[31m.pbtxt" in errors
