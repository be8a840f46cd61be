"""What TensorFlow Serving needs of a SavedModel, and what its loader (C++) makes of others."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tests.judges.client import Judge, JudgeError
from tests.test_check_saved_models import (
    KERAS,
    codes,
    graphs,
    make,
    rewrite,
    signature,
    without_init_op,
)
from tfartifacts.checks.findings import Finding, Severity
from tfartifacts.checks.serving import check_serving
from tfartifacts.dtypes import dtype_from_name
from tfartifacts.formats.meta_graph import encode_signature
from tfartifacts.model import Graph, MetaGraph, MetaInfo, Node, SavedModel, Signature, TensorInfo

STRING, FLOAT, INT64 = map(dtype_from_name, ("string", "float32", "int64"))
CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"


def check(path: Path) -> list[Finding]:
    model = tfa.open(path)
    assert isinstance(model, SavedModel)
    return list(check_serving(str(path), model))


@pytest.mark.parametrize("kind", ["ref", "res", "part", "table", KERAS])
def test_a_version_in_its_folder_is_served(kind: str, fixtures: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    folder = make(fixtures, kind, tmp_path / "model" / "3")
    assert check(folder) == []
    assert check(tmp_path / "model") == []


@pytest.mark.parametrize("name", ["model", "0", "v1", "1.0", "-1", "\u0661"])
def test_a_folder_that_is_no_version_is_not_found(
    name: str, fixtures: Path, tmp_path: Path
) -> None:
    [finding] = check(make(fixtures, "ref", tmp_path / name))
    assert (finding.severity, finding.code, finding.name) == (
        Severity.ERROR,
        "serving-version",
        name,
    )


def test_no_saved_model_is_an_error() -> None:
    [finding] = check_serving("runs", None)
    assert (finding.code, finding.path) == ("serving-no-model", "runs")


def test_the_tag_is_serve_alone(fixtures: Path, tmp_path: Path, tensorflow_2_21: Judge) -> None:
    folder = make(fixtures, "ref", tmp_path / "1")
    rewrite(folder, graphs(lambda m: replace(m, info=replace(m.info, tags=("serve", "gpu")))))
    [finding] = check(folder)
    assert (finding.severity, finding.code) == (Severity.ERROR, "serving-tag")
    assert "{gpu, serve}" in finding.message
    with pytest.raises(JudgeError):
        tensorflow_2_21.run_saved_model_c(folder, ["serve"], {"x": np.ones((2, 4), np.float32)})


def test_what_the_loader_of_serving_leaves_without_a_value_is_an_error(
    fixtures: Path, tmp_path: Path, tensorflow: Judge
) -> None:
    feeds: dict[str, Any] = {"x": np.ones((2, 4), np.float32)}
    folder = make(fixtures, "ref", tmp_path / "1")
    rewrite(folder, graphs(lambda m: replace(m, saver=None)))
    assert codes(check(folder)) == [
        "error serving-no-saver",
        "error serving-uninitialized-state",
    ]
    with pytest.raises(JudgeError):
        tensorflow.run_saved_model_c(folder, ["serve"], feeds)
    folder = make(fixtures, "table", tmp_path / "2")
    rewrite(folder, graphs(without_init_op))
    assert codes(check(folder)) == ["error serving-uninitialized-state"]
    feeds["s"] = np.array([b"a", b"c"], dtype=object)
    with pytest.raises(JudgeError):
        tensorflow.run_saved_model_c(folder, ["serve"], feeds)


def test_a_device_is_told(fixtures: Path, tmp_path: Path, tensorflow_2_21: Judge) -> None:
    folder = make(fixtures, "ref", tmp_path / "1")
    feeds = {"x": np.ones((2, 4), np.float32)}

    def placed(device: str) -> None:
        rewrite(
            folder,
            graphs(
                lambda m: replace(
                    m, graph=replace(m.graph, nodes=[replace(n, device=device) for n in m.graph])
                )
            ),
        )

    for device, code in {
        "/device:GPU:0": "warning serving-device",
        "/device:TPU:0": "warning serving-device",
        "/gpu:0": "warning serving-device",
        "/job:worker/task:1": "error serving-device",
    }.items():
        placed(device)
        assert codes(check(folder)) == [code]
        with pytest.raises(JudgeError):
            tensorflow_2_21.run_saved_model_c(folder, ["serve"], feeds)
    for device in ("/device:CPU:0", "/job:localhost/replica:0/task:0/device:CPU:0"):
        placed(device)
        assert check(folder) == []
        tensorflow_2_21.run_saved_model_c(folder, ["serve"], feeds)


def test_custom_ops_are_told() -> None:
    node = Node("p", "Mine")
    model = SavedModel("models/1", (meta_graph({"serving_default": predict()}, node),))
    assert codes(list(check_serving("models/1", model))) == ["warning serving-op"]


# --- signatures ----------------------------------------------------------------------------------


def info(dtype: Any) -> TensorInfo:
    return TensorInfo("p:0", dtype, None)


def predict() -> Signature:
    return Signature({"x": info(FLOAT)}, {"y": info(FLOAT)})


def meta_graph(signatures: dict[str, Signature], *nodes: Node) -> MetaGraph:
    graph = Graph(nodes or (Node("p", "Placeholder"),))
    return MetaGraph(graph, MetaInfo(tags=("serve",)), signatures)


def told(signatures: dict[str, Signature]) -> list[str]:
    model = SavedModel("models/1", (meta_graph(signatures),))
    return codes(list(check_serving("models/1", model)))


def by_method(method: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> Signature:
    return Signature(
        {key: info(dtype) for key, dtype in inputs.items()},
        {key: info(dtype) for key, dtype in outputs.items()},
        method,
    )


SIGNATURES = {
    "predict": (predict(), ""),
    "of no method": (replace(predict(), method_name=""), "serving-method"),
    "without inputs": (replace(predict(), inputs={}), "serving-empty-signature"),
    "without outputs": (replace(predict(), outputs={}), "serving-empty-signature"),
    "classify": (
        by_method(CLASSIFY, {"inputs": STRING}, {"classes": STRING, "scores": FLOAT}),
        "",
    ),
    "classes alone": (by_method(CLASSIFY, {"inputs": STRING}, {"classes": STRING}), ""),
    "scores alone": (by_method(CLASSIFY, {"inputs": STRING}, {"scores": FLOAT}), ""),
    "classes that are numbers": (
        by_method(CLASSIFY, {"inputs": STRING}, {"classes": INT64, "scores": FLOAT}),
        "serving-keys",
    ),
    "neither": (by_method(CLASSIFY, {"inputs": STRING}, {"y": FLOAT}), "serving-keys"),
    "another output": (
        by_method(CLASSIFY, {"inputs": STRING}, {"scores": FLOAT, "y": FLOAT}),
        "serving-keys",
    ),
    "regress": (by_method(REGRESS, {"inputs": STRING}, {"outputs": FLOAT}), ""),
    "regress numbers": (by_method(REGRESS, {"inputs": FLOAT}, {"outputs": FLOAT}), "serving-keys"),
    "regress another input": (
        by_method(REGRESS, {"x": STRING}, {"outputs": FLOAT}),
        "serving-keys",
    ),
    "regress to integers": (
        by_method(REGRESS, {"inputs": STRING}, {"outputs": INT64}),
        "serving-keys",
    ),
}


@pytest.mark.parametrize(("given", "code"), SIGNATURES.values(), ids=SIGNATURES)
def test_signatures_that_serving_takes(given: Signature, code: str) -> None:
    assert told({"serving_default": given}) == ([f"warning {code}"] if code else [])


@pytest.mark.parametrize(("given", "code"), SIGNATURES.values(), ids=SIGNATURES)
def test_tensorflow_says_the_same_of_a_signature(
    given: Signature, code: str, tensorflow: Judge
) -> None:
    assert tensorflow.is_valid_signature(encode_signature(given)) == (code == "")


def test_signatures_without_the_usual_name_are_told() -> None:
    assert told({"other": predict()}) == ["warning serving-signature"]
    assert told({}) == ["error serving-signature"]
    assert told({"__saved_model_init_op": predict()}) == ["error serving-signature"]
    assert told({"serving_default": predict(), "other": predict()}) == []


def test_text_is_served_too(fixtures: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(fixtures / "saved-models" / "text", tmp_path / "1")
    assert [f for f in check(Path(folder)) if f.severity == Severity.ERROR] == []


def test_a_call_without_what_is_not_fed_fails(
    fixtures: Path, tmp_path: Path, tensorflow_2_21: Judge
) -> None:
    folder = make(fixtures, "ref", tmp_path / "1")
    rewrite(folder, signature(inputs={}))
    assert codes(check(folder)) == ["warning serving-empty-signature"]
    with pytest.raises(JudgeError, match="feed a value"):
        tensorflow_2_21.run_saved_model_c(folder, ["serve"], {})
