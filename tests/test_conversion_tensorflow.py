"""What we convert, TensorFlow loads, and computes the same from it: to the last bit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tests.conversion import load_and_run, same_bits
from tests.judges.client import Judge
from tfartifacts.__main__ import run

KINDS = ("ref", "res", "part", "sharded", "gpu")


@pytest.fixture
def converted(tmp_path: Path, fixtures: Path, kind: str) -> Path:
    """A SavedModel of the kind's checkpoint."""
    source = tfa.open(fixtures / "tensorflow-1.15" / kind)
    assert isinstance(source, tfa.CheckpointDirectory)
    model = tfa.checkpoint_to_saved_model(
        source, inputs={"image": "x:0"}, outputs={"out": "y:0"}, keep_training_graph=True
    )
    tfa.save(model, tmp_path / "export")
    return tmp_path / "export"


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_of_a_checkpoint_predicts_the_same(
    tensorflow: Judge, fixtures: Path, converted: Path, kind: str
) -> None:
    folder = fixtures / "tensorflow-1.15" / kind
    x = np.load(folder / "X.npy")
    source = tensorflow.run_checkpoint(folder / "model.ckpt-5", {"x:0": x}, ["y:0"])["y:0"]
    by_v1 = tensorflow.run_saved_model_v1(
        converted, ["serve"], {"image": x}, signature="serving_default"
    )
    by_v2 = tensorflow.run_saved_model_v2(converted, {"image": x})
    assert same_bits(by_v1["out"], source)
    assert same_bits(by_v2["out"], source)
    by_c = tensorflow.run_saved_model_c(converted, ["serve"], {"image": x})
    assert same_bits(by_c["out"], source)


@pytest.mark.parametrize("kind", ["sharded"])
def test_saved_model_cli_shows_the_signature(tensorflow: Judge, converted: Path, kind: str) -> None:
    shown = tensorflow.saved_model_cli(["show", "--dir", str(converted), "--all"])
    assert "name: x:0" in shown.stdout
    assert "name: y:0" in shown.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_the_way_back_predicts_the_same(
    tensorflow: Judge, fixtures: Path, converted: Path, tmp_path: Path, kind: str
) -> None:
    folder = fixtures / "tensorflow-1.15" / kind
    x = np.load(folder / "X.npy")
    source = tensorflow.run_checkpoint(folder / "model.ckpt-5", {"x:0": x}, ["y:0"])["y:0"]
    model = tfa.open(converted)
    assert isinstance(model, tfa.SavedModel)
    prefix = tmp_path / "restored" / "my_model-4"
    tfa.save(tfa.saved_model_to_checkpoint(model), prefix)
    assert tensorflow.latest_checkpoint(prefix.parent) == str(prefix)
    restored = tensorflow.run_checkpoint(prefix, {"x:0": x}, ["y:0"])["y:0"]
    assert same_bits(restored, source)
    before = tensorflow.list_checkpoint(folder / "model.ckpt-5")
    assert tensorflow.list_checkpoint(prefix) == before


@pytest.mark.parametrize("kind", ["ref", "part", "sharded"])
def test_a_bundle_is_carried_byte_for_byte(fixtures: Path, converted: Path, kind: str) -> None:
    folder = fixtures / "tensorflow-1.15" / kind
    for file in sorted((converted / "variables").iterdir()):
        original = folder / file.name.replace("variables", "model.ckpt-5")
        assert file.read_bytes() == original.read_bytes()


@pytest.mark.parametrize("kind", ["part"])
def test_training_goes_on_from_the_way_back(
    tensorflow: Judge, fixtures: Path, converted: Path, tmp_path: Path, kind: str
) -> None:
    model = tfa.open(converted)
    assert isinstance(model, tfa.SavedModel)
    tfa.save(tfa.saved_model_to_checkpoint(model), tmp_path / "again" / "model-1")
    x = np.load(fixtures / "tensorflow-1.15" / kind / "X.npy")
    saved = tmp_path / "trained" / "model"
    saved.parent.mkdir()
    tensorflow.run_checkpoint(tmp_path / "again" / "model-1", {"x:0": x}, ["y:0"], save_to=saved)
    assert tensorflow.list_checkpoint(saved) == tensorflow.list_checkpoint(
        fixtures / "tensorflow-1.15" / kind / "model.ckpt-5"
    )


@pytest.mark.parametrize("mode", ["pruned", "frozen"])
def test_a_third_of_a_training_checkpoint_is_served(
    tensorflow: Judge, fixtures: Path, tmp_path: Path, mode: str
) -> None:
    """What Adam remembers stays behind, and what only gradients need."""
    source = fixtures / "bert-style" / "model.ckpt-3"
    arguments = [
        *("convert", str(source.parent), str(tmp_path / "export")),
        *("--inputs", "input_ids,input_mask,segment_ids"),
        *("--outputs", "probabilities=loss/Softmax", "--set", "is_training=false"),
    ]
    if mode == "frozen":
        arguments.append("--freeze")
    assert run(arguments) == 0
    model = tfa.open(tmp_path / "export")
    assert isinstance(model, tfa.SavedModel)
    meta_graph = tfa.open(f"{source}.meta")
    assert isinstance(meta_graph, tfa.MetaGraph)
    assert len(model.meta_graphs[0].graph) < len(meta_graph.graph) / 5
    checkpoint = model.checkpoint
    if mode == "frozen":
        assert checkpoint is None
    else:
        assert checkpoint is not None
        nbytes = [variable.nbytes for variable in checkpoint.variables.values()]
        before = tfa.open(source)
        assert isinstance(before, tfa.Checkpoint)
        assert len(nbytes) == 25
        assert sum(nbytes) * 3 + 8 == sum(v.nbytes for v in before.variables.values())
    with np.load(source.parent / "expected.npz") as arrays:
        feeds = {key: arrays[key] for key in ("input_ids", "input_mask", "segment_ids")}
    by_tensor = {f"{key}:0": value for key, value in feeds.items()} | {"is_training:0": False}
    # Of constants TensorFlow may compute x * (w * c) for (x * w) * c.
    optimize = mode == "pruned"
    (expected,) = tensorflow.run_checkpoint(
        source, by_tensor, ["loss/Softmax:0"], optimize=optimize
    ).values()
    (served,) = tensorflow.run_saved_model_v1(
        tmp_path / "export", ["serve"], feeds, signature="serving_default", optimize=optimize
    ).values()
    assert same_bits(served, expected)
    for found in load_and_run(tensorflow, tmp_path / "export", feeds).values():
        if mode == "pruned":
            assert same_bits(found["probabilities"], expected)
        else:
            np.testing.assert_allclose(found["probabilities"], expected, rtol=1e-5)


def one_hot(labels: Any) -> Any:
    return np.eye(10, dtype=np.float32)[labels]


def test_accuracy_of_the_checkpoint_tutorial(
    tensorflow: Judge, fixtures: Path, tmp_path: Path
) -> None:
    digits = np.load(fixtures / "digits" / "test_digits.npz")
    feeds = {"myInput:0": digits["images"], "myOutput:0": one_hot(digits["labels"])}
    source = fixtures / "digits" / "checkpoints"
    fetches = ["myPrediction:0", "myAccuracy/Mean:0"]
    expected = tensorflow.run_checkpoint(source / "my_model-4", feeds, fetches)
    directory = tfa.open(source)
    assert isinstance(directory, tfa.CheckpointDirectory)
    model = tfa.checkpoint_to_saved_model(
        directory,
        inputs={"image": "myInput"},
        outputs={"prediction": "myPrediction:0"},
        keep_training_graph=True,  # the accuracy is in no signature
    )
    tfa.save(model, tmp_path / "export")
    found = tensorflow.run_saved_model_v1(
        tmp_path / "export", ["serve"], feeds, fetches=["myAccuracy/Mean:0"]
    )
    assert f"{float(found['myAccuracy/Mean:0']):.7f}" == "0.8181818"
    by_key = tensorflow.run_saved_model_v2(tmp_path / "export", {"image": digits["images"]})
    assert same_bits(by_key["prediction"], expected["myPrediction:0"])
    assert same_bits(found["myAccuracy/Mean:0"], expected["myAccuracy/Mean:0"])


def test_accuracy_of_the_simple_save_tutorial(
    tensorflow: Judge, fixtures: Path, tmp_path: Path
) -> None:
    digits = np.load(fixtures / "digits" / "test_digits.npz")
    feeds = {"myInput:0": digits["images"], "myOutput:0": one_hot(digits["labels"])}
    fetches = ["myPrediction:0", "myAccuracy/Mean:0"]
    source = fixtures / "digits" / "saved_model"
    expected = tensorflow.run_saved_model_v1(source, ["serve"], feeds, fetches=fetches)
    model = tfa.open(source)
    assert isinstance(model, tfa.SavedModel)
    tfa.save(tfa.saved_model_to_checkpoint(model, {"serve"}), tmp_path / "backup" / "my_model-4")
    latest = tensorflow.latest_checkpoint(tmp_path / "backup")
    assert latest is not None
    found = tensorflow.run_checkpoint(latest, feeds, fetches)
    assert f"{float(found['myAccuracy/Mean:0']):.7f}" == "0.7609428"
    for name in fetches:
        assert same_bits(found[name], expected[name])


@pytest.mark.parametrize("name", ["model-3", "shards-3"])
def test_a_v1_checkpoint_becomes_a_saved_model(
    tensorflow_2_21: Judge, fixtures: Path, tmp_path: Path, name: str
) -> None:
    source = tfa.open(fixtures / "v1-checkpoint" / name)
    assert isinstance(source, tfa.Checkpoint)
    assert source.format == "V1"
    tfa.save(
        tfa.checkpoint_to_saved_model(source, inputs={"x": "x"}, outputs={"y": "y"}),
        tmp_path / "export",
    )
    stem = "model" if name == "model-3" else "shards"
    values = np.load(fixtures / "v1-checkpoint" / f"expected-{stem}.npz")
    found = tensorflow_2_21.run_saved_model_v2(tmp_path / "export", {"x": values["x"]})
    assert same_bits(found["y"], values["y"])


@pytest.mark.parametrize("folder", ["001_tf_hpt_20160923", "003_tf_hpt_sharded_20160927"])
def test_the_first_saved_models_become_checkpoints(
    tensorflow: Judge, shared_artifacts: Path, tmp_path: Path, folder: str
) -> None:
    """Half plus two, of 2016: V1 variables and RestoreSlice, in places nothing loads any more."""
    model = tfa.open(shared_artifacts / "real" / folder)
    assert isinstance(model, tfa.SavedModel)
    tfa.save(tfa.saved_model_to_checkpoint(model), tmp_path / "half" / "plus-two")
    x = np.array([[0.0], [1.0], [5.0]], np.float32)
    found = tensorflow.run_checkpoint(tmp_path / "half" / "plus-two", {"x:0": x}, ["y:0"])
    assert found["y:0"].tolist() == [[2.0], [2.5], [4.5]]


def test_a_v1_checkpoint_of_2016_becomes_a_saved_model(
    tensorflow: Judge, shared_artifacts: Path, tmp_path: Path
) -> None:
    """Its graph restores with RestoreSlice, which reads V1 only."""
    folder = tmp_path / "source"
    shutil.copytree(shared_artifacts / "real" / "118_v1_tfcloud_textmeta", folder)
    directory = tfa.open(folder)
    assert isinstance(directory, tfa.CheckpointDirectory)
    model = tfa.checkpoint_to_saved_model(directory, outputs={"sum": "add:0"})
    tfa.save(model, tmp_path / "export")
    expected = tensorflow.run_checkpoint(folder / "model.ckpt", {}, ["add:0"])["add:0"]
    found = tensorflow.run_saved_model_v1(
        tmp_path / "export", ["serve"], {}, signature="serving_default"
    )
    assert same_bits(found["sum"], expected)
