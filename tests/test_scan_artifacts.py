"""Genuine artifacts give no alarm but what is explained here; TensorFlow says what is dangerous."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tests.conftest import PROJECT
from tests.judges.client import Judge, environment
from tests.scan_models import dangerous_nodes, encoded, in_constant
from tfartifacts.checks.findings import Severity
from tfartifacts.checks.scan import Reach
from tfartifacts.errors import TfArtifactsError

# What is found in genuine artifacts: capability and op of hits and of warnings, looked at by hand.
HITS = {
    # A Yggdrasil decision forest: its ops come with tensorflow_decision_forests.
    "087_ydf_gbdt": {
        ("custom-op", "SimpleMLCreateModelResource"),
        ("custom-op", "SimpleMLInferenceOpWithHandle"),
        ("custom-op", "SimpleMLLoadModelFromPathWithHandle"),
    },
}
WARNINGS = {
    # A table of a training run, whose vocabulary is where the run was: in the graph as it was.
    "table": {("read-files", "InitializeTableFromTextFileV2")},
}


def artifacts_below(folder: Path) -> list[Path]:
    """Folders and graphs that open as an artifact."""
    candidates = [folder, *sorted(folder.rglob("*"))]
    graphs = (".meta", ".pb", ".pbtxt", ".index")
    return [
        path
        for path in candidates
        if path.is_dir() or path.name.endswith(graphs)
        if path.name not in ("keras_metadata.pb", "fingerprint.pb")
    ]


def check_all(folder: Path) -> int:
    scanned = 0
    for path in artifacts_below(folder):
        try:
            scan = tfa.scan(path)
        except TfArtifactsError:
            continue
        scanned += 1
        if scan.num_graphs == 0:
            assert scan.rows == (), path
            continue
        names = set(path.parts)
        expected = set().union(*(hits for name, hits in HITS.items() if name in names))
        assert {(row.capability.value, row.op) for row in scan.errors} == expected, path
        warned = {(row.capability.value, row.op) for row in scan.warnings}
        allowed = set().union(*(hits for name, hits in WARNINGS.items() if name in names))
        assert warned <= allowed, path
        assert scan.problems == (), path
    return scanned


def test_the_fixtures_give_no_alarm(fixtures: Path) -> None:
    assert check_all(fixtures) >= 40


def test_the_shared_artifacts_give_no_alarm_but_the_explained(shared_artifacts: Path) -> None:
    assert check_all(shared_artifacts) >= 60


# ---------------------------------------------------------------- what TensorFlow does


@pytest.fixture(scope="module")
def dangerous(
    tensorflow_2_21: Judge, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """A folder of models that do harm, and what each did when TensorFlow 2.21 ran it."""
    folder = tmp_path_factory.mktemp("dangerous")
    finished = subprocess.run(
        [tensorflow_2_21.python, "-m", "tests.judges.dangerous", folder],
        cwd=PROJECT,
        env=environment(),
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    return folder, json.loads(finished.stdout)


# Model: the op that does it, what reaches it.
EXPECTED = {
    "write_file": ("WriteFile", Reach.SIGNATURE),
    "write_in_branch": ("WriteFile", Reach.SIGNATURE),
    "write_in_loop": ("WriteFile", Reach.SIGNATURE),
    "python_function": ("EagerPyFunc", Reach.SIGNATURE),
    "numpy_function": ("PyFunc", Reach.SIGNATURE),
    "print_to_file": ("PrintV2", Reach.SIGNATURE),
    "save_in_signature": ("SaveV2", Reach.SIGNATURE),
    "merge_in_signature": ("MergeV2Checkpoints", Reach.SIGNATURE),
    "read_file": ("ReadFile", Reach.SIGNATURE),
    "cache_dataset": ("CacheDatasetV2", Reach.SIGNATURE),
    "records_to_file": ("DatasetToTFRecord", Reach.SIGNATURE),
    "nested_dataset": ("WriteFile", Reach.SIGNATURE),
    "twice_nested_dataset": ("WriteFile", Reach.SIGNATURE),
    "summary_writer": ("CreateSummaryFileWriter", Reach.SIGNATURE),
    "write_while_loading": ("WriteFile", Reach.INIT),
    "write_in_gradient": ("WriteFile", Reach.SIGNATURE),
}
# Those that saved_model_cli of TensorFlow 2.21 names.
FOUND_BY_SAVED_MODEL_CLI = {
    *("write_file", "print_to_file", "read_file", "write_while_loading"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_tensorflow_does_when_it_runs_a_model_is_a_hit(
    dangerous: tuple[Path, dict[str, Any]], name: str
) -> None:
    folder, seen = dangerous
    if name == "read_file":
        assert seen[name]["output"] == "secret"
    elif name == "merge_in_signature":
        # What it was told to merge is gone, though nobody saved anything.
        assert {file.partition(".")[0] for file in seen[name]["files"]} == {name}
    else:
        assert seen[name]["files"]

    scan = tfa.scan(folder / name)

    op, reach = EXPECTED[name]
    assert (op, reach) in {(row.op, row.reach) for row in scan.errors}
    assert scan.problems == ()


def test_the_savers_of_these_models_are_explained(
    dangerous: tuple[Path, dict[str, Any]],
) -> None:
    folder, _ = dangerous
    for name in EXPECTED:
        savers = {row.op for row in tfa.scan(folder / name).rows if row.reach is Reach.SAVER}
        assert savers == {"SaveV2", "MergeV2Checkpoints", "RestoreV2"}, name
        hits = {row.op for row in tfa.scan(folder / name).errors if row.reach is Reach.SAVER}
        assert hits == set(), name


def test_saved_model_cli_finds_fewer(dangerous: tuple[Path, dict[str, Any]]) -> None:
    _, seen = dangerous
    assert {name for name in seen if seen[name]["saved_model_cli"]} == FOUND_BY_SAVED_MODEL_CLI


def test_a_graph_in_a_value_of_a_checkpoint_is_noted(
    tensorflow_2_21: Judge, tmp_path: Path
) -> None:
    graph = encoded(in_constant(dangerous_nodes("WriteFile")))
    state = np.array([b"short", graph], object)
    tensorflow_2_21.write_bundle(tmp_path / "m", {"state": state, "w": np.zeros(3, np.float32)})

    scan = tfa.scan(tmp_path / "m")

    found = {(row.severity, row.op, row.nesting[0], row.reach) for row in scan.rows}
    assert (Severity.NOTE, "WriteFile", "state", Reach.BESIDE) in found
    assert scan.is_clean
