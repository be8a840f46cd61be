"""Graphs and meta graphs compared: nodes, attributes, functions, signatures, collections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tfartifacts.dtypes import dtype_from_name
from tfartifacts.formats.tensor_proto import EncodedTensor
from tfartifacts.formats.wire import put_bytes, put_integer
from tfartifacts.graphs.graph_difference import FieldDifference, compare_graphs
from tfartifacts.graphs.meta_graph_difference import PARTS, compare_meta_graphs
from tfartifacts.model import AssetFile, Collection, Graph, MetaGraph, Node, Signature, TensorInfo
from tfartifacts.model.graphs import Constant, TensorShape, Versions

FLOAT32, INT32 = dtype_from_name("float32"), dtype_from_name("int32")


def meta_graph(path: Path) -> MetaGraph:
    artifact = tfa.open(path)
    assert isinstance(artifact, MetaGraph)
    return artifact


def graph(*nodes: Node) -> Graph:
    return Graph(nodes)


def fields(before: Node, after: Node) -> list[FieldDifference]:
    found = compare_graphs(graph(before), graph(after))
    assert [node.kind for node in found.nodes] == ["changed"] * bool(found.nodes)
    return [field for node in found.nodes for field in node.fields]


ATTRS = {"T": FLOAT32, "shape": TensorShape((2, None))}
NODE = Node("n", "Op", ("a:1", "b", "^c"), "/cpu:0", ATTRS)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"op": "Other"}, ("op", "Op", "Other")),
        ({"inputs": ("a:1", "x", "^c")}, ("input 1", "b", "x")),
        ({"inputs": ("a:1",)}, ("inputs", ("a:1", "b", "^c"), ("a:1",))),
        ({"device": ""}, ("device", "/cpu:0", "")),
        ({"attrs": {**NODE.attrs, "T": INT32}}, ("attr T", FLOAT32, INT32)),
        ({"attrs": {"T": FLOAT32}}, ("attr shape", TensorShape((2, None)), None)),
        ({"attrs": {**NODE.attrs, "k": 1}}, ("attr k", None, 1)),
    ],
    ids=str,
)
def test_each_part_of_a_node_is_compared(
    changed: dict[str, Any], expected: tuple[str, Any, Any]
) -> None:
    after = replace(NODE, **changed)
    assert fields(NODE, after) == [FieldDifference(*expected)]
    assert not fields(after, after)


def test_nodes_of_one_side_alone() -> None:
    a, b, c = Node("a", "A"), Node("b", "B"), Node("c", "C")
    found = compare_graphs(graph(a, b), graph(b, c))
    assert [(node.name, node.op, node.kind) for node in found.nodes] == [
        ("a", "A", "removed"),
        ("c", "C", "added"),
    ]
    assert found.ops == {"A": (1, 0), "C": (0, 1)}


def test_the_order_of_nodes_means_nothing() -> None:
    nodes = Node("a", "A"), Node("b", "B")
    assert compare_graphs(graph(*nodes), graph(*reversed(nodes))).equal


@pytest.mark.parametrize("value", [float("nan"), [float("nan"), 1.0], True, b"x", [b"x", b"y"]])
def test_an_attribute_is_equal_to_itself(value: Any) -> None:
    nodes = (Node("n", "Op", (), "", {"k": value}), Node("n", "Op", (), "", {"k": value}))
    assert not fields(*nodes)


def test_numbers_of_other_types_differ() -> None:
    for one, other in ((1, True), (1, 1.0), (0, False)):
        assert fields(Node("n", "Op", (), "", {"k": one}), Node("n", "Op", (), "", {"k": other}))


def constant(value: Any) -> Node:
    return Node("c", "Const", (), "", {"dtype": FLOAT32, "value": value})


def test_a_constant_is_compared_by_elements_however_encoded() -> None:
    shape = put_bytes(2, put_bytes(2, put_integer(1, 3)))
    ones = np.ones(3, np.float32).tobytes()
    head = put_integer(1, 1) + shape
    content, values, repeated = (
        EncodedTensor(head + tail)
        for tail in (put_bytes(4, ones), put_bytes(5, ones), put_bytes(5, ones[:4]))
    )
    for other in (values, repeated):
        assert not fields(constant(content), constant(other))
    twos = EncodedTensor(head + put_bytes(5, (2 * np.ones(1, np.float32)).tobytes()))
    assert fields(constant(content), constant(twos))
    assert compare_graphs(graph(constant(content)), graph(constant(twos)), constants=False).equal


def test_a_constant_of_one_value_is_not_expanded() -> None:
    shape = put_bytes(2, put_bytes(2, put_integer(1, 1 << 40)))
    head = put_integer(1, 1) + shape
    one = EncodedTensor(head + put_bytes(5, np.float32(1).tobytes()))
    # Another order of fields.
    same = EncodedTensor(put_bytes(5, np.float32(1).tobytes()) + head)
    two = EncodedTensor(head + put_bytes(5, np.float32(2).tobytes()))
    assert not fields(constant(one), constant(same))
    assert fields(constant(one), constant(two))


def test_output_shapes_that_one_side_has_are_no_difference() -> None:
    shapes = {"_output_shapes": [TensorShape((2,))]}
    other = {"_output_shapes": [TensorShape((3,))]}
    bare, with_shapes = Node("n", "Op"), Node("n", "Op", (), "", shapes)
    assert not fields(bare, with_shapes)
    assert fields(with_shapes, Node("n", "Op", (), "", other))


@pytest.mark.parametrize("path", ["graphs/model.meta", "bert-style/model.ckpt-3.meta"])
def test_a_meta_graph_is_equal_to_itself(fixtures: Path, path: str) -> None:
    assert compare_meta_graphs(meta_graph(fixtures / path), meta_graph(fixtures / path)).equal


def test_a_text_is_equal_to_the_binary(fixtures: Path) -> None:
    found = compare_meta_graphs(
        meta_graph(fixtures / "graphs" / "model.meta"),
        meta_graph(fixtures / "graphs" / "model.text.meta"),
    )
    assert found.equal, found


INFO = TensorInfo("x:0", FLOAT32, (None, 3))
SIGNATURE = Signature({"x": INFO}, {"y": replace(INFO, name="y:0")})


@pytest.mark.parametrize(
    ("part", "edit", "expected"),
    [
        (
            "signatures",
            lambda g: replace(g, signatures={"s": SIGNATURE}),
            [
                ("s", "added", ("input x: x:0 float32 (?, 3)", "output y: y:0 float32 (?, 3)")),
            ],
        ),
        (
            "collections",
            lambda g: replace(
                g, collections={**g.collections, "train_op": Collection("node_list", ("z",))}
            ),
            [("train_op", "changed", ("removed: GradientDescent", "added: z"))],
        ),
        (
            "collections",
            lambda g: replace(g, collections={"train_op": g.collections["train_op"]}),
            None,
        ),
        (
            "versions",
            lambda g: replace(g, graph=replace(g.graph, versions=Versions(99))),
            [("graph producer", "changed", None), ("graph min_consumer", "changed", None)],
        ),
        (
            "saver",
            lambda g: replace(g, saver=replace(g.saver, max_to_keep=3)),
            [("max_to_keep", "changed", ("5 -> 3",))],
        ),
        ("saver", lambda g: replace(g, saver=None), [("saver", "removed", ())]),
        (
            "assets",
            lambda g: replace(g, asset_files=(AssetFile("a:0", "words.txt"),)),
            [("a:0", "added", ("words.txt",))],
        ),
    ],
)
def test_each_part_of_a_meta_graph_is_compared(
    fixtures: Path,
    part: str,
    edit: Callable[[MetaGraph], MetaGraph],
    expected: list[tuple[str, str, tuple[str, ...] | None]] | None,
) -> None:
    before = meta_graph(fixtures / "graphs" / "model.meta")
    found = compare_meta_graphs(before, edit(before))
    items = getattr(found, part)
    assert not found.equal
    assert not any(getattr(found, other) for other in PARTS if other not in (part, "graph"))
    if expected is None:
        assert {item.kind for item in items} == {"removed"}
        return
    assert [(item.name, item.kind) for item in items] == [entry[:2] for entry in expected]
    for item, (_, _, lines) in zip(items, expected, strict=True):
        assert lines is None or item.lines == lines


def test_a_signature_that_changed_says_in_what() -> None:
    before = MetaGraph(graph(), signatures={"s": SIGNATURE})
    other = Signature({"x": replace(INFO, dtype=INT32)}, {"z": INFO}, "method")
    after = MetaGraph(graph(), signatures={"s": other})
    (item,) = compare_meta_graphs(before, after).signatures
    assert item.lines == (
        "method_name: tensorflow/serving/predict -> method",
        "input x: x:0 float32 (?, 3) -> x:0 int32 (?, 3)",
        "output y: y:0 float32 (?, 3) -> none",
        "output z: none -> x:0 float32 (?, 3)",
    )


def test_a_function_that_changed_is_found(fixtures: Path) -> None:
    before = meta_graph(fixtures / "graphs" / "model.meta").graph
    (name,) = list(before.functions)
    function = before.functions[name]
    nodes = [replace(node, device="/gpu:0") for node in function.nodes]
    after = replace(before, functions={name: replace(function, nodes=nodes)})
    (found,) = compare_graphs(before, after).functions
    assert (found.name, found.kind, found.signature_changed) == (name, "changed", False)
    assert {field.name for node in found.nodes for field in node.fields} == {"device"}
    (gone,) = compare_graphs(before, replace(before, functions={})).functions
    assert gone.kind == "removed"


def test_a_constant_made_here_is_compared_with_one_that_was_read(fixtures: Path) -> None:
    node = next(
        node
        for node in meta_graph(fixtures / "graphs" / "model.meta").graph
        if node.op == "Const" and node.attrs["dtype"] == FLOAT32 and not node.attrs["value"].shape
    )
    value = node.attrs["value"].read().item()
    same = Constant(FLOAT32, (), (value,))
    assert not fields(node, replace(node, attrs={**node.attrs, "value": same}))
    other = Constant(FLOAT32, (), (value + 1,))
    assert fields(node, replace(node, attrs={**node.attrs, "value": other}))
