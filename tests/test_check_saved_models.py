"""What a SavedModel is told to have wrong with it, and what TensorFlow's loaders make of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tests.judges.client import Array, Judge, JudgeDiedError, JudgeError
from tests.test_graph_def import joined
from tfartifacts.checks.findings import Finding, Severity
from tfartifacts.checks.saved_models import check_saved_model
from tfartifacts.dtypes import dtype_from_name
from tfartifacts.formats.saved_model import encode_saved_model
from tfartifacts.formats.schema import message_class
from tfartifacts.model import (
    AssetFile,
    Collection,
    MetaGraph,
    Node,
    SavedModel,
    Signature,
    TensorInfo,
)

INIT_OP = "__saved_model_init_op"
TRAIN_OP = "__saved_model_train_op"
KERAS = "keras/export"
Edit = Callable[[MetaGraph], MetaGraph]
EditModel = Callable[[SavedModel], SavedModel]


def make(fixtures: Path, kind: str, folder: Path) -> Path:
    """A good SavedModel: a fixture, or one of a checkpoint by TensorFlow 1.15 ("ref" ...)."""
    if "/" in kind:
        return Path(shutil.copytree(fixtures / kind, folder))
    directory = tfa.open(fixtures / "tensorflow-1.15" / kind)
    assert isinstance(directory, tfa.CheckpointDirectory)
    assert directory.latest is not None
    inputs, outputs = {"x": "x:0"}, {"y": "y:0"}
    if kind == "table":
        inputs["s"], outputs["idx"] = "s:0", "idx:0"
    tfa.save(
        tfa.checkpoint_to_saved_model(directory.latest, inputs=inputs, outputs=outputs), folder
    )
    return folder


def rewrite(folder: Path, edit: EditModel) -> None:
    model = tfa.open(folder)
    assert isinstance(model, SavedModel)
    (folder / "saved_model.pb").write_bytes(joined(encode_saved_model(edit(model))))
    (folder / "fingerprint.pb").unlink(missing_ok=True)


def check(folder: Path) -> list[Finding]:
    model = tfa.open(folder)
    assert isinstance(model, SavedModel)
    return list(check_saved_model(model))


def codes(findings: list[Finding]) -> list[str]:
    return [f"{finding.severity.value} {finding.code}" for finding in findings]


def graphs(edit: Edit) -> EditModel:
    return lambda model: replace(model, meta_graphs=tuple(map(edit, model.meta_graphs)))


def signature(**changes: Any) -> EditModel:
    """serving_default with other fields."""

    def edit(meta_graph: MetaGraph) -> MetaGraph:
        changed = replace(meta_graph.signatures["serving_default"], **changes)
        return replace(meta_graph, signatures={"serving_default": changed})

    return graphs(edit)


def more_signatures(**added: Signature) -> EditModel:
    return graphs(lambda m: replace(m, signatures={**m.signatures, **added}))


def collection(key: str, *names: str) -> EditModel:
    listed = Collection("node_list", names)
    return graphs(lambda m: replace(m, collections={**m.collections, key: listed}))


def without_init_op(meta_graph: MetaGraph) -> MetaGraph:
    left = {k: v for k, v in meta_graph.collections.items() if k != "saved_model_main_op"}
    return replace(meta_graph, collections=left)


def assets(*files: AssetFile) -> EditModel:
    return graphs(lambda m: replace(m, asset_files=files))


def objects(edit: Callable[[Any], object]) -> EditModel:
    """The objects of a model of TensorFlow 2, edited as a protobuf message."""

    def changed(meta_graph: MetaGraph) -> MetaGraph:
        assert meta_graph.object_graph is not None
        message = message_class("SavedObjectGraph").FromString(meta_graph.object_graph)
        edit(message)
        return replace(meta_graph, object_graph=message.SerializeToString())

    return graphs(changed)


def edit_function(graph: Any) -> None:
    found = next(node for node in graph.nodes if node.function.concrete_functions)
    found.function.concrete_functions[0] = "gone"


def edit_bound(graph: Any) -> None:
    found = next(f for f in graph.concrete_functions.values() if f.bound_inputs)
    found.bound_inputs[0] = 9999


def add_function(graph: Any) -> None:
    graph.concrete_functions["__inference_gone_99"].SetInParent()


def add_asset(graph: Any) -> None:
    graph.nodes[0].children.add(node_id=len(graph.nodes), local_name="asset")
    graph.nodes.add().asset.asset_file_def_index = 5


def add_constant(graph: Any) -> None:
    graph.nodes[0].children.add(node_id=len(graph.nodes), local_name="constant")
    graph.nodes.add().constant.operation = "gone"


def add_slot(graph: Any) -> None:
    graph.nodes[1].slot_variables.add(original_variable_node_id=999, slot_name="m")


def no_objects(graph: Any) -> None:
    del graph.nodes[:]
    graph.concrete_functions.clear()


def broken_body(meta_graph: MetaGraph) -> MetaGraph:
    functions = dict(meta_graph.graph.functions)
    name, function = next(iter(functions.items()))
    functions[name] = replace(function, nodes=(*function.nodes, Node("odd", "Neg", ("gone:y:0",))))
    return replace(meta_graph, graph=replace(meta_graph.graph, functions=functions))


GONE = TensorInfo("gone:0", dtype_from_name("float32"), None)
X = TensorInfo("x:0", dtype_from_name("float32"), (None, 4))
Y = TensorInfo("y:0", dtype_from_name("float32"), (None, 3))
NAMELESS = TensorInfo("", None, None)
VOCABULARY = AssetFile("vocab_path:0", "vocab.txt")


def operation(key: str, name: str) -> Signature:
    return Signature({}, {key: TensorInfo(name, None, None)}, "")


@dataclass(frozen=True)
class Case:
    """`fails`: the loaders that refuse it, or with which a call fails; the others take it."""

    kind: str
    edit: EditModel
    expected: tuple[str, ...]
    fails: str


# Loaders: 1 for that of TensorFlow 1, 2 for that of TensorFlow 2, C for C++.
CASES = {
    "nothing": Case("ref", lambda m: m, (), ""),
    "a schema version of later": Case(
        "ref", lambda m: replace(m, schema_version=7), ("note schema-version",), ""
    ),
    "no meta graph": Case(
        "ref", lambda m: replace(m, meta_graphs=()), ("error no-meta-graphs",), "1 2 C"
    ),
    "tags twice": Case(
        "ref",
        lambda m: replace(m, meta_graphs=m.meta_graphs * 2),
        ("warning duplicate-tags",),
        "2",
    ),
    "no saver": Case(
        "ref",
        graphs(lambda m: replace(m, saver=None)),
        ("warning no-saver", "warning uninitialized-state"),
        "C",
    ),
    "a restore op that is not there": Case(
        "ref",
        graphs(lambda m: replace(m, saver=m.saver and replace(m.saver, restore_op_name="gone"))),
        ("error restore-op",),
        "1 2 C",
    ),
    "an output that is not there": Case(
        "ref", signature(outputs={"y": GONE}), ("error signature-tensor",), "1 2 C"
    ),
    "an input that is not there": Case(
        "ref",
        signature(inputs={"x": GONE}),
        ("error signature-tensor", "warning unfed-placeholder"),
        "1 2 C",
    ),
    "an output without a name": Case(
        "ref", signature(outputs={"y": NAMELESS}), ("error signature-tensor",), "1 2 C"
    ),
    "an input of another type": Case(
        "ref",
        signature(inputs={"x": replace(X, dtype=dtype_from_name("int64"))}),
        ("warning signature-type",),
        "",
    ),
    "an input of another shape": Case(
        "ref", signature(inputs={"x": replace(X, shape=(2, 2))}), ("warning signature-type",), ""
    ),
    "no outputs": Case("ref", signature(outputs={}), ("warning empty-signature",), "C"),
    "an input for two names": Case(
        "ref", signature(inputs={"x": X, "z": X}), ("warning shared-input",), "2"
    ),
    "no init op": Case("table", graphs(without_init_op), ("warning uninitialized-state",), "1 C"),
    "an init op that is not there": Case(
        "table",
        collection("saved_model_main_op", "gone"),
        ("error init-op", "warning uninitialized-state"),
        "1 2 C",
    ),
    "two init ops": Case(
        "table",
        collection("saved_model_main_op", "saved_model_init", "saved_model_init"),
        ("error init-op",),
        "1 2 C",
    ),
    "a collection without an init op": Case(
        "table",
        collection("saved_model_main_op"),
        ("error init-op", "warning uninitialized-state"),
        "1 2 C",
    ),
    "an empty collection of older TensorFlow beside": Case(
        "table", collection("legacy_init_op"), (), ""
    ),
    # What GetInitOp followed a null pointer for (CVE-2022-23577): TensorFlow 1.15 crashes.
    "an init op's signature without it": Case(
        "table", more_signatures(**{INIT_OP: Signature({}, {})}), ("error init-op",), "1 2 C"
    ),
    "an init op's signature of another": Case(
        "table",
        more_signatures(**{INIT_OP: operation(INIT_OP, "gone")}),
        ("error init-op", "warning uninitialized-state"),
        "1 2 C",
    ),
    "a train op that is not there": Case(
        "ref", more_signatures(**{TRAIN_OP: operation(TRAIN_OP, "gone")}), ("error train-op",), "2"
    ),
    "a train op's signature without it": Case(
        "ref", more_signatures(**{TRAIN_OP: Signature({}, {})}), ("warning train-op",), ""
    ),
    "two assets for a tensor": Case(
        "table", assets(VOCABULARY, VOCABULARY), ("error asset-tensor-twice",), "C"
    ),
    "an asset for no tensor": Case(
        "table",
        assets(VOCABULARY, AssetFile("gone:0", "vocab.txt")),
        ("error asset-tensor",),
        "1 2 C",
    ),
    "an asset that is not there": Case(
        "table",
        assets(AssetFile("vocab_path:0", "other.txt")),
        ("error asset-file", "note undeclared-asset"),
        "1 2 C",
    ),
    "a child out of range": Case(
        KERAS,
        objects(lambda graph: setattr(graph.nodes[0].children[0], "node_id", 9999)),
        ("error object-reference",),
        "2",
    ),
    "a slot out of range": Case(KERAS, objects(add_slot), ("error object-reference",), "2"),
    "an input of a function out of range": Case(
        KERAS, objects(edit_bound), ("error object-reference",), "2"
    ),
    "a function's name that is not there": Case(
        KERAS, objects(edit_function), ("error object-function",), "2"
    ),
    "a function that is in no library": Case(
        KERAS, objects(add_function), ("error object-function",), "2"
    ),
    "an object's asset out of range": Case(KERAS, objects(add_asset), ("error object-asset",), "2"),
    "an object's constant that is not there": Case(
        KERAS, objects(add_constant), ("error object-constant",), "2"
    ),
    "no objects": Case(KERAS, objects(no_objects), ("error objects",), "2"),
    "a function nothing calls, with a fault": Case(
        KERAS, graphs(broken_body), ("error dangling-input",), "1 2 C"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_fault_is_found_and_nothing_else(case: Case, fixtures: Path, tmp_path: Path) -> None:
    folder = make(fixtures, case.kind, tmp_path / "model")
    rewrite(folder, case.edit)
    assert tuple(codes(check(folder))) == case.expected


def fails(judge: Judge, loader: str, folder: Path, kind: str) -> bool:
    x = np.ones((2, 4), np.float32)
    feeds: dict[str, Any] = {"features" if kind == KERAS else "x": x}
    if kind == "table":
        feeds["s"] = np.array([b"a", b"zz"], dtype=object)
    try:
        if loader == "1":
            judge.run_saved_model_v1(folder, ["serve"], feeds, signature="serving_default")
        elif loader == "2":
            judge.run_saved_model_v2(folder, feeds)
        else:
            judge.run_saved_model_c(folder, ["serve"], feeds)
    except (JudgeError, JudgeDiedError):
        return True
    return False


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_tensorflow_2_21_refuses_what_is_an_error(
    case: Case, fixtures: Path, tmp_path: Path, tensorflow_2_21: Judge
) -> None:
    folder = make(fixtures, case.kind, tmp_path / "model")
    rewrite(folder, case.edit)
    loaders = [
        loader for loader in ("1", "2", "C") if fails(tensorflow_2_21, loader, folder, case.kind)
    ]
    assert " ".join(loaders) == case.fails
    # What no loader refuses is no error.
    assert loaders or not any(code.startswith("error") for code in case.expected)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES.values() if case.kind != KERAS],
    ids=[name for name, case in CASES.items() if case.kind != KERAS],
)
def test_tensorflow_1_15_refuses_it_too(
    case: Case, fixtures: Path, tmp_path: Path, tensorflow_1_15: Judge
) -> None:
    folder = make(fixtures, case.kind, tmp_path / "model")
    rewrite(folder, case.edit)
    loaders = [loader for loader in ("1", "C") if fails(tensorflow_1_15, loader, folder, case.kind)]
    assert " ".join(loaders) == case.fails.replace("2", "").replace("  ", " ").strip()


# --- variables -----------------------------------------------------------------------------------

EditVariables = Callable[[dict[str, Array]], dict[str, Array]]


def without(name: str) -> EditVariables:
    return lambda arrays: {key: value for key, value in arrays.items() if key != name}


def with_array(name: str, change: Callable[[Array], Array]) -> EditVariables:
    return lambda arrays: {**arrays, name: change(arrays[name])}


OTHER_VARIABLES: dict[str, tuple[EditVariables, str]] = {
    "one is missing": (without("net/w1"), "error missing-variable"),
    "one of another type": (
        with_array("net/w1", lambda w: w.astype(np.int32)),
        "error changed-variable",
    ),
    "one of another shape": (with_array("net/b1", lambda b: b[:1]), "error changed-variable"),
    "one turned round": (with_array("net/w1", lambda w: w.T.copy()), "error changed-variable"),
}


def other_variables(folder: Path, edit: EditVariables, judge: Judge) -> None:
    model = tfa.open(folder)
    assert isinstance(model, SavedModel)
    assert model.checkpoint is not None
    arrays = {key: value.read() for key, value in model.checkpoint.variables.items()}
    shutil.rmtree(folder / "variables")
    (folder / "variables").mkdir()
    judge.write_bundle(folder / "variables" / "variables", edit(arrays))


@pytest.mark.parametrize("kind", ["ref", "res"])
@pytest.mark.parametrize(("edit", "expected"), OTHER_VARIABLES.values(), ids=OTHER_VARIABLES)
def test_variables_that_do_not_fit(
    edit: EditVariables,
    expected: str,
    kind: str,
    fixtures: Path,
    tmp_path: Path,
    tensorflow_2_21: Judge,
) -> None:
    folder = make(fixtures, kind, tmp_path / "model")
    other_variables(folder, edit, tensorflow_2_21)
    assert codes(check(folder)) == [expected]
    for loader in ("1", "2", "C"):
        assert fails(tensorflow_2_21, loader, folder, kind)


KEY = "variables/0/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (without(KEY), "error missing-variable"),
        (with_array(KEY, lambda w: w[:1]), "error changed-variable"),
    ],
    ids=["missing", "shape"],
)
def test_variables_of_objects_that_do_not_fit(
    edit: EditVariables, expected: str, fixtures: Path, tmp_path: Path, tensorflow_2_21: Judge
) -> None:
    folder = make(fixtures, KERAS, tmp_path / "model")
    other_variables(folder, edit, tensorflow_2_21)
    (folder / "fingerprint.pb").unlink()
    assert expected in codes(check(folder))
    assert fails(tensorflow_2_21, "2", folder, KERAS)


def test_what_is_missing_comes_with_close_names(
    fixtures: Path, tmp_path: Path, tensorflow_2_21: Judge
) -> None:
    folder = make(fixtures, "ref", tmp_path / "model")
    renamed = {"net/b1": "old/net/b1", "net/w1": "old/net/w1", "net/w2": "old/net/w2"}
    other_variables(
        folder, lambda arrays: {renamed[key]: a for key, a in arrays.items()}, tensorflow_2_21
    )
    missing, extra = check(folder)
    assert missing.code == "missing-variable"
    assert "3 of this kind" in missing.message
    assert "old/net/b1" in missing.message
    assert "finds 3" in missing.message
    assert (extra.severity, extra.code) == (Severity.NOTE, "extra-variables")


def test_variables_that_are_missing_or_elsewhere(
    fixtures: Path, tmp_path: Path, tensorflow_2_21: Judge
) -> None:
    folder = make(fixtures, "ref", tmp_path / "model")
    (folder / "variables").rename(tmp_path / "aside")
    assert codes(check(folder)) == ["error no-variables"]
    assert fails(tensorflow_2_21, "1", folder, "ref")
    for file in (tmp_path / "aside").iterdir():
        shutil.copy(file, folder / file.name)
    assert codes(check(folder)) == ["error variables-elsewhere"]
    for loader in ("1", "2", "C"):
        assert fails(tensorflow_2_21, loader, folder, "ref")


# --- assets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "which is empty"),
        ("../vocab.txt", "which leads up"),
        ("a/../../vocab.txt", "which leads up"),
        ("/etc/passwd", "which is absolute"),
        ("C:vocab.txt", "with a drive letter"),
        ("a\\vocab.txt", "with a backslash"),
        ("vocab\0.txt", "with a NUL byte"),
        ("a/", "which is a folder"),
        (".", "which is a folder"),
        ("a" * 256, "too long for a file"),
    ],
)
def test_names_that_lead_out_are_errors(
    name: str, why: str, fixtures: Path, tmp_path: Path
) -> None:
    """TensorFlow follows `../` and absolute names, whatever they lead to."""
    folder = make(fixtures, "table", tmp_path / "model")
    rewrite(folder, assets(AssetFile("vocab_path:0", name)))
    found = [finding for finding in check(folder) if finding.severity == Severity.ERROR]
    assert [finding.code for finding in found] == ["asset-name"]
    assert why in found[0].message


def test_an_asset_in_a_folder_below_is_none(fixtures: Path, tmp_path: Path) -> None:
    folder = make(fixtures, "table", tmp_path / "model")
    (folder / "assets" / "a").mkdir()
    (folder / "assets" / "vocab.txt").rename(folder / "assets" / "a" / "vocab.txt")
    rewrite(folder, assets(AssetFile("vocab_path:0", "a/vocab.txt")))
    assert check(folder) == []


def test_what_is_no_file_of_the_model_is_an_error(fixtures: Path, tmp_path: Path) -> None:
    folder = make(fixtures, "table", tmp_path / "model")
    file = folder / "assets" / "vocab.txt"
    outside = shutil.copy(file, tmp_path / "outside.txt")

    def told() -> str:
        [finding] = check(folder)
        assert (finding.severity, finding.code) == (Severity.ERROR, "asset-file")
        return finding.message

    file.unlink()
    assert "no such file for asset 'vocab.txt'" in told()
    os.mkfifo(file)
    assert "no regular file" in told()
    file.unlink()
    file.symlink_to(outside)
    assert "out of assets/" in told()
    file.unlink()
    file.symlink_to("gone")
    assert "a link that leads nowhere" in told()
    file.unlink()
    shutil.copy(outside, folder / "assets" / "real.txt")
    file.symlink_to("real.txt")
    assert codes(check(folder)) == ["note undeclared-asset"]


def test_links_of_a_cache_of_downloads_are_no_fault(fixtures: Path, tmp_path: Path) -> None:
    """As Hugging Face's: all files lie in blobs/ under other names, TensorFlow loads the links."""
    folder = make(fixtures, "table", tmp_path / "model")
    tfa.write_manifest(folder)
    link_into_cache(folder, tmp_path / "blobs")
    assert check(folder) == []
    assert [finding.code for finding in tfa.verify(folder).findings] == ["manifest-checked"]
    (folder / "assets.extra" / "tfartifacts.manifest.json").unlink()
    tfa.write_manifest(folder)
    assert [finding.code for finding in tfa.verify(folder).findings] == ["manifest-checked"]

    (tmp_path / "blobs" / "saved_model.pb").rename(tmp_path / "elsewhere")
    (folder / "saved_model.pb").unlink()
    (folder / "saved_model.pb").symlink_to(tmp_path / "elsewhere")
    assert "error asset-file" in codes(check(folder))


def test_what_is_linked_into_the_models_cache_is_looked_at(fixtures: Path, tmp_path: Path) -> None:
    folder = make(fixtures, "keras/export", tmp_path / "model")
    link_into_cache(folder, tmp_path / "blobs")
    assert check(folder) == []
    assert not tfa.scan(folder).warnings
    changed = bytearray((folder / "fingerprint.pb").read_bytes())
    changed[2] ^= 1
    (tmp_path / "blobs" / "fingerprint.pb").write_bytes(changed)
    assert codes(check(folder)) == ["error fingerprint-saved-model"]


def link_into_cache(folder: Path, cache: Path) -> None:
    cache.mkdir()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            path.symlink_to(path.rename(cache / path.name))


# --- files beside --------------------------------------------------------------------------------


def test_keras_metadata_that_cannot_be_read_is_a_warning(fixtures: Path, tmp_path: Path) -> None:
    folder = make(fixtures, KERAS, tmp_path / "model")
    (folder / "keras_metadata.pb").write_bytes(b"\x0a\x05ab")
    assert codes(check(folder)) == ["warning keras-metadata"]


def test_findings_say_which_meta_graph(fixtures: Path, tmp_path: Path) -> None:
    folder = make(fixtures, "saved-models/two_meta_graphs", tmp_path / "model")

    def edit(model: SavedModel) -> SavedModel:
        first, second = model.meta_graphs
        changed = {key: replace(s, outputs={"y": GONE}) for key, s in second.signatures.items()}
        return replace(model, meta_graphs=(first, replace(second, signatures=changed)))

    rewrite(folder, edit)
    for finding in check(folder):
        assert finding.message.startswith("meta graph {gpu, serve}: ")


def test_many_signatures_of_a_large_graph_take_seconds() -> None:
    chain = tuple(Node(f"n{i}", "Identity", (f"n{i - 1}",) if i else ("p",)) for i in range(5_000))
    graph = tfa.Graph((Node("p", "Placeholder"), *chain))
    signatures = {
        f"s{i}": Signature({}, {"y": TensorInfo("n4999:0", None, None)}) for i in range(20_000)
    }
    model = SavedModel(None, (MetaGraph(graph, signatures=signatures),))
    found = {finding.code for finding in check_saved_model(model)}
    assert found == {"signatures-not-walked", "unfed-placeholder"}


# --- genuine SavedModels -------------------------------------------------------------------------


def saved_models(folder: Path) -> dict[str, SavedModel]:
    found = {}
    for path in sorted({file.parent for file in folder.rglob("saved_model.pb*")}):
        try:
            model = tfa.open(path)
        except tfa.TfArtifactsError:
            continue  # one of 33 bytes, which is no message
        assert isinstance(model, SavedModel)
        found[path.name if path.parent.name == "real" else str(path.relative_to(folder))] = model
    return found


# Findings besides notes, which TensorFlow 2.21 bears out.
GENUINE = {
    # Accuracy needs labels, and the signature has no input for them: simple_save of a tutorial.
    "digits/saved_model": ["warning unfed-placeholder"],
    "seed/backup": ["warning unfed-placeholder"],
    # Of 2016, before variables had their place.
    "001_tf_hpt_20160923": ["error variables-elsewhere"],
    "003_tf_hpt_sharded_20160927": ["error variables-elsewhere"],
    # Uploaded flat: its files have to be put into folders.
    "140_odd_flat_keras": ["error variables-elsewhere"],
    # One tensor for several inputs, on purpose.
    "161_ml_model_types_test": ["warning shared-input"],
    # Variables that had no value when they were saved: no loader of today takes it.
    "215_tf26_UninitializedVariable": ["error missing-variable"],
}


def assert_only_genuine_faults(models: dict[str, SavedModel]) -> None:
    for name, model in models.items():
        findings = [f for f in check_saved_model(model) if f.severity != Severity.NOTE]
        assert codes(findings) == GENUINE.get(name, []), name


def test_fixtures_have_no_other_faults(fixtures: Path) -> None:
    models = saved_models(fixtures)
    assert len(models) >= 7
    assert_only_genuine_faults(models)


def test_genuine_saved_models_have_no_other_faults(shared_artifacts: Path) -> None:
    models = saved_models(shared_artifacts)
    assert len(models) >= 10
    assert_only_genuine_faults(models)


def test_tensorflow_does_not_load_those_with_an_error(
    shared_artifacts: Path, tensorflow_2_21: Judge
) -> None:
    for name, expected in GENUINE.items():
        if expected[0].startswith("error"):
            with pytest.raises(JudgeError):
                tensorflow_2_21.run_saved_model_v2(shared_artifacts / "real" / name, {})
