"""Graphs for an older TensorFlow: attributes it does not know are dropped, ops are named."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

import tfartifacts as tfa
from tests.judges.client import PROJECT, Judge
from tfartifacts.dtypes import dtype_from_name
from tfartifacts.graphs.compatibility import VERSIONS, for_tensorflow, ops_of
from tfartifacts.model.graphs import Function, Graph, Node

FLOAT = dtype_from_name("float32")


def adapted(node: Node, version: str = "1.15") -> tuple[set[str], tuple[str, ...]]:
    """The attributes that are left, and the notes."""
    graph, notes = for_tensorflow(Graph((node,)), version)
    return set(graph[node.name].attrs), notes


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        # As TensorFlow 2.21 writes them: at their default.
        ("VarHandleOp", {"dtype": FLOAT, "allowed_devices": []}),
        ("HashTableV2", {"key_dtype": FLOAT}),
        ("Conv2D", {"T": FLOAT, "explicit_paddings": []}),
        ("TPUReplicatedInput", {"T": FLOAT, "index": -1, "is_packed": False}),
        ("SnapshotDataset", {"mode": b"auto", "seed": 0, "compression": b""}),
        ("TopKV2", {"T": FLOAT, "Tk": dtype_from_name("int32")}),
        ("FusedBatchNormV3", {"T": FLOAT, "exponential_avg_factor": 1.0}),
        # Hints.
        ("VarHandleOp", {"dtype": FLOAT, "debug_name": b"net/w/"}),
        ("MatMul", {"T": FLOAT, "grad_a": True}),
        ("MapDataset", {"metadata": b"\n\x05Map:1"}),
    ],
)
def test_what_has_its_default_or_no_effect_is_dropped_in_silence(
    op: str, attrs: dict[str, Any]
) -> None:
    left, notes = adapted(Node("n", op, (), "", {**attrs, "_own": b"x"}))
    assert notes == ()
    assert left == {"_own", *(name for name in attrs if name in ops_of("1.15")[op])}


@pytest.mark.parametrize(
    ("op", "name", "value"),
    [
        ("VarHandleOp", "allowed_devices", [b"/cpu:0"]),
        ("SnapshotDataset", "mode", b"write"),
        ("TopKV2", "index_type", dtype_from_name("int64")),
        ("TPUReplicatedInput", "index", 3),
        ("MatMul", "nobody_knows_this", False),
        # 0 is not false.
        ("MatMul", "adj", 0),
    ],
)
def test_what_may_matter_is_dropped_and_named(op: str, name: str, value: Any) -> None:
    attrs, notes = adapted(Node("n", op, (), "", {name: value}), "1.15")
    assert attrs == set()
    assert [note[-len(f"{op}.{name} of 1 nodes") :] for note in notes] == [
        f"{op}.{name} of 1 nodes"
    ]


def test_a_newer_version_keeps_what_it_knows() -> None:
    node = Node("n", "MatMul", ("a", "b"), "", {"T": FLOAT, "grad_a": True})
    assert adapted(node, "2.15")[0] == {"T"}
    assert adapted(node, "2.21")[0] == {"T", "grad_a"}
    assert adapted(node, "2.21.1") == ({"T", "grad_a"}, ())


def test_ops_it_does_not_have_are_named_with_their_nodes() -> None:
    inside = Function("f", (), (), (Node("a", "SomebodysOp"), Node("b", "g"), Node("c", "Gelu")))
    called = Function("g", (), (), ())
    nodes = [Node(f"n{i}", "SomebodysOp", (), "", {"x": 1}) for i in range(3)]
    graph, notes = for_tensorflow(Graph(nodes, functions={"f": inside, "g": called}), "1.15")
    assert notes == (
        "TensorFlow 1.15 itself does not have these ops, and loads the graph only where something "
        "else brings them: Gelu (f:c); SomebodysOp (n0, n1, n2 and 1 more)",
    )
    assert set(graph["n0"].attrs) == {"x"}


def test_a_version_whose_ops_are_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(tfa.ConversionError, match=r"found TensorFlow '2\.5'.*: 1\.15, 2\.4, 2\.8"):
        for_tensorflow(Graph(()), "2.5")


@pytest.mark.parametrize("version", VERSIONS)
def test_lists_hold_what_every_tensorflow_has(version: str) -> None:
    ops = ops_of(version)
    assert ops["Const"] == {"dtype": None, "value": None}
    assert ops["NoOp"] == {}
    assert ops["MatMul"]["transpose_a"] == "false"
    assert all(op and " " not in op for op in ops)


def test_lists_are_tensorflow_s_own(tensorflow: Judge) -> None:
    made = subprocess.run(
        [tensorflow.python, "-W", "ignore", str(PROJECT / "tools" / "make_op_list.py")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    version = ".".join(tensorflow.version()["tensorflow"].split(".")[:2])
    listed = PROJECT / "tfartifacts" / "graphs" / "op_lists" / f"tensorflow-{version}.txt"
    assert made == listed.read_text()


def test_a_saver_need_not_switch_off_what_older_versions_do_not_do() -> None:
    node = Node("off", "DisableCopyOnRead", ("handle", "^before"), "", {})
    graph, notes = for_tensorflow(Graph((node,)), "1.15")
    assert (graph["off"].op, graph["off"].inputs, notes) == ("NoOp", ("^before",), ())
    assert for_tensorflow(Graph((node,)), "2.21")[0]["off"] is node
