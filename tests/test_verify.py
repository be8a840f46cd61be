"""Verifying: every part is looked at, and nothing false said of what is sound."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tfartifacts as tfa
from tests.conftest import PROJECT
from tfartifacts.__main__ import run
from tfartifacts.formats.table import FOOTER_SIZE

Copy = Callable[[str], Path]


@pytest.fixture
def copied(fixtures: Path, tmp_path: Path) -> Copy:
    """Copies a folder of the fixtures to where it may be damaged."""

    def copy(name: str) -> Path:
        folder = tmp_path / Path(name).name
        shutil.copytree(fixtures / name, folder)
        return folder

    return copy


def told(path: str | Path, **options: Any) -> list[tuple[str, str, str]]:
    """Severity, code and file of each finding but notes."""
    return [
        (finding.severity.value, finding.code, os.path.basename(finding.path or ""))
        for finding in tfa.verify(path, **options).findings
        if finding.severity is not tfa.Severity.NOTE
    ]


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


# --- what is sound ------------------------------------------------------------------------------

# Every artifact of the fixtures, and what is to be said of it: what is really so.
GENUINE: dict[str, list[tuple[str, str]]] = {
    "bert-style": [],
    "digits/checkpoints": [],
    "digits/checkpoints/my_model-4.meta": [],
    # The accuracy is among its outputs, and needs the labels, which are no input.
    "digits/saved_model": [("warning", "unfed-placeholder")],
    "dtypes": [],
    "empty-bundle": [],
    "graphs/frozen.pb": [],
    "graphs/frozen.pbtxt": [],
    "graphs/model.meta": [],
    "graphs/model.text.meta": [],
    "keras": [],
    "keras/export": [],
    "lookup-table": [],
    "partitioned": [],
    "saved-models/text": [],
    "tensorflow-1.15/gpu/model.ckpt-5": [],
    "tensorflow-1.15/part/model.ckpt-5": [],
    "tensorflow-1.15/ref/model.ckpt-5": [],
    "tensorflow-1.15/res/model.ckpt-5": [],
    "tensorflow-1.15/sharded/model.ckpt-5": [],
    "v1-checkpoint": [],
}


def test_checkpoints_below_that_the_state_file_names_are_verified(copied: Copy) -> None:
    folder = copied("digits/checkpoints")
    below = folder / "best"
    below.mkdir()
    for path in folder.glob("my_model-4.*"):
        path.rename(below / path.name)
    (folder / "checkpoint").write_text('model_checkpoint_path: "best/my_model-4"\n')
    assert [each.prefix for each in tfa.verify(folder).checkpoints][-1] == str(below / "my_model-4")
    flip(below / "my_model-4.data-00000-of-00001", 500)
    assert told(folder) == [("error", "tensor-checksum", "my_model-4.data-00000-of-00001")]


def test_values_that_the_objects_of_a_checkpoint_name_are_looked_for(
    copied: Copy, tmp_path: Path
) -> None:
    """tf.train.Checkpoint(...).restore fails for those that are not there."""
    prefix = copied("keras") / "ckpt-1"
    flip(prefix.parent / "ckpt-1.data-00000-of-00001", 0)
    salvaged = tfa.salvage(prefix)
    tfa.save(salvaged.checkpoint, tmp_path / "kept" / "ckpt-1")
    (finding,) = tfa.verify(tmp_path / "kept" / "ckpt-1").findings
    assert (finding.code, finding.name) == ("object-without-value", *salvaged.lost)


def test_a_v1_checkpoint_of_the_same_prefix_is_noted(copied: Copy, fixtures: Path) -> None:
    prefix = copied("digits/checkpoints") / "my_model-4"
    shutil.copy(fixtures / "v1-checkpoint" / "model-3", prefix)
    (finding,) = tfa.verify(prefix).findings
    assert (finding.code, finding.path) == ("v1-beside", str(prefix))


def test_a_graph_without_its_checkpoint_is_noted(copied: Copy) -> None:
    folder = copied("digits/checkpoints")
    shutil.copy(folder / "my_model-4.meta", folder / "my_model-1.meta")
    (finding,) = tfa.verify(folder).findings
    assert (finding.code, finding.path) == (
        "meta-without-checkpoint",
        str(folder / "my_model-1.meta"),
    )


@pytest.mark.parametrize("name", GENUINE)
def test_what_is_sound_is_clean(fixtures: Path, name: str) -> None:
    found = [(severity, code) for severity, code, _ in told(fixtures / name)]
    assert found == GENUINE[name]


# What is odd about artifacts of the field; TensorFlow fails for the errors, or serves other bits.
OF_THE_FIELD: dict[str, list[tuple[str, str]]] = {
    "001_tf_hpt_20160923": [("error", "variables-elsewhere")],
    "003_tf_hpt_sharded_20160927": [("error", "variables-elsewhere")],
    "079_onnx_regression_ckpt_stale": [("error", "state-latest-moved")],
    "134_odd_pbtxt_33b": [("error", "message-unreadable")],
    "140_odd_flat_keras": [("error", "variables-elsewhere")],
    "161_ml_model_types_test": [("warning", "shared-input")],
    "215_tf26_UninitializedVariable": [("error", "missing-variable")],
    "229_deepmd_ckpt_2025": [("error", "stored-link")],
    "236_odd_finance_mixed_shards": [("warning", "stale-shard")],
}


def test_artifacts_of_the_field_are_clean_but_for_what_is_odd(shared_artifacts: Path) -> None:
    real = shared_artifacts / "real"
    found = {
        folder.name: faults
        for folder in sorted(real.iterdir())
        if folder.is_dir() and (faults := [(severity, code) for severity, code, _ in told(folder)])
    }
    assert found == OF_THE_FIELD


def test_a_folder_that_was_moved_is_told_with_each_checkpoint(shared_artifacts: Path) -> None:
    moved = [("error", "state-latest-moved"), *[("warning", "state-entry-moved")] * 2]
    for name in ("ref", "res", "part", "sharded", "gpu", "table"):
        found = told(shared_artifacts / "tf1.15" / name)
        assert sorted((severity, code) for severity, code, _ in found) == moved


def test_counts_are_of_what_was_read(fixtures: Path) -> None:
    verification = tfa.verify(fixtures / "digits" / "checkpoints")
    assert verification.kind == "checkpoint-directory"
    assert [checked.num_tensors for checked in verification.checkpoints] == [32, 32, 32]
    for checked in verification.checkpoints:
        checkpoint = tfa.open(checked.prefix)
        assert isinstance(checkpoint, tfa.Checkpoint)
        assert set(checked.intact) == set(checkpoint.variables)


# --- one part damaged, the others looked at all the same ----------------------------------------


def test_all_of_several_faults_are_told(copied: Copy) -> None:
    folder = copied("digits/checkpoints")
    flip(folder / "my_model-2.data-00000-of-00001", 500)
    flip(folder / "my_model-3.index", 40)
    (folder / "my_model-4.meta").write_bytes(b"\x0a\xff\xff")
    (folder / "checkpoint").write_text('model_checkpoint_path: "gone"\n')
    assert sorted(told(folder)) == sorted(
        [
            ("error", "state-latest-gone", "checkpoint"),
            ("error", "tensor-checksum", "my_model-2.data-00000-of-00001"),
            ("error", "block-checksum", "my_model-3.index"),
            ("error", "bundle-header", "my_model-3.index"),
            ("error", "meta-graph-unreadable", "my_model-4.meta"),
        ]
    )


def test_a_finding_says_where_and_what(copied: Copy) -> None:
    folder = copied("digits/checkpoints")
    path = folder / "my_model-4.data-00000-of-00001"
    checkpoint = tfa.open(folder / "my_model-4")
    assert isinstance(checkpoint, tfa.Checkpoint)
    value = checkpoint.variables["dense/kernel"].value
    assert value is not None
    assert value.location is not None
    flip(path, value.location.offset + 8)
    verification = tfa.verify(folder / "my_model-4")
    (finding,) = verification.findings
    assert (finding.path, finding.offset) == (str(path), value.location.offset)
    assert finding.name == "dense/kernel"
    (checked,) = verification.checkpoints
    assert checked.damaged == ("dense/kernel",)
    assert set(checked.intact) == set(checkpoint.variables) - {"dense/kernel"}


def test_variables_are_verified_though_the_graph_cannot_be_read(copied: Copy) -> None:
    folder = copied("digits/saved_model")
    flip(folder / "variables" / "variables.data-00000-of-00001", 500)
    (folder / "saved_model.pb").write_bytes(b"")
    assert told(folder) == [
        ("error", "message-unreadable", "saved_model.pb"),
        ("error", "tensor-checksum", "variables.data-00000-of-00001"),
    ]


def test_the_graph_is_verified_though_its_variables_cannot_be_read(copied: Copy) -> None:
    folder = copied("digits/saved_model")
    index = folder / "variables" / "variables.index"
    index.write_bytes(index.read_bytes()[:-FOOTER_SIZE])
    found = told(folder)
    assert ("warning", "unfed-placeholder", "saved_model.pb") in found
    assert {file for severity, _, file in found if severity == "error"} == {"variables.index"}


def test_a_meta_file_of_another_model_is_told(copied: Copy, fixtures: Path) -> None:
    folder = copied("digits/checkpoints")
    shutil.copy(fixtures / "graphs" / "model.meta", folder / "my_model-4.meta")
    found = told(folder / "my_model-4")
    assert [(severity, code) for severity, code, _ in found] == [("error", "missing-variable")]
    assert found == told(folder / "my_model-4.meta")


def test_every_version_of_a_model_is_verified(copied: Copy, tmp_path: Path) -> None:
    folder = copied("digits/saved_model")
    for version in ("1", "2"):
        shutil.copytree(folder, tmp_path / "models" / version)
    flip(tmp_path / "models" / "1" / "variables" / "variables.data-00000-of-00001", 500)
    verification = tfa.verify(tmp_path / "models")
    assert [len(checked.damaged) for checked in verification.checkpoints] == [1, 0]


def test_a_manifest_is_held_against_the_files(copied: Copy) -> None:
    folder = copied("digits/saved_model")
    tfa.write_manifest(folder)
    assert told(folder) == [("warning", "unfed-placeholder", "saved_model.pb")]
    path = folder / "saved_model.pb"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"1.12.3", b"1.12.4"))  # still a SavedModel
    assert ("error", "manifest-checksum", "saved_model.pb") in told(folder)


# --- the command --------------------------------------------------------------------------------


def test_exit_codes(copied: Copy, fixtures: Path, tmp_path: Path) -> None:
    sound = str(fixtures / "digits" / "checkpoints")
    odd = str(fixtures / "digits" / "saved_model")
    damaged = copied("digits/checkpoints")
    flip(damaged / "my_model-2.data-00000-of-00001", 500)
    unreadable = tmp_path / "unreadable.meta"
    unreadable.write_bytes(b"\x0a\xff\xff\xff")
    assert run(["verify", sound]) == 0
    assert run(["verify", odd]) == 0
    assert run(["verify", odd, "--strict"]) == 1
    assert run(["verify", str(damaged)]) == 1
    assert run(["verify", str(tmp_path / "nothing")]) == 3
    assert run(["verify", str(PROJECT / "README.md")]) == 3
    assert run(["verify", str(unreadable)]) == 4
    assert run(["verify", sound, str(damaged), str(unreadable)]) == 4
    assert run(["verify", sound, "--for", "cooking"]) == 2
    assert run(["verify"]) == 2


def test_a_prefix_without_its_index_cannot_be_read(copied: Copy) -> None:
    folder = copied("partitioned")
    index = folder / "partitioned.index"
    index.write_bytes(bytes(len(index.read_bytes())))
    assert run(["verify", str(folder / "partitioned")]) == 4


def test_the_text_says_what_to_do(copied: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied("digits/checkpoints")
    flip(folder / "my_model-4.data-00000-of-00001", 500)
    (folder / "checkpoint").unlink()
    assert run(["verify", str(folder)]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"{folder}: 1 error"
    assert "To keep the 31 of 32 variables that are intact" in printed
    assert f"  tfartifacts salvage {folder}/my_model-4 DESTINATION" in printed
    assert any(line.startswith("  error    ") and "[tensor-checksum]" in line for line in printed)


def test_json_has_every_finding_and_what_is_intact(
    copied: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied("digits/checkpoints")
    flip(folder / "my_model-4.data-00000-of-00001", 500)
    assert run(["verify", str(folder), str(folder / "my_model-2"), "--json"]) == 1
    whole, single = json.loads(capsys.readouterr().out)
    assert (whole["schema"], whole["kind"], whole["verdict"]) == (
        1,
        "checkpoint-directory",
        "errors",
    )
    assert (single["kind"], single["verdict"]) == ("checkpoint", "clean")
    (finding,) = whole["findings"]
    assert finding["code"] == "tensor-checksum"
    assert finding["severity"] == "error"
    latest = whole["checkpoints"][2]
    assert latest["damaged"] == [finding["name"]]
    assert len(latest["intact"]) == 31


def test_serving_needs_more(copied: Copy, tmp_path: Path) -> None:
    folder = copied("digits/saved_model")
    assert ("error", "serving-version", folder.name) in told(folder, for_serving=True)
    shutil.copytree(folder, tmp_path / "models" / "1")
    codes = [code for _, code, _ in told(tmp_path / "models" / "1", for_serving=True)]
    assert "serving-version" not in codes
    checkpoint = copied("partitioned")
    assert [code for _, code, _ in told(checkpoint, for_serving=True)] == [
        "serving-not-a-saved-model"
    ]


def test_verifying_loads_neither_numpy_nor_tensorflow_nor_protobuf(fixtures: Path) -> None:
    code = (
        "import sys; from tfartifacts.__main__ import run; "
        f"assert run(['verify', {str(fixtures / 'digits' / 'checkpoints')!r}]) == 0; "
        "print([name for name in ('numpy', 'tensorflow', 'google.protobuf', 'rich') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
