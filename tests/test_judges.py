"""The judges themselves: TensorFlow through them says what is known of the artifacts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from tests.judges import installations
from tests.judges.client import Judge, JudgeDiedError, JudgeError, sha256

KINDS = ("ref", "res", "part", "sharded", "gpu", "table")


def test_each_installation_is_the_version_its_fixture_names(tensorflow: Judge) -> None:
    assert tensorflow.version()["tensorflow"] in ("1.15.5", "2.21.0")


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_predicts_what_was_recorded(
    tensorflow_1_15: Judge, fixtures: Path, kind: str
) -> None:
    folder = fixtures / "tensorflow-1.15" / kind
    prefix = folder / "model.ckpt-5"
    inputs = np.load(folder / "X.npy")
    table = kind == "table"
    fetches = ["y:0", "idx:0", "c:0"] if table else ["y:0"]
    feeds = {"x:0": inputs}
    initialize_feeds = None
    if table:
        feeds["s:0"] = np.array([b"a", b"c", b"zz"], dtype=object)
        vocabulary = str(folder / "vocab.txt").encode()
        initialize_feeds = {"vocab_path:0": np.array(vocabulary, dtype=object)}
    outputs = tensorflow_1_15.run_checkpoint(
        prefix,
        feeds,
        fetches,
        initialize_tables=table,
        initialize_feeds=initialize_feeds,
    )
    for name in fetches:
        expected = np.load(folder / f"expected_{name[:-2]}.npy")
        np.testing.assert_array_equal(outputs[name], expected)


def test_the_digits_have_their_accuracy_in_both(tensorflow: Judge, fixtures: Path) -> None:
    digits = np.load(fixtures / "digits" / "test_digits.npz")
    feeds = {
        "myInput:0": digits["images"],
        "myOutput:0": np.eye(10, dtype=np.float32)[digits["labels"]],
    }
    accuracy = "myAccuracy/Mean:0"
    prefix = fixtures / "digits" / "checkpoints" / "my_model-4"
    checkpoint = tensorflow.run_checkpoint(prefix, feeds, [accuracy, "myPrediction:0"])
    assert checkpoint[accuracy] == digits["checkpoint_accuracy"] == np.float32(0.8181818)
    np.testing.assert_allclose(
        checkpoint["myPrediction:0"], digits["checkpoint_prediction"], atol=1e-6
    )
    saved_model = tensorflow.run_saved_model_v1(
        fixtures / "digits" / "saved_model", ["serve"], feeds, fetches=[accuracy]
    )
    assert saved_model[accuracy] == digits["saved_model_accuracy"] == np.float32(226 / 297)


def test_a_signature_is_run_by_its_keys(tensorflow: Judge, fixtures: Path) -> None:
    digits = np.load(fixtures / "digits" / "test_digits.npz")
    directory = fixtures / "digits" / "saved_model"
    labels = np.eye(10, dtype=np.float32)[digits["labels"]]
    feeds = {"input": digits["images"], "myOutput:0": labels}
    outputs = tensorflow.run_saved_model_v1(
        directory, ["serve"], feeds, signature="serving_default"
    )
    assert set(outputs) == {"output", "prediction", "accuracy"}
    np.testing.assert_array_equal(outputs["output"], labels)


@pytest.mark.parametrize("folder", ["no_variables", "two_meta_graphs", "simple_resource"])
def test_loading_by_either_version_gives_what_was_recorded(
    tensorflow_2_21: Judge, fixtures: Path, folder: str
) -> None:
    directory = fixtures / "saved-models" / folder
    with np.load(fixtures / "saved-models" / "expected.npz") as expected:
        feeds = {"x": expected[f"{folder}/serve/serving_default/x"]}
        y = expected[f"{folder}/serve/serving_default/y"]
    first = tensorflow_2_21.run_saved_model_v1(
        directory, ["serve"], feeds, signature="serving_default"
    )
    second = tensorflow_2_21.run_saved_model_v2(directory, feeds, tags=["serve"])
    np.testing.assert_array_equal(first["y"], y)
    np.testing.assert_array_equal(second["y"], y)


def test_the_parts_of_sparse_and_ragged_inputs_are_fed_by_name(
    tensorflow: Judge, fixtures: Path
) -> None:
    directory = fixtures / "saved-models" / "two_meta_graphs"
    ragged = {"ragged.0": np.array([5, 6, 7]), "ragged.1": np.array([0, 2, 3])}
    outputs = tensorflow.run_saved_model_v1(directory, ["gpu", "serve"], ragged, signature="ragged")
    assert outputs["lengths"].tolist() == [2, 1]
    sparse = {
        "sparse.indices": np.array([[0, 1]]),
        "sparse.values": np.array([3.0], dtype=np.float32),
        "sparse.dense_shape": np.array([2, 4]),
    }
    outputs = tensorflow.run_saved_model_v1(directory, ["serve"], sparse, signature="sparse")
    assert outputs["doubled.values"].tolist() == [6.0]


def test_version_2_cannot_lift_an_output_that_needs_an_unfed_placeholder(
    tensorflow: Judge, fixtures: Path
) -> None:
    # The tutorial put its labels' placeholder and the accuracy among the outputs.
    images = np.load(fixtures / "digits" / "test_digits.npz")["images"]
    with pytest.raises(JudgeError, match="placeholder which is not an input") as caught:
        tensorflow.run_saved_model_v2(fixtures / "digits" / "saved_model", {"input": images})
    assert caught.value.type == "UnliftableError"


def real_checkpoints() -> Iterator[tuple[str, str]]:
    """Folder and prefix of each V2 or V1 checkpoint that an oracle lists."""
    root = installations.PROJECT.parent / "shared" / "artifacts" / "real"
    for oracle in sorted(root.glob("*/oracle.json")):
        for item in json.loads(oracle.read_text())["items"]:
            # A symbolic link is a file with the name of its target where the copy was made so.
            index = oracle.parent / (item["path"] + ".index")
            is_link = index.is_file() and index.stat().st_size < len(
                "a footer has 48 bytes and more"
            )
            if item["type"] == "checkpoint" and not is_link:
                yield oracle.parent.name, item["path"]


@pytest.mark.parametrize(("folder", "path"), list(real_checkpoints()))
def test_a_listing_is_what_the_oracle_holds(
    tensorflow_2_21: Judge, shared_artifacts: Path, folder: str, path: str
) -> None:
    root = shared_artifacts / "real" / folder
    (item,) = (
        item
        for item in json.loads((root / "oracle.json").read_text())["items"]
        if item["type"] == "checkpoint" and item["path"] == path
    )
    listed = tensorflow_2_21.list_checkpoint(root / path)
    assert {
        (name, entry["dtype"], tuple(entry["shape"]), entry["sha256"])
        for name, entry in listed.items()
        if "reader_error" not in entry
    } == {
        (entry["name"], entry["dtype"], tuple(entry["shape"]), entry["sha256"])
        for entry in item["tensors"]
        if "sha256" in entry
    }


def test_values_of_every_kind_survive_the_exchange(tensorflow_2_21: Judge, tmp_path: Path) -> None:
    arrays = {
        "bfloat16": np.array([1.5, -2.0], dtype=ml_dtypes.bfloat16),
        "big_endian": np.array([1, -2, 3], dtype=">i4"),
        "bool": np.array([[True, False]]),
        "empty": np.zeros((0, 3), dtype=np.float64),
        "int4": np.array([-8, 7], dtype=ml_dtypes.int4),
        "quantized": np.array([-3, 5], dtype=np.int8),
        "scalar": np.float16(0.1),
        "strings": np.array([[b"", b"a\0b"], [b"\xff", b"long" * 100]], dtype=object),
    }
    prefix = tmp_path / "model"
    tensorflow_2_21.write_bundle(prefix, arrays, dtypes={"quantized": "qint8"})
    listed = tensorflow_2_21.list_checkpoint(prefix)
    assert {name: entry["sha256"] for name, entry in listed.items()} == {
        name: sha256(array) for name, array in arrays.items()
    }
    assert listed["quantized"]["dtype"] == "qint8"
    for name, array in tensorflow_2_21.read_checkpoint(prefix).items():
        np.testing.assert_array_equal(array, arrays[name])
    assert tensorflow_2_21.restore_slice(prefix, "big_endian", "int32", "3 1,2").tolist() == [-2, 3]


def test_slices_in_shards_are_read_as_one_variable(tensorflow: Judge, tmp_path: Path) -> None:
    whole = np.arange(12, dtype=np.float32).reshape(4, 3)
    arrays = {"left": whole[:, :1], "right": whole[:, 1:], "other": np.float64(3)}
    names = {"left": "matrix", "right": "matrix"}
    slices = {"left": "4 3 -:0,1", "right": "4 3 -:1,2"}
    prefix = tmp_path / "model"
    tensorflow.write_bundle(
        prefix, arrays, names=names, shape_and_slices=slices, shards=[["left"], ["right", "other"]]
    )
    assert sorted(path.name for path in tmp_path.glob("model.*")) == [
        "model.data-00000-of-00002",
        "model.data-00001-of-00002",
        "model.index",
    ]
    np.testing.assert_array_equal(tensorflow.read_checkpoint(prefix)["matrix"], whole)


def test_a_v1_tensor_that_the_reader_refuses_is_restored(tensorflow: Judge, tmp_path: Path) -> None:
    half = np.array([1.5, 2.5], dtype=np.float16)
    tensorflow.write_v1(tmp_path / "model", {"half": half})
    listed = tensorflow.list_checkpoint(tmp_path / "model")
    assert listed["half"]["reader_error"]["type"]
    assert listed["half"]["sha256"] == sha256(half)


def test_text_and_binary_hold_the_same_message(
    tensorflow: Judge, fixtures: Path, tmp_path: Path
) -> None:
    meta = fixtures / "tensorflow-1.15" / "ref" / "model.ckpt-5.meta"
    text = tmp_path / "text.meta"
    tensorflow.convert_proto("MetaGraphDef", meta, text, text=True)
    assert text.read_bytes() != meta.read_bytes()
    assert tensorflow.same_message("MetaGraphDef", meta, text)
    other = fixtures / "tensorflow-1.15" / "res" / "model.ckpt-5.meta"
    assert not tensorflow.same_message("MetaGraphDef", meta, other)


def test_descriptors_reach_the_nodes_of_a_graph(tensorflow: Judge) -> None:
    declared = tensorflow.descriptors()
    fields = {
        field["name"]: field for field in declared["messages"]["tensorflow.NodeDef"]["fields"]
    }
    assert (fields["input"]["number"], fields["input"]["type"], fields["input"]["label"]) == (
        3,
        "string",
        "repeated",
    )
    assert declared["messages"]["tensorflow.NodeDef.AttrEntry"]["map_entry"]
    assert declared["enums"]["tensorflow.DataType"]["DT_STRING"] == 7


def test_tensorflows_error_is_told_by_type_and_text(tensorflow: Judge, tmp_path: Path) -> None:
    with pytest.raises(JudgeError, match=r"(?i)unsuccessful|not found|no such") as caught:
        tensorflow.list_checkpoint(tmp_path / "missing")
    assert caught.value.type
    assert tensorflow.latest_checkpoint(tmp_path) is None


def test_a_worker_that_ends_is_told_and_replaced(tmp_path: Path) -> None:
    with (
        Judge(sys.executable, timeout=60) as judge,
        pytest.raises(JudgeDiedError, match="tensorflow"),
    ):
        judge.version()


def test_a_judge_that_is_too_slow_is_ended(tensorflow_1_15: Judge) -> None:
    with Judge(tensorflow_1_15.python) as judge:
        with pytest.raises(JudgeDiedError, match=r"no answer within 0\.01 s"):
            judge.ask("version", timeout=0.01)
        assert judge.version()["tensorflow"] == "1.15.5"


def test_tensorflows_programs_run(tensorflow: Judge, fixtures: Path) -> None:
    shown = tensorflow.saved_model_cli(
        ["show", "--dir", fixtures / "digits" / "saved_model", "--all"]
    )
    assert shown.returncode == 0, shown.stderr
    assert "myInput:0" in shown.stdout
    listed = tensorflow.inspect_checkpoint(
        [f"--file_name={fixtures / 'digits' / 'checkpoints' / 'my_model-4'}"]
    )
    assert "conv2d/kernel" in listed.stdout


def test_an_absent_installation_is_a_reason_to_skip() -> None:
    installation = installations.INSTALLATIONS[0]
    python, reason = installations.find(installation, {installation.variable: "/nowhere/python"})
    assert python is None
    assert installation.variable in reason


def test_the_installer_explains_itself() -> None:
    script = installations.PROJECT / "tests" / "judges" / "install.py"
    shown = subprocess.run(
        [sys.executable, script, "--help"], capture_output=True, text=True, check=True
    )
    assert "--require" in shown.stdout


def copy_of_the_judges(folder: Path) -> Path:
    """The installer in a project of its own, where nothing is installed."""
    judges = folder / "project" / "tests" / "judges"
    shutil.copytree(installations.PROJECT / "tests" / "judges", judges)
    (judges.parent / "__init__.py").touch()
    return judges / "install.py"


def test_a_python_that_is_missing_is_told_and_an_error_only_where_required(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    command = [sys.executable, str(copy_of_the_judges(tmp_path))]
    told = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert told.returncode == 0
    assert "TensorFlow 1.15 needs Python 3.7: none on PATH or in pyenv" in told.stderr
    assert "TensorFlow 2.21 needs Python 3.11 or 3.12 or 3.13" in told.stderr
    required = subprocess.run(
        [*command, "--require"], capture_output=True, env=environment, timeout=60, check=False
    )
    assert required.returncode == 1


def test_training_goes_on_and_is_saved_again(
    tensorflow: Judge, fixtures: Path, tmp_path: Path
) -> None:
    folder = fixtures / "tensorflow-1.15" / "ref"
    feeds = {"x:0": np.load(folder / "X.npy"), "y_:0": np.ones([32, 3], dtype=np.float32)}
    outputs = tensorflow.run_checkpoint(
        folder / "model.ckpt-5", feeds, ["Adam", "loss:0"], runs=2, save_to=tmp_path / "again"
    )
    assert list(outputs) == ["loss:0"]
    before = tensorflow.read_checkpoint(folder / "model.ckpt-5")
    after = tensorflow.read_checkpoint(tmp_path / "again")
    assert int(before["global_step"]) == 5
    assert int(after["global_step"]) == 7
    assert before.keys() == after.keys()
    assert not np.array_equal(before["net/w1"], after["net/w1"])
    assert tensorflow.latest_checkpoint(tmp_path) == str(tmp_path / "again")
