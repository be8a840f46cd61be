"""Candidates: which tensors of a graph are fed and fetched."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import tfartifacts as tfa
from tfartifacts.dtypes import DType, dtype_from_name
from tfartifacts.graphs.candidates import Candidates, as_flags, candidates
from tfartifacts.graphs.edges import Edges, parse_input
from tfartifacts.model import Graph, MetaGraph, Node, SavedModel, Saver, Signature, TensorInfo
from tfartifacts.model.graphs import TensorShape

FLOAT = dtype_from_name("float32")


@dataclass(frozen=True)
class Floats:
    """A constant's value of which only type and shape are asked."""

    shape: tuple[int, ...]
    dtype: DType = FLOAT

    def read(self) -> Any:
        pytest.fail("candidates read no values")

    def strings(self) -> tuple[bytes, ...]:
        pytest.fail("candidates read no values")


@dataclass
class Builder:
    """Nodes in the making: each method adds some and gives the name of the last."""

    nodes: list[Node] = field(default_factory=list)

    def add(self, name: str, op: str, *inputs: str, **attrs: Any) -> str:
        self.nodes.append(Node(name, op, inputs, attrs=attrs))
        return name

    def placeholder(self, name: str, shape: Sequence[int | None], dtype: str = "float32") -> str:
        return self.add(
            name,
            "Placeholder",
            dtype=dtype_from_name(dtype),
            shape=TensorShape(shape),
            _output_shapes=[TensorShape(shape)],
        )

    def variable(self, name: str) -> str:
        self.add(name, "VariableV2", dtype=FLOAT)
        self.add(f"{name}/initial_value", "Const", value=Floats((3, 3)))
        self.add(f"{name}/Assign", "Assign", name, f"{name}/initial_value")
        return self.add(f"{name}/read", "Identity", name)

    def layer(self, name: str, data: str) -> str:
        return self.add(name, "MatMul", data, self.variable(f"{name}/kernel"), T=FLOAT)

    def train(self, loss: str, *path: str) -> None:
        """Gradients of the loss along the path, and what applies them."""
        last = self.add("gradients/grad_ys_0", "Const", value=Floats(()))
        for name in (loss, *path):
            last = self.add(f"gradients/{name}_grad/Mul", "Mul", last, name)
        for node in [node for node in self.nodes if node.op == "VariableV2"]:
            self.add(f"train/{node.name}", "ApplyGradientDescent", node.name, "rate", last)

    def find(self) -> Candidates:
        return candidates(Graph(self.nodes))


def classifier() -> Builder:
    """One layer and a softmax; loss and accuracy consume all there is, as in real life."""
    build = Builder()
    x = build.placeholder("image", (None, 3))
    labels = build.placeholder("truth", (None, 3))
    build.placeholder("rate", ())
    logits = build.layer("dense", x)
    prediction = build.add("myPrediction", "Softmax", logits, T=FLOAT)
    build.add("xent", "SoftmaxCrossEntropyWithLogits", logits, labels, T=FLOAT)
    build.add("loss", "Mean", "xent", T=FLOAT)
    build.add("ArgMax", "ArgMax", prediction)
    build.add("ArgMax_1", "ArgMax", labels)
    build.add("Equal", "Equal", "ArgMax", "ArgMax_1")
    build.add("Cast", "Cast", "Equal", DstT=FLOAT)
    build.add("accuracy", "Mean", "Cast", T=FLOAT)
    build.add("accuracy_1", "ScalarSummary", "tag", "accuracy")
    build.train("loss", "xent", "dense")
    return build


def names(found: Candidates) -> tuple[list[str], list[str]]:
    """What is proposed: inputs, outputs."""
    inputs = [item.name for item in found.inputs if item.role == "input" and item.connected]
    return inputs, [item.name for item in found.outputs if item.role == "output"]


def roles(found: Candidates) -> dict[str, str]:
    return {item.name: item.role for item in found.inputs}


def test_a_prediction_is_proposed_though_loss_and_accuracy_consume_it() -> None:
    found = classifier().find()
    assert names(found) == (["image:0"], ["myPrediction:0"])
    assert found.inputs[0].shape == (None, 3)
    assert str(found.inputs[0].dtype) == "float32"


def test_labels_come_last_and_are_marked() -> None:
    found = classifier().find()
    assert roles(found) == {"image:0": "input", "rate:0": "switch", "truth:0": "label"}
    assert [item.name for item in found.inputs] == ["image:0", "rate:0", "truth:0"]


def test_what_loss_and_accuracy_compute_is_not_listed() -> None:
    assert [item.name for item in classifier().find().outputs] == ["myPrediction:0", "dense:0"]


def test_a_named_argmax_made_for_the_accuracy_ranks_below_what_it_takes() -> None:
    build = Builder()
    x = build.placeholder("x", (None, 3))
    labels = build.placeholder("y_", (None,), "int64")
    build.add("predictions", "ArgMax", build.layer("MatMul", x))
    build.add("correct", "Equal", "predictions", labels)
    build.add("xent", "SparseSoftmaxCrossEntropyWithLogits", "MatMul", labels)
    assert [item.name for item in build.find().outputs] == ["MatMul:0", "predictions:0"]


def test_a_scalar_that_measures_the_input_is_a_weak_guess() -> None:
    build = Builder()
    build.add("Softmax", "Softmax", build.layer("dense", build.placeholder("x", (None, 3))))
    build.add("fraction", "RealDiv", "dense", "n", _output_shapes=[TensorShape(())])
    assert names(build.find()) == (["x:0"], ["Softmax:0"])


def test_a_default_name_loses_against_one_somebody_chose() -> None:
    build = Builder()
    hidden = build.layer("hidden", build.placeholder("x", (None, 3)))
    build.add("Softmax", "Softmax", hidden, T=FLOAT)
    build.add("score", "Softmax", hidden, T=FLOAT)
    assert build.find().outputs[0].name == "score:0"


def test_gradients_savers_summaries_and_initial_values_are_no_outputs() -> None:
    build = classifier()
    build.add("save/Const", "Const")
    build.add("save/SaveV2", "SaveV2", "save/Const", "n", "s", "dense/kernel")
    build.add("save/control_dependency", "Identity", "save/Const", "^save/SaveV2")
    build.add("moving", "VariableV2")
    build.add("moving/mean", "Mul", "dense", "decay")
    build.add("moving/update", "AssignSub", "moving", "moving/mean")
    saver = Saver("save/Const:0", "save/control_dependency:0", "save/restore_all")
    found = candidates(Graph(build.nodes), saver)
    listed = {item.name.rpartition(":")[0] for item in found.outputs}
    assert listed <= {"myPrediction", "ArgMax", "dense"}


def saver_of_1_15(build: Builder, scope: str) -> None:
    """A sharded saver as TensorFlow 1.15 makes it."""
    text = {"dtype": dtype_from_name("string")}
    build.add(f"{scope}/filename/input", "Const", **text)
    build.add(f"{scope}/filename", "PlaceholderWithDefault", f"{scope}/filename/input", **text)
    prefix = build.add(f"{scope}/Const", "PlaceholderWithDefault", f"{scope}/filename", **text)
    build.add(f"{scope}/StringJoin/inputs_1", "Const", **text)
    joined = build.add(f"{scope}/StringJoin", "StringJoin", prefix, f"{scope}/StringJoin/inputs_1")
    shard = build.add(f"{scope}/ShardedFilename", "ShardedFilename", joined, "i", "n")
    save = build.add(f"{scope}/SaveV2", "SaveV2", shard, "names", "slices", "dense/kernel")
    build.add(f"{scope}/control_dependency", "Identity", shard, f"^{save}")
    packed = build.add(f"{scope}/prefixes", "Pack", shard)
    merge = build.add(f"{scope}/MergeV2Checkpoints", "MergeV2Checkpoints", packed, prefix)
    build.add(f"{scope}/Identity", "Identity", prefix, f"^{merge}")
    restore = build.add(f"{scope}/RestoreV2", "RestoreV2", prefix, "names", "slices")
    build.add(f"{scope}/Assign", "Assign", "dense/kernel", restore)


def test_savers_nobody_names_are_recognised() -> None:
    build = classifier()
    saver_of_1_15(build, "save")
    saver_of_1_15(build, "save_1")
    assert names(build.find()) == names(classifier().find())
    named = candidates(Graph(build.nodes), Saver("save/Const:0", "", ""))
    assert names(named) == names(classifier().find())


def test_a_saver_of_2016_and_one_that_only_restores_are_recognised() -> None:
    build = classifier()
    prefix = build.placeholder("path", (), "string")
    build.add("save/save", "SaveSlices", prefix, "names", "slices", "dense/kernel")
    build.add("save/control_dependency", "Identity", prefix, "^save/save")
    restore = build.add(
        "restore", "RestoreSlice", build.placeholder("other", (), "string"), "n", "s"
    )
    build.add("restore/Assign", "Assign", "dense/kernel", restore)
    assert names(build.find()) == names(classifier().find())


def test_text_that_is_more_than_a_filename_stays_an_input() -> None:
    build = classifier()
    words = build.placeholder("words", (None,), "string")
    ids = build.add("ids", "StringToHashBucketFast", words)
    build.layer("embedded", ids)
    build.add("restore", "RestoreV2", words, "names", "slices")
    assert "words:0" in {item.name for item in build.find().inputs}


def test_keep_prob_and_is_training_are_switches() -> None:
    build = Builder()
    hidden = build.layer("hidden", build.placeholder("x", (None, 3)))
    build.add("keep_prob", "Placeholder", dtype=FLOAT)
    build.add("nameless", "Placeholder", dtype=FLOAT)
    build.placeholder("is_training", (), "bool")
    build.add("dropout/mul", "Mul", hidden, "keep_prob")
    build.add("dropout_1/mul", "Mul", "dropout/mul", "nameless")
    build.add("cond/Switch", "Switch", "dropout_1/mul", "is_training")
    build.add("cond/Merge", "Merge", "cond/Switch", "cond/Switch:1")
    build.layer("output", "cond/Merge")
    found = build.find()
    assert roles(found) == {
        "x:0": "input",
        "keep_prob:0": "switch",
        "nameless:0": "switch",
        "is_training:0": "switch",
    }
    assert names(found) == (["x:0"], ["output:0"])


def test_a_frozen_graph_has_constants_for_weights() -> None:
    build = Builder()
    x = build.placeholder("x", (None, 3))
    build.add("w", "Const", value=Floats((3, 2)))
    build.add("w/read", "Identity", "w")
    build.add("MatMul", "MatMul", x, "w/read", T=FLOAT)
    build.add("Relu", "Relu", "MatMul", T=FLOAT)
    found = build.find()
    assert names(found) == (["x:0"], ["Relu:0"])
    assert found.inputs[0].reason == "feeds the layers"


def test_a_graph_without_weights_still_has_inputs_and_outputs() -> None:
    build = Builder()
    build.add("twice", "Add", build.placeholder("x", (None,)), "x")
    assert names(build.find()) == (["x:0"], ["twice:0"])


def test_a_partitioned_variable_is_a_weight() -> None:
    build = Builder()
    x = build.placeholder("x", (None, 3))
    labels = build.placeholder("t", (None, 3))
    parts = [build.variable(f"w/part_{part}") for part in range(2)]
    whole = build.add("w", "ConcatV2", *parts, "axis")
    build.add("y", "MatMul", x, whole, T=FLOAT)
    build.add("error", "SquaredDifference", "y", labels)
    assert names(build.find()) == (["x:0"], ["y:0"])


def test_a_partitioned_bias_is_a_weight() -> None:
    build = Builder()
    x = build.placeholder("x", (None, 3))
    labels = build.placeholder("t", (None, 3))
    parts = [build.variable(f"b/part_{part}") for part in range(2)]
    build.add("y", "AddV2", x, build.add("b", "ConcatV2", *parts, "axis"), T=FLOAT)
    build.add("sum", "AddV2", x, labels, T=FLOAT)
    found = build.find()
    assert [item.reason for item in found.inputs] == [
        "feeds the layers",
        "reaches no layer, but a result",
    ]


def test_a_function_call_that_takes_a_variable_is_a_layer() -> None:
    build = Builder()
    build.placeholder("serving_default_x", (None, 3))
    build.add("kernel", "VarHandleOp")
    build.add("StatefulPartitionedCall", "StatefulPartitionedCall", "serving_default_x", "kernel")
    build.placeholder("saver_filename", (), "string")
    build.add("StatefulPartitionedCall_1", "StatefulPartitionedCall", "saver_filename", "kernel")
    saver = Saver("saver_filename:0", "", "StatefulPartitionedCall_1")
    found = candidates(MetaGraph(Graph(build.nodes), saver=saver))
    assert names(found) == (["serving_default_x:0"], ["StatefulPartitionedCall:0"])
    assert [item.name for item in found.inputs] == ["serving_default_x:0"]


def test_a_loop_that_closes_over_itself_ends() -> None:
    build = Builder()
    x = build.placeholder("x", (None, 3))
    build.add("while/Enter", "Enter", x)
    build.add("while/Merge", "Merge", "while/Enter", "while/NextIteration")
    build.add("while/Switch", "Switch", "while/Merge", "while/LoopCond")
    build.layer("while/dense", "while/Switch:1")
    build.add("while/NextIteration", "NextIteration", "while/dense")
    build.add("while/Exit", "Exit", "while/Switch")
    build.add("prob", "Softmax", "while/Exit", T=FLOAT)
    assert names(build.find()) == (["x:0"], ["prob:0"])


def test_an_input_that_is_its_own_label_stays_an_input() -> None:
    build = Builder()
    x = build.placeholder("x", (None, 3))
    build.placeholder("rate", ())
    hidden = build.layer("code", x)
    build.add("decoded", "Sigmoid", build.layer("decoder", hidden), T=FLOAT)
    build.add("sub", "Sub", x, "decoded", T=FLOAT)
    build.add("Square", "Square", "sub", T=FLOAT)
    build.add("Mean", "Mean", "Square", T=FLOAT, _output_shapes=[TensorShape(())])
    build.train("Mean", "Square", "sub", "decoded", "decoder", "code")
    found = build.find()
    assert names(found) == (["x:0"], ["decoded:0"])
    assert roles(found)["x:0"] == "input"


def test_a_loss_is_no_output_whatever_its_name() -> None:
    build = Builder()
    build.placeholder("rate", ())
    decoded = build.layer("decoder", build.placeholder("x", (None, 3)))
    build.add("away", "Sub", "x", decoded, T=FLOAT)
    build.add("total", "AddN", "away", T=FLOAT)
    build.train("total", "away", "decoder")
    found = build.find()
    assert names(found) == (["x:0"], ["decoder:0"])
    assert "total:0" not in [item.name for item in found.outputs]


def test_a_prediction_measured_by_a_metric_with_variables_is_no_machinery() -> None:
    build = Builder()
    x = build.placeholder("x", (None, 3))
    labels = build.placeholder("labels", (None, 3))
    build.add("class", "ArgMax", build.layer("dense", x))
    build.add("metric/Equal", "Equal", "class", labels)
    build.add("metric/Cast", "Cast", "metric/Equal", DstT=FLOAT)
    build.add("total", "VariableV2")
    build.add("metric/AssignAdd", "AssignAdd", "total", "metric/Cast")
    assert "class:0" in [item.name for item in build.find().outputs]


def test_what_a_generator_makes_is_no_end_but_the_result() -> None:
    build = Builder()
    build.add(
        "generator/Tanh", "Tanh", build.layer("generator/dense", build.placeholder("z", (8,)))
    )
    build.placeholder("rate", ())
    build.layer("discriminator/MatMul", build.placeholder("real", (None, 3)))
    build.layer("discriminator_1/MatMul", "generator/Tanh")
    build.add("difference", "Sub", "discriminator/MatMul", "discriminator_1/MatMul")
    build.add("loss", "Mean", "difference", T=FLOAT, _output_shapes=[TensorShape(())])
    build.train("loss", "difference", "discriminator/MatMul", "discriminator_1/MatMul")
    found = build.find()
    assert names(found) == (["z:0"], ["generator/Tanh:0"])
    assert {item.name: item.connected for item in found.inputs} == {
        "z:0": True,
        "real:0": False,
        "rate:0": False,
    }


def test_labels_that_meet_a_weight_on_the_way_to_the_loss_are_labels() -> None:
    build = Builder()
    build.placeholder("rate", ())
    words = build.placeholder("words", (None,), "int32")
    labels = build.placeholder("train_labels", (None,), "int32")
    build.add("embedded", "GatherV2", build.variable("embeddings"), words)
    build.add("loss/true_w", "GatherV2", build.variable("weights"), labels)
    build.add("loss/logits", "Mul", "embedded", "loss/true_w")
    build.add("loss/Mean", "Mean", "loss/logits", _output_shapes=[TensorShape(())])
    build.train("loss/Mean", "loss/logits", "embedded")
    found = build.find()
    assert roles(found)["train_labels:0"] == "label"
    assert names(found) == (["words:0"], ["embedded:0"])


def test_outputs_of_an_iterator_are_told_apart() -> None:
    build = Builder()
    build.placeholder("rate", ())
    build.add("next", "IteratorGetNext", "iterator")
    build.layer("dense", "next")
    build.add("xent", "SoftmaxCrossEntropyWithLogits", "dense", "next:1", T=FLOAT)
    build.train("xent", "dense")
    found = build.find()
    assert roles(found)["next:0"] == "input"
    assert roles(found)["next:1"] == "label"


def test_signatures_come_first() -> None:
    nodes = classifier().nodes
    signature = Signature(
        {"x": TensorInfo("image:0", FLOAT, (None, 3))}, {"y": TensorInfo("dense:0", FLOAT, None)}
    )
    found = candidates(MetaGraph(Graph(nodes), signatures={"serving_default": signature}))
    assert names(found) == (["image:0"], ["dense:0"])
    assert found.outputs[0].reason == "'y' of signature 'serving_default'"
    assert ("myPrediction:0", "alternative") in [(item.name, item.role) for item in found.outputs]


def test_a_signature_may_name_what_is_not_there() -> None:
    signature = Signature({"x": TensorInfo("gone:0", FLOAT, None)}, {})
    found = candidates(MetaGraph(Graph([]), signatures={"s": signature}))
    assert [item.name for item in found.inputs] == ["gone:0"]


def test_flags_have_keys_only_where_names_collide() -> None:
    build = Builder()
    build.layer("a/y", build.placeholder("a/x", (None, 3)))
    build.layer("b/y", build.placeholder("b/x", (None, 3)))
    build.layer("z", build.placeholder("c", (None, 3)))
    flags = as_flags(build.find())
    assert flags == [
        *("--inputs", "x=a/x:0", "--inputs", "x_1=b/x:0", "--inputs", "c:0"),
        *("--outputs", "y=a/y:0", "--outputs", "y_1=b/y:0", "--outputs", "z:0"),
    ]


def test_an_empty_graph_has_no_candidates_and_no_flags() -> None:
    found = candidates(Graph([]))
    assert found == Candidates()
    assert as_flags(found) == []


@pytest.mark.parametrize(
    ("text", "node", "output", "control"),
    [
        ("a/b", "a/b", 0, False),
        ("a:2", "a", 2, False),
        ("^a", "a", 0, True),
        ("call:output:3", "call", 3, False),
        ("a:x", "a", 0, False),
        ("a:-1", "a", 0, False),
        ("a:" + "9" * 5000, "a", 0, False),
        ("", "", 0, False),
    ],
)
def test_input_names_are_taken_apart(text: str, node: str, output: int, control: bool) -> None:
    assert parse_input(text) == (node, output, control)


def test_edges_know_producers_consumers_and_what_lies_between() -> None:
    edges = Edges(
        [
            Node("a", "A"),
            Node("b", "B", ("a:1", "nowhere")),
            Node("c", "C", ("b", "^a")),
            Node("d", "D"),
        ]
    )
    assert edges.producers == [(), (0,), (1,), ()]
    assert edges.outputs == [(), (1,), (0,), ()]
    assert edges.consumers == [[1], [2], [], []]
    assert edges.ancestors([2], control=False) == {0, 1, 2}
    assert edges.ancestors([2], control=False, stop={1}) == {1, 2}
    assert edges.ancestors([2], stop={1}) == {0, 1, 2}
    assert edges.descendants([0]) == {0, 1, 2}
    assert edges.indices(["c:0", "gone", "^a"]) == [2, 0]


HOSTILE = {
    "a long chain": lambda n: [
        Node("x", "Placeholder"),
        *(Node(f"n{i}", "Identity", (f"n{i - 1}" if i else "x",)) for i in range(n)),
    ],
    "one cycle": lambda n: [
        Node("x", "Placeholder"),
        *(Node(f"n{i}", "Identity", (f"n{(i + 1) % n}", "x")) for i in range(n)),
    ],
    "one name": lambda n: [Node("x", "Placeholder", ("x", "^x", "x:9"))] * n,
    "a node with all inputs": lambda n: [
        Node("v", "VariableV2"),
        *(Node(f"x{i}", "Placeholder") for i in range(n)),
        Node("all", "Concat", tuple(f"x{i}" for i in range(n))),
        Node("m", "MatMul", ("all", "v")),
    ],
    "a node everything consumes": lambda n: [
        Node("x", "Placeholder"),
        Node("v", "Variable"),
        *(Node(f"m{i}", "MatMul", ("x", "v")) for i in range(n)),
    ],
    "updates behind updates": lambda n: [
        Node("v", "Variable"),
        Node("f", "Mul", ("v",)),
        *(Node(f"g{i}", "Mul", ("f",)) for i in range(n)),
        *(Node(f"a{i}", "Assign", ("v", f"g{i}")) for i in range(n)),
    ],
    "gradients of everything": lambda n: [
        Node("x", "Placeholder"),
        Node("v", "Variable"),
        *(Node(f"f{i}", "MatMul", (f"f{i - 1}" if i else "x", "v")) for i in range(n)),
        *(Node(f"gradients/f{i}_grad/Mul", "Mul", (f"f{i}",)) for i in range(n)),
        Node("apply", "ApplyAdam", ("v", "gradients/f0_grad/Mul")),
    ],
    "long names": lambda n: [
        Node("a" * n, "Placeholder"),
        Node("gradients/" * n + "_grad/" * n, "X", ("a" * n,)),
        Node("/" * n, "Y", (":" * n, "^", "")),
        Node("", "Placeholder", attrs={"shape": 1, "dtype": "no"}),
    ],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_graph_takes_time_in_proportion(name: str) -> None:
    started = time.process_time()
    found = candidates(Graph(HOSTILE[name](30_000)))
    # Measured: under 1 s; with one quadratic step, minutes.
    assert time.process_time() - started < 15
    assert len(found.inputs) <= 50


def test_any_graph_is_answered() -> None:
    chance = random.Random(1)
    ops = (
        "Placeholder VariableV2 MatMul Identity Softmax Assign Switch Merge Const Mul Equal Mean "
        "IteratorGetNext StatefulPartitionedCall VarHandleOp ConcatV2 Split ApplyAdam Shape"
    ).split()
    prefixes = ("", "gradients/", "loss/", "save/", "gradients/n1_grad/")
    for _ in range(300):
        size = chance.randrange(1, 30)
        labels = [chance.choice(prefixes) + f"n{chance.randrange(size)}" for _ in range(size)]
        nodes = [
            Node(
                label,
                chance.choice(ops),
                tuple(
                    chance.choice(("", "", "^")) + chance.choice(labels) + chance.choice(("", ":1"))
                    for _ in range(chance.randrange(4))
                ),
            )
            for label in labels
        ]
        known = {node.name for node in nodes}
        found = candidates(Graph(nodes))
        for item in (*found.inputs, *found.outputs):
            assert item.name.rpartition(":")[0] in known


TRAINING = {
    "mnist_deep": (["x:0"], ["fc2/add:0"]),
    "word2vec": (["inputs/train_inputs:0"], ["embeddings/embedding_lookup/Identity:0"]),
    "detection": (
        ["image_tensor:0"],
        ["detection_boxes:0", "detection_scores:0", "num_detections:0", "detection_classes:0"],
    ),
}


def found_in(path: Path) -> Candidates:
    """Candidates of whatever lies there, as if it had no signatures."""
    artifact = tfa.open(path)
    if isinstance(artifact, SavedModel):
        artifact = artifact.meta_graphs[0]
    assert isinstance(artifact, MetaGraph | Graph)
    return candidates(MetaGraph(artifact.graph, saver=getattr(artifact, "saver", None)))


@pytest.mark.parametrize("name", TRAINING)
def test_training_graphs_are_understood(fixtures: Path, name: str) -> None:
    assert names(found_in(fixtures / "graphs" / "training" / f"{name}.meta")) == TRAINING[name]


def test_switches_and_labels_of_training_graphs(fixtures: Path) -> None:
    folder = fixtures / "graphs" / "training"
    assert roles(found_in(folder / "word2vec.meta"))["inputs/train_labels:0"] == "label"
    assert roles(found_in(folder / "mnist_deep.meta")) == {
        "x:0": "input",
        "dropout/Placeholder:0": "switch",
        "Placeholder:0": "label",
    }


def test_the_tutorial_is_understood(fixtures: Path) -> None:
    found = found_in(fixtures / "digits" / "checkpoints" / "my_model-4.meta")
    assert as_flags(found) == ["--inputs", "myInput:0", "--outputs", "myPrediction:0"]
    assert roles(found) == {"myInput:0": "input", "myOutput:0": "label"}


@pytest.mark.parametrize("kind", ["ref", "res", "part", "sharded", "gpu", "table"])
def test_checkpoints_of_1_15_are_understood(fixtures: Path, kind: str) -> None:
    (meta,) = (fixtures / "tensorflow-1.15" / kind).glob("*.meta")
    expected = (["x:0"], ["y:0"])
    if kind == "table":
        expected = (["x:0", "s:0"], ["y:0", "c:0", "idx:0"])
    assert names(found_in(meta)) == expected


REAL = {
    "seed/backup": (["myInput:0"], ["myPrediction:0"]),
    "real/001_tf_hpt_20160923": (["x:0"], ["y:0"]),
    "real/012_tf_hpt_main_op_2017": (["tf_example:0"], ["y:0", "y2:0", "y3:0"]),
    "real/079_onnx_regression_ckpt_stale/model.meta": (["X:0"], ["pred:0"]),
    "real/118_v1_tfcloud_textmeta/model.ckpt.meta": ([], ["add:0"]),
    "real/124_shard_genomic": (["serving_default_input_1:0"], ["StatefulPartitionedCall:0"]),
    "real/215_tf26_UninitializedVariable": (
        ["serving_default_value:0"],
        ["StatefulPartitionedCall:0"],
    ),
}


@pytest.mark.parametrize("path", REAL)
def test_public_artifacts_are_understood(shared_artifacts: Path, path: str) -> None:
    assert names(found_in(shared_artifacts / path)) == REAL[path]
