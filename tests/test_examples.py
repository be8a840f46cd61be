"""Both examples, from training to the same predictions after conversion."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import tfartifacts as tfa
from tests.judges import client
from tests.judges.client import Judge


def write_idx(path: Path, array: npt.NDArray[np.uint8]) -> None:
    """An IDX file, compressed if its name says so, as MNIST is distributed."""
    content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def mnist(tmp_path: Path, fixtures: Path) -> Path:
    """A folder like MNIST's, with the few digits of the fixtures."""
    with np.load(fixtures / "digits" / "test_digits.npz") as digits:
        images = (digits["images"][..., 0] * 255).astype(np.uint8)
        labels = digits["labels"].astype(np.uint8)
    folder = tmp_path / "mnist"
    folder.mkdir()
    write_idx(folder / "train-images-idx3-ubyte.gz", images[:200])
    write_idx(folder / "train-labels-idx1-ubyte.gz", labels[:200])
    write_idx(folder / "t10k-images.idx3-ubyte", images[200:])
    write_idx(folder / "t10k-labels.idx1-ubyte", labels[200:])
    return folder


@pytest.mark.parametrize(
    ("example", "written"),
    [
        ("checkpoints", "export/saved_model.pb"),
        ("simple_save", "restored/my_model-4.meta"),
    ],
)
def test_an_example_predicts_the_same_after_conversion(
    tensorflow_2_21: Judge, mnist: Path, tmp_path: Path, example: str, written: str
) -> None:
    out = tmp_path / "out"
    arguments = [
        "--mnist",
        str(mnist),
        "--out",
        str(out),
        "--steps",
        "40",
        "--python",
        sys.executable,
    ]
    completed = subprocess.run(
        [tensorflow_2_21.python, f"examples/{example}.py", *arguments],
        capture_output=True,
        text=True,
        cwd=client.PROJECT,
        # tfartifacts may be run where it is not installed.
        env={**client.environment(), "PYTHONPATH": os.fspath(client.PROJECT)},
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert completed.stdout.endswith("all 297 predictions are the same, bit for bit\n")
    test_accuracies = [
        line for line in completed.stdout.splitlines() if line.startswith("test accuracy")
    ]
    assert len(test_accuracies) >= 2
    assert len(set(test_accuracies)) == 1
    assert (out / written).is_file()


def test_the_servable_of_bert_style_predicts_the_same(tensorflow: Judge, tmp_path: Path) -> None:
    sizes = ("--layers=1", "--hidden=8", "--vocabulary=20", "--length=6", "--steps=1")
    completed = subprocess.run(
        [tensorflow.python, "examples/bert_style.py", tmp_path / "trained", *sizes],
        capture_output=True,
        text=True,
        cwd=client.PROJECT,
        env=client.environment(),
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    trained = tfa.open(tmp_path / "trained")
    assert isinstance(trained, tfa.CheckpointDirectory)
    assert trained.latest is not None
    names = ("input_ids", "input_mask", "segment_ids")
    model = tfa.checkpoint_to_saved_model(
        trained,
        inputs={name: name for name in names},
        outputs={"probabilities": "loss/Softmax"},
        placeholders={"is_training": "false"},
    )
    assert model.checkpoint is not None
    assert len(trained.latest.variables) == 3 * len(model.checkpoint.variables) + 1
    tfa.save(model, tmp_path / "servable")
    with np.load(tmp_path / "trained" / "expected.npz") as arrays:
        feeds = {name: arrays[name] for name in names}
        expected = arrays["probabilities"]
    found = tensorflow.run_saved_model_v2(tmp_path / "servable", feeds)
    assert found["probabilities"].tobytes() == expected.tobytes()


def test_an_example_does_not_write_into_a_folder_that_is_used(
    tensorflow_2_21: Judge, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("")
    completed = subprocess.run(
        [tensorflow_2_21.python, "examples/checkpoints.py", "--out", tmp_path],
        capture_output=True,
        text=True,
        cwd=client.PROJECT,
        env=client.environment(),
        check=False,
    )
    assert completed.returncode == 2
    assert "is not empty" in completed.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
