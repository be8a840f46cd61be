"""Every fixture and every real artifact reads as TensorFlow reads it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import tfartifacts as tfa
from tests.conftest import PROJECT
from tests.judges.client import sha256

FIXTURES = PROJECT / "fixtures"
REAL = PROJECT.parent / "shared" / "artifacts" / "real"


def items_below(root: Path, file: str) -> list[tuple[str, dict[str, Any]]]:
    """Path and expectation of each item in the `expected.json` or `oracle.json` files below."""
    found = []
    for path in sorted(root.glob(f"*/{file}")):
        items = json.loads(path.read_text())["items"]
        pairs = items.items() if isinstance(items, dict) else [(i["path"], i) for i in items]
        found += [(f"{path.parent.name}/{name}", item) for name, item in pairs]
    return found


def signature_facts(info: tfa.TensorInfo) -> dict[str, Any]:
    shape = info.shape
    # TensorFlow's answer has the proto's field name, and "" or "invalid" for no type.
    facts: dict[str, Any] = {
        "encoding": {"composite": "composite_tensor"}.get(info.encoding, info.encoding),
        "dtype": "" if info.dtype is None else str(info.dtype),
        "shape": None if shape is None else [-1 if size is None else size for size in shape],
    }
    if info.encoding == "name":
        facts["name"] = info.name
    return facts


def known_dtype(name: str) -> str:
    return "" if name == "invalid" else name


def check_graph(graph: tfa.Graph, expected: dict[str, Any]) -> None:
    assert len(graph) == expected["node_count"]
    assert Counter(node.op for node in graph) == expected["op_histogram"]
    functions = graph.functions.values()
    assert len(functions) == expected["functions"]
    bodies = [node for function in functions for node in function.nodes]
    assert len(bodies) == expected["function_node_count"]
    assert Counter(node.op for node in bodies) == expected["function_op_histogram"]
    assert graph.versions.producer == expected["versions"]["producer"]
    ops = expected.get("placeholder_ops", ["Placeholder"])
    placeholders = [node.name for node in graph if node.op in ops]
    assert sorted(placeholders) == sorted(expected["placeholders"])


def check_meta_graph(meta_graph: tfa.MetaGraph, expected: dict[str, Any]) -> None:
    check_graph(meta_graph.graph, expected["graph"])
    assert sorted(meta_graph.tags) == sorted(expected["tags"])
    assert meta_graph.tensorflow_version == expected["tensorflow_version"]
    assert meta_graph.signatures.keys() == expected["signatures"].keys()
    for key, signature in meta_graph.signatures.items():
        wanted = expected["signatures"][key]
        assert signature.method_name == wanted["method_name"]
        for side in ("inputs", "outputs"):
            found = {name: signature_facts(i) for name, i in getattr(signature, side).items()}
            assert found.keys() == wanted[side].keys()
            for name, facts in found.items():
                expected_facts = {fact: wanted[side][name][fact] for fact in facts}
                assert facts == {**expected_facts, "dtype": known_dtype(expected_facts["dtype"])}
    collections = {
        key: {"kind": collection.kind, "n": len(collection.values)}
        for key, collection in meta_graph.collections.items()
    }
    assert collections == expected["collections"]
    assert (meta_graph.saver is not None) == expected["has_saver_def"]
    if meta_graph.saver is not None:
        for field in ("filename_tensor_name", "save_tensor_name", "restore_op_name", "sharded"):
            assert getattr(meta_graph.saver, field) == expected["saver_def"][field]


def check_variables(checkpoint: tfa.Checkpoint, expected: dict[str, dict[str, Any]]) -> None:
    assert sorted(checkpoint.variables) == sorted(expected)
    for name, facts in expected.items():
        variable = checkpoint.variables[name]
        assert (str(variable.dtype), list(variable.shape)) == (facts["dtype"], facts["shape"])
        values = variable.read()
        assert values.shape == variable.shape
        if "sha256" in facts:
            assert sha256(values) == facts["sha256"], name


FIXTURE_ITEMS = items_below(FIXTURES, "expected.json")


@pytest.mark.parametrize(("path", "item"), FIXTURE_ITEMS, ids=[path for path, _ in FIXTURE_ITEMS])
def test_a_fixture_reads_as_tensorflow_reads_it(path: str, item: dict[str, Any]) -> None:
    artifact = tfa.open(FIXTURES / path)
    assert artifact.kind == item["kind"]
    match artifact:
        case tfa.Checkpoint():
            check_variables(artifact, item["variables"])
        case tfa.MetaGraph():
            check_meta_graph(artifact, item)
        case tfa.SavedModel():
            assert len(artifact.meta_graphs) == len(item["meta_graphs"])
            for meta_graph, expected in zip(artifact.meta_graphs, item["meta_graphs"], strict=True):
                check_meta_graph(meta_graph, expected)
        case tfa.Graph():
            check_graph(artifact, item)
        case _:
            pytest.fail(f"opened as {artifact.kind}")


REAL_ITEMS = items_below(REAL, "oracle.json")


@pytest.mark.skipif(not REAL_ITEMS, reason="no real artifacts beside the project")
@pytest.mark.parametrize(
    ("path", "item"), REAL_ITEMS, ids=[f"{path}-{item['type']}" for path, item in REAL_ITEMS]
)
def test_a_real_artifact_reads_as_tensorflow_reads_it(path: str, item: dict[str, Any]) -> None:
    place = REAL / path
    match item["type"]:
        case "checkpoint":
            checkpoint = tfa.open(place)
            assert isinstance(checkpoint, tfa.Checkpoint)
            assert checkpoint.format == item["format"]
            check_variables(checkpoint, {tensor["name"]: tensor for tensor in item["tensors"]})
        case "metagraph":
            meta_graph = tfa.open(place)
            assert isinstance(meta_graph, tfa.MetaGraph)
            check_meta_graph(meta_graph, item)
        case "savedmodel" if item["ok"]:
            model = tfa.open(place)
            assert isinstance(model, tfa.SavedModel)
            for meta_graph, expected in zip(model.meta_graphs, item["meta_graphs"], strict=True):
                check_meta_graph(meta_graph, expected)
        case "savedmodel":
            # An object detection label map named saved_model.pbtxt; TensorFlow refuses it too.
            with pytest.raises(tfa.NotThisFormatError, match=r"saved_model\.pbtxt"):
                tfa.open(place)
        case "state":
            directory = tfa.open(place)
            assert isinstance(directory, tfa.CheckpointDirectory)
            assert directory.state is not None
            assert directory.state.latest_path == item["raw"]["model_checkpoint_path"]
            assert list(directory.state.all_paths) == item["raw"]["all_model_checkpoint_paths"]
            assert directory.latest is not None
        case "fingerprint":
            with pytest.raises(tfa.NotThisFormatError, match="a part of a SavedModel"):
                tfa.open(place)
        case "savedmodel_v2load":
            # Whether TensorFlow 2 can run it says nothing of reading: the model opens.
            opened = item["path"] == "." and (place / "saved_model.pbtxt").exists()
            if not opened:
                assert tfa.open(place).kind == "saved-model"
        case other:
            pytest.fail(f"no check for {other}")
