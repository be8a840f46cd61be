"""What a conversion to a SavedModel can be told, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tests.conversion import Source, export, run_source, same_bits
from tests.judges.client import Judge
from tfartifacts.__main__ import run
from tfartifacts.convert import SavedModelOptions, SignatureNames, convert
from tfartifacts.dtypes import dtype_from_name
from tfartifacts.graphs.placeholders import set_placeholders
from tfartifacts.graphs.saver_by_name import with_saver_by_name
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.graphs import Constant, Graph, Node, TensorShape
from tfartifacts.model.saved_models import Collection
from tfartifacts.model.values import Buffer
from tfartifacts.model.variables import Extent, Variable, VariableSlice


def checkpoint_of(path: Path) -> tfa.Checkpoint:
    artifact = tfa.open(path)
    if isinstance(artifact, tfa.CheckpointDirectory):
        assert artifact.latest is not None
        return artifact.latest
    assert isinstance(artifact, tfa.Checkpoint)
    return artifact


@pytest.fixture
def ref(fixtures: Path) -> tfa.Checkpoint:
    return checkpoint_of(fixtures / "tensorflow-1.15" / "ref")


@pytest.fixture
def table(fixtures: Path) -> tfa.Checkpoint:
    return checkpoint_of(fixtures / "tensorflow-1.15" / "table")


# --- pruning -------------------------------------------------------------------------------------


def test_pruning_leaves_what_the_signature_needs(ref: tfa.Checkpoint) -> None:
    model = tfa.checkpoint_to_saved_model(ref, {"x": "x:0"}, {"y": "y:0"})
    (meta_graph,) = model.meta_graphs
    assert (len(ref.meta_graph.graph), len(meta_graph.graph)) == (161, 25)  # type: ignore[union-attr]
    assert model.checkpoint is not None
    assert list(model.checkpoint.variables) == ["net/b1", "net/w1", "net/w2"]
    assert (ref.nbytes, model.checkpoint.nbytes) == (688, 224)
    assert set(meta_graph.collections) == {"variables", "trainable_variables"}
    kept = {definition.name for definition in meta_graph.variable_defs["variables"]}
    assert kept == {"net/b1:0", "net/w1:0", "net/w2:0"}


def test_pruning_keeps_collections_of_what_is_left(ref: tfa.Checkpoint) -> None:
    graph = ref.meta_graph
    assert graph is not None
    more = {
        "all_there": Collection("node_list", ("x:0", "^Relu", "y")),
        "half_there": Collection("node_list", ("x:0", "loss:0")),
        "numbers": Collection("int64_list", (1, 2)),
        "messages": Collection("bytes_list", (b"x",)),
    }
    source = replace(graph, collections={**graph.collections, **more})

    def collections(keep: bool) -> set[str]:
        made = tfa.checkpoint_to_saved_model(
            ref, {"x": "x:0"}, {"y": "y:0"}, meta_graph=source, keep_training_graph=keep
        )
        return set(made.meta_graphs[0].collections)

    assert collections(False) == {"variables", "trainable_variables", "all_there", "numbers"}
    assert collections(True) == set(source.collections)


def test_pruning_drops_registered_gradients_and_keeping_all_keeps_them(
    ref: tfa.Checkpoint, tensorflow_2_21: Judge, tmp_path: Path
) -> None:
    """What a library says besides functions (library.registered_gradients) is for training."""
    graph = ref.meta_graph
    assert graph is not None
    # RegisteredGradient{gradient_func: "f", registered_op_type: "O"}
    registered = b"\x1a\x06\x0a\x01f\x12\x01O"
    source = replace(graph, graph=replace(graph.graph, library_unknown_fields=registered))
    for keep in (False, True):
        made = tfa.checkpoint_to_saved_model(
            ref, {"x": "x:0"}, {"y": "y:0"}, meta_graph=source, keep_training_graph=keep
        )
        assert made.meta_graphs[0].graph.library_unknown_fields == (registered if keep else b"")
        tfa.save(made, tmp_path / f"{keep}")
        x = np.ones((1, 4), np.float32)
        assert tensorflow_2_21.run_saved_model_v2(tmp_path / f"{keep}", {"x": x})["y"].shape == (
            1,
            3,
        )


def test_a_graph_that_is_not_whole_is_refused(ref: tfa.Checkpoint) -> None:
    graph = ref.meta_graph
    assert graph is not None
    nodes = [node for node in graph.graph if node.name != "Relu"]
    torn = replace(graph, graph=replace(graph.graph, nodes=nodes))
    with pytest.raises(tfa.ConversionError, match="which takes 'Relu', expected a node 'Relu'"):
        tfa.checkpoint_to_saved_model(ref, {"x": "x:0"}, {"y": "y:0"}, meta_graph=torn)


def test_an_input_inside_the_graph_becomes_a_placeholder(
    tensorflow: Judge, ref: tfa.Checkpoint, tmp_path: Path
) -> None:
    model = tfa.checkpoint_to_saved_model(ref, {"hidden": "Relu:0"}, {"y": "y:0"})
    assert model.meta_graphs[0].graph["Relu"].op == "Placeholder"
    assert model.checkpoint is not None
    assert list(model.checkpoint.variables) == ["net/w2"]
    tfa.save(model, tmp_path / "export")
    hidden = np.ones((2, 7), np.float32)
    expected = tensorflow.run_checkpoint(ref.path, {"Relu:0": hidden}, ["y:0"])["y:0"]
    found = tensorflow.run_saved_model_v2(tmp_path / "export", {"hidden": hidden})
    assert same_bits(found["y"], expected)


def test_one_output_is_fed_and_another_computed(tensorflow: Judge, tmp_path: Path) -> None:
    """tf.saved_model.load feeds whole nodes: what is fed gets a placeholder of its own."""
    float32, int32 = dtype_from_name("float32"), dtype_from_name("int32")
    axis = Constant(int32, (), (1,))
    x: dict[str, Any] = {"dtype": float32, "shape": TensorShape((None, 4))}
    nodes = [
        Node("x", "Placeholder", (), "", x),
        Node("axis", "Const", (), "", {"dtype": int32, "value": axis}),
        Node("split", "Split", ("axis", "x"), "", {"T": float32, "num_split": 2}),
        Node("y", "Sub", ("split", "split:1"), "", {"T": float32}),
    ]
    names = {
        "whole": SignatureNames({"x": "x:0"}, {"y": "y:0"}),
        "second": SignatureNames({"x": "x:0", "b": "split:1"}, {"y": "y:0"}),
        "first": SignatureNames({"x": "x:0", "a": "split:0"}, {"y": "y:0"}),
        "both": SignatureNames({"a": "split:0", "b": "split:1"}, {"y": "y:0"}),
    }
    options = SavedModelOptions(signatures=names)
    model = convert(Graph(nodes), options=options)
    assert isinstance(model, tfa.SavedModel)
    graph = model.meta_graphs[0].graph
    assert graph["y"].inputs == ("split_0", "split_1:0")
    assert graph["split_1"].op == "PlaceholderWithDefault"
    tfa.save(model, tmp_path / "export")
    rows = {
        "x": np.array([[1, 2, 3, 4]], np.float32),
        "a": np.array([[10, 20]], np.float32),
        "b": np.array([[100, 200]], np.float32),
    }
    expected = {"whole": [-2, -2], "second": [-99, -198], "first": [7, 16], "both": [-90, -180]}
    for key, value in expected.items():
        feeds = {name: rows[name] for name in names[key].inputs}
        by_v1 = tensorflow.run_saved_model_v1(tmp_path / "export", ["serve"], feeds, signature=key)
        by_v2 = tensorflow.run_saved_model_v2(tmp_path / "export", feeds, signature=key)
        assert by_v1["y"].tolist() == by_v2["y"].tolist() == [value]
    alone = convert(Graph(nodes), options=SavedModelOptions(signatures={"both": names["both"]}))
    assert isinstance(alone, tfa.SavedModel)
    assert [(node.name, node.op) for node in alone.meta_graphs[0].graph] == [
        ("split", "Placeholder"),
        ("split_1", "Placeholder"),
        ("y", "Sub"),
    ]


def test_a_mutable_table_keeps_its_part_of_the_saver(
    tensorflow_2_21: Judge, fixtures: Path, tmp_path: Path
) -> None:
    checkpoint = checkpoint_of(fixtures / "lookup-table" / "model-1")
    graph = checkpoint.meta_graph.graph  # type: ignore[union-attr]
    find = next(node for node in graph.nodes if node.op == "LookupTableFindV2")
    model = tfa.checkpoint_to_saved_model(
        checkpoint, {"words": find.inputs[1]}, {"found": f"{find.name}:0"}
    )
    assert model.checkpoint is not None
    assert any("table" in name or "keys" in name for name in model.checkpoint.variables)
    tfa.save(model, tmp_path / "export")
    (words,) = (v for n, v in checkpoint.variables.items() if n.endswith("-keys"))
    (numbers,) = (v for n, v in checkpoint.variables.items() if n.endswith("-values"))
    found = tensorflow_2_21.run_saved_model_v2(tmp_path / "export", {"words": words.read()})
    assert same_bits(found["found"], numbers.read())
    with pytest.raises(tfa.ConversionError, match="a table cannot be frozen"):
        tfa.checkpoint_to_saved_model(
            checkpoint, {"words": find.inputs[1]}, {"found": f"{find.name}:0"}, freeze=True
        )


def test_the_json_counts_nodes_and_bytes_before_and_after(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = str(fixtures / "digits" / "checkpoints")
    assert run(["convert", source, str(tmp_path / "export"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["before"] == {
        "num_nodes": 466,
        "num_variables": 32,
        "variables_nbytes": 33968,
    }
    assert (document["num_nodes"], document["num_variables"]) == (67, 10)
    assert document["variables_nbytes"] == 11320


# --- names ---------------------------------------------------------------------------------------


def test_moving_averages_take_the_place_of_variables(
    sources_1_15: dict[str, Source], tensorflow_1_15: Judge, tmp_path: Path
) -> None:
    """The checkpoint has both; the training saver's own .meta restores the variables."""
    source = sources_1_15["ema"]
    checkpoint = checkpoint_of(source.prefix)
    graph = checkpoint.meta_graph
    assert graph is not None
    with pytest.raises(tfa.ConversionError, match="the saver restores 5 averages as it is"):
        export(source, tmp_path / "refused", "pruned", use_ema=True)
    # As the training saver has it: each variable by its own name.
    training = with_saver_by_name(replace(graph, saver=None), checkpoint.variables, ())
    plain = tfa.checkpoint_to_saved_model(
        checkpoint, source.keys, {"y": "y:0"}, meta_graph=training
    )
    averaged = tfa.checkpoint_to_saved_model(
        checkpoint, source.keys, {"y": "y:0"}, meta_graph=training, use_ema=True
    )
    assert plain.checkpoint is not None
    assert averaged.checkpoint is not None
    assert "net/w1" in plain.checkpoint.variables
    assert "net/w1/ExponentialMovingAverage" in averaged.checkpoint.variables
    assert "net/w1" not in averaged.checkpoint.variables
    # Batch norm's moving average is none of a variable: it stays what it is.
    assert "bn/mean" in averaged.checkpoint.variables
    assert (
        "moving averages take the place of 5 variables; others that are served have none and keep "
        "their values: bn/mean, bn/var"
    ) in averaged.notes
    tfa.save(plain, tmp_path / "plain")
    tfa.save(averaged, tmp_path / "averaged")
    expected = run_source(tensorflow_1_15, source)["y"]
    found = [
        tensorflow_1_15.run_saved_model_v2(tmp_path / name, source.by_key())["y"]
        for name in ("averaged", "plain")
    ]
    assert same_bits(found[0], expected)
    assert not same_bits(found[1], expected)


# --- freezing ------------------------------------------------------------------------------------


def test_what_changes_a_variable_is_refused_by_name(ref: tfa.Checkpoint) -> None:
    with pytest.raises(tfa.ConversionError, match=r"found 'Adam/update_net/b1/ApplyAdam'"):
        tfa.checkpoint_to_saved_model(ref, {}, {"t": "Adam/update_net/b1/ApplyAdam:0"}, freeze=True)


class NeverRead:
    """A value of a size that nobody could hold."""

    location = None

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.dtype = dtype_from_name("float32")
        self.shape = shape
        self.nbytes = 4 * prod(shape)

    def read(self) -> Any:
        raise AssertionError("it is read before it is refused")

    def stored(self) -> Iterator[Buffer]:
        raise AssertionError("it is read before it is refused")


@pytest.mark.parametrize("parts", [1, 3])
def test_what_is_too_large_for_a_graph_is_refused_before_it_is_read(
    tmp_path: Path, parts: int
) -> None:
    """A variable, or slices of one, of 3 GB."""
    whole = (750_000_000,)
    length = whole[0] // parts
    values = [NeverRead((length,)) for _ in range(parts)]
    slices = tuple(
        VariableSlice((Extent(i * length, length),), value) for i, value in enumerate(values)
    )
    attrs = {"dtype": dtype_from_name("float32"), "shape": TensorShape((length,))}
    names = [f"w/part_{i}" for i in range(parts)] if parts > 1 else ["w"]
    nodes = [Node(name, "VariableV2", (), "", attrs) for name in names]
    nodes.append(Node("y", "AddN", tuple(names), "", {"T": attrs["dtype"], "N": parts}))
    variable = Variable(
        "w", dtype_from_name("float32"), whole, *((values[0], ()) if parts == 1 else (None, slices))
    )
    checkpoint = Checkpoint("m", "V2", 1, {"w": variable})
    options = SavedModelOptions(meta_graph=Graph(nodes), freeze=True)
    with pytest.raises(tfa.ConversionError, match=r"found 3000000000 bytes .* at most 2147483647"):
        convert(checkpoint, outputs={"y": "y:0"}, options=options)


def test_a_table_goes_on_in_a_frozen_model_but_not_in_a_graph(table: tfa.Checkpoint) -> None:
    with pytest.raises(
        tfa.ConversionError, match=r"found an init op \(text_file_init/\S+\), expected"
    ):
        convert(table, to="graph-def", inputs={"s": "s:0"}, outputs={"idx": "idx:0"})


def test_a_graph_alone_with_variables_needs_their_checkpoint(ref: tfa.Checkpoint) -> None:
    graph = ref.meta_graph
    assert graph is not None
    with pytest.raises(tfa.ConversionError, match=r"need 3 variables .*--graph"):
        convert(graph, outputs={"y": "y:0"})


# --- placeholders, shapes, signatures ------------------------------------------------------------


def test_unfed_placeholders_are_listed_and_can_be_set(
    sources_1_15: dict[str, Source],
    tensorflow: Judge,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = sources_1_15["ema"]
    arguments = ["convert", str(source.prefix), "--inputs", "x:0", "--outputs", "y:0"]
    assert run([*arguments, str(tmp_path / "unfed")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "note: signature 'serving_default' also needs rate:0, which is not among its " in printed
    assert re.search(
        r"inputs \(taken by while/\S+ \(Enter\)\): calls will fail until it is, or is fixed: "
        "--set rate=VALUE",
        printed,
    )
    settings = ["--set", "rate=0.25", "--set", "keep_prob=1.0"]
    assert run([*arguments, str(tmp_path / "set"), *settings]) == 0
    assert "also needs" not in capsys.readouterr().out
    expected = run_source(tensorflow, source)["y"]
    found = tensorflow.run_saved_model_v2(tmp_path / "set", {"x": source.feeds["x:0"]})
    assert same_bits(found["y"], expected)


def test_what_a_frozen_graph_is_to_be_fed_is_listed(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = str(fixtures / "tensorflow-1.15" / "ref")
    arguments = ["convert", source, str(tmp_path / "frozen.pb"), "--to", "graph-def"]
    assert run([*arguments, "--outputs", "y,loss,x"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "note: x:0 is to be fed (taken by MatMul (MatMul)), or fixed: --set x=VALUE" in printed
    assert "note: y_:0 is to be fed (taken by sub (Sub)), or fixed: --set y_=VALUE" in printed
    assert "signature" not in printed


def placeholder(dtype: str, shape: Any = None) -> Graph:
    attrs: dict[str, Any] = {"dtype": dtype_from_name(dtype)}
    if shape is not None:
        attrs["shape"] = TensorShape(shape)
    return Graph((Node("p", "Placeholder", (), "", attrs),))


@pytest.mark.parametrize(
    ("dtype", "shape", "text", "expected"),
    [
        ("float32", None, "1.0", (1.0,)),
        ("bool", None, "False", (False,)),
        ("int64", (3,), "7", (7, 7, 7)),
        ("int32", (None, 2), "[[1, 2], [3, 4]]", (1, 2, 3, 4)),
        ("string", None, "plain text", (b"plain text",)),
    ],
)
def test_values_of_placeholders(dtype: str, shape: Any, text: str, expected: Any) -> None:
    node = set_placeholders(placeholder(dtype, shape), {"p:0": text})["p"]
    assert node.op == "Const"
    assert node.attrs["value"].elements == expected


@pytest.mark.parametrize(
    ("dtype", "shape", "text"),
    [
        ("float32", None, "yes"),
        ("bool", None, "1"),
        ("int8", None, "200"),
        ("float32", (None, 2), "[1, 2]"),
        ("float32", None, "[[1], [1, 2]]"),
    ],
)
def test_values_that_do_not_fit_are_refused(dtype: str, shape: Any, text: str) -> None:
    with pytest.raises(tfa.ConversionError, match="expected"):
        set_placeholders(placeholder(dtype, shape), {"p": text})


def test_several_signatures_by_flags_and_by_file(
    tensorflow: Judge, fixtures: Path, tmp_path: Path
) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(
        json.dumps(
            {
                "hidden": {"inputs": {"x": "x"}, "outputs": ["Relu:0"]},
                "late": {
                    "inputs": {"hidden": "Relu:0"},
                    "outputs": {"y": "y:0"},
                    "method_name": "regress",
                },
            }
        )
    )
    source = fixtures / "tensorflow-1.15" / "ref"
    arguments = ["convert", str(source), str(tmp_path / "export"), "--spec", str(spec)]
    arguments += ["--signature", "whole: image=x:0 -> y=y:0,inner=Relu:0"]
    arguments += ["--inputs", "x", "--outputs", "y"]
    assert run(arguments) == 0
    model = tfa.open(tmp_path / "export")
    assert isinstance(model, tfa.SavedModel)
    signatures = model.meta_graphs[0].signatures
    assert set(signatures) == {"hidden", "late", "whole", "serving_default"}
    assert signatures["late"].method_name == "tensorflow/serving/regress"
    x = np.load(source / "X.npy")
    outputs = {
        key: tensorflow.run_saved_model_v2(tmp_path / "export", feeds, signature=key)
        for key, feeds in [("hidden", {"x": x}), ("whole", {"image": x})]
    }
    late = tensorflow.run_saved_model_v2(
        tmp_path / "export", {"hidden": outputs["hidden"]["Relu"]}, signature="late"
    )
    assert same_bits(late["y"], outputs["whole"]["y"])


def with_graph(ref: tfa.Checkpoint, folder: Path, meta_graph: tfa.MetaGraph) -> Path:
    """The checkpoint in a folder of its own, with another graph."""
    shutil.copytree(Path(ref.path).parent, folder)
    (meta_path,) = folder.glob("*.meta")
    meta_path.unlink()
    tfa.save(meta_graph, meta_path)
    return folder


@pytest.mark.parametrize(
    ("dtype", "name", "message"),
    [
        ("int32", "x:0", "signature 's': x:0 is float32 in the graph, int32 in the signature"),
        ("float32", "xx:0", "signature 's': no tensor 'xx:0'; did you mean 'x:0'?"),
        ("float32", "x:1", "signature 's': no tensor 'x:1'; Placeholder has one output"),
    ],
)
def test_a_signature_that_the_graph_contradicts_is_refused(
    ref: tfa.Checkpoint,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    dtype: str,
    name: str,
    message: str,
) -> None:
    graph = ref.meta_graph
    assert graph is not None
    made = tfa.checkpoint_to_saved_model(ref, {"x": "x"}, {"y": "y"}, keep_training_graph=True)
    (signature,) = made.meta_graphs[0].signatures.values()
    wrong = replace(signature.inputs["x"], name=name, dtype=dtype_from_name(dtype))
    broken = replace(graph, signatures={"s": replace(signature, inputs={"x": wrong})})
    folder = with_graph(ref, tmp_path / "source", broken)
    assert run(["convert", str(folder), str(tmp_path / "export")]) == 2
    assert capsys.readouterr().err == f"tfartifacts: error: {message}\n"
    assert not (tmp_path / "export").exists()


# --- graphs from elsewhere, other versions -------------------------------------------------------


def test_unknown_ops_are_converted_and_reported(
    ref: tfa.Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ops of a library that only its users have: nothing of them needs to be known."""
    graph = ref.meta_graph
    assert graph is not None
    nodes = [
        replace(node, op="SomebodysOp", attrs={**node.attrs, "N": 3})
        if node.name == "Relu"
        else node
        for node in graph.graph
    ]
    folder = with_graph(
        ref, tmp_path / "source", replace(graph, graph=replace(graph.graph, nodes=nodes))
    )
    arguments = ["convert", str(folder), "--inputs", "x", "--outputs", "y"]
    for mode in ([], ["--freeze"], ["--keep-training-graph"], ["--for-tensorflow", "1.15"]):
        assert run([*arguments, str(tmp_path / "-".join(["export", *mode])), *mode]) == 0
        model = tfa.open(tmp_path / "-".join(["export", *mode]))
        assert isinstance(model, tfa.SavedModel)
        node = model.meta_graphs[0].graph["Relu"]
        assert (node.op, node.inputs, node.attrs["N"]) == ("SomebodysOp", ("add",), 3)
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.endswith(
        "TensorFlow 1.15 itself does not have these ops, and loads the graph only where something "
        "else brings them: SomebodysOp (Relu)"
    )
