"""Signatures compared with the graph they stand in."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tfartifacts as tfa
from tfartifacts.dtypes import DType, dtype_from_name
from tfartifacts.graphs.signature_check import (
    SignatureProblem,
    UnfedPlaceholder,
    signature_problems,
    unfed_placeholders,
)
from tfartifacts.model import (
    AssetFile,
    Graph,
    MetaGraph,
    Node,
    Saver,
    Signature,
    SparseNames,
    TensorInfo,
)
from tfartifacts.model.graphs import Argument, OpDef, TensorShape
from tfartifacts.model.values import PartialShape

FLOAT, INT64, STRING = map(dtype_from_name, ("float32", "int64", "string"))
FLOAT_REF = dtype_from_name("float32_ref")


def graph(*more: Node) -> Graph:
    nodes = (
        Node("x", "Placeholder", attrs={"dtype": FLOAT, "shape": TensorShape((None, 4))}),
        Node("keep", "Placeholder", attrs={"dtype": FLOAT}),
        Node("w", "VariableV2", attrs={"dtype": FLOAT, "shape": TensorShape((4, 3))}),
        Node("mul", "MatMul", ("x", "w"), attrs={"T": FLOAT}),
        Node("drop", "Mul", ("mul", "keep"), attrs={"T": FLOAT}),
        Node("y", "Softmax", ("drop",), attrs={"T": FLOAT}),
        Node("top", "TopKV2", ("y", "k"), attrs={"T": FLOAT}),
        Node("init", "NoOp"),
        Node("odd", "SomebodysOp"),
        *more,
    )
    outputs = (Argument("values", type_attr="T"), Argument("indices", dtype_from_name("int32")))
    op_defs = {
        "TopKV2": OpDef("TopKV2", (), outputs),
        "NoOp": OpDef("NoOp"),
        "VariableV2": OpDef("VariableV2", (), (Argument("ref", type_attr="dtype"),)),
    }
    return Graph(nodes, op_defs=op_defs)


def info(name: str, dtype: DType | None = FLOAT, shape: PartialShape = None) -> TensorInfo:
    return TensorInfo(name, dtype, shape)


def problems(tensor: TensorInfo, *more: Node, side: str = "outputs") -> list[str]:
    """Messages about a signature with that tensor alone."""
    sides: dict[str, Any] = {"inputs": {}, "outputs": {}, side: {"k": tensor}}
    found = signature_problems(MetaGraph(graph(*more), signatures={"s": Signature(**sides)}))
    assert all((item.key, item.side, item.name) == ("s", side, "k") for item in found)
    return [item.message for item in found]


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (info("gone:0"), "no tensor 'gone:0'"),
        (info("dropp:0"), "no tensor 'dropp:0'; did you mean 'drop:0'?"),
        (info("x:1"), "no tensor 'x:1'; Placeholder has one output"),
        (info("top:2"), "no tensor 'top:2'; TopKV2 has outputs 0 to 1"),
        (info("init:0", None), "no tensor 'init:0'; NoOp has no outputs"),
        (info("^y"), "found '^y', expected a tensor's name such as 'softmax:0'"),
        (info("y:a"), "found 'y:a', expected a tensor's name such as 'softmax:0'"),
        (info("x:0", INT64), "x:0 is float32 in the graph, int64 in the signature"),
        (info("top:1", INT64), "top:1 is int32 in the graph, int64 in the signature"),
        (
            info("x:0", FLOAT, (None, 5)),
            "found x:0 float32 (?, 5) in the signature, and in the graph x:0 float32 (?, 4)",
        ),
        (
            info("x:0", FLOAT, (4,)),
            "found x:0 float32 (4,) in the signature, and in the graph x:0 float32 (?, 4)",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, TensorInfo) else "",
)
@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_what_does_not_fit_is_told(tensor: TensorInfo, message: str, side: str) -> None:
    assert problems(tensor, side=side) == [message]


@pytest.mark.parametrize(
    "tensor",
    [
        info("x:0"),
        info("x:0", FLOAT, (7, None)),
        info("x:0", FLOAT, (None, 4)),
        info("w:0", FLOAT_REF, (4, 3)),
        # Of 2016: neither output nor type.
        info("x", None),
        # The graph does not tell what type, shape or how many outputs an unknown op has.
        info("odd:3", STRING, (1, 2)),
        info("keep:0", FLOAT, (1, 2, 3)),
        # A value that is no tensor.
        info("", None),
    ],
    ids=str,
)
def test_what_fits_or_cannot_be_told_is_not_a_problem(tensor: TensorInfo) -> None:
    assert problems(tensor) == []


def test_a_reference_has_the_type_it_refers_to() -> None:
    node = Node("v", "Variable", attrs={"dtype": FLOAT_REF})
    assert problems(info("v:0"), node) == []
    assert problems(info("v:0", INT64), node) == [
        "v:0 is float32 in the graph, int64 in the signature"
    ]


def test_all_tensors_of_a_sparse_and_of_a_composite_value_are_checked() -> None:
    names = SparseNames("x:0", "x:0", "gone:0")
    sparse = replace(info("", FLOAT, (None, 9)), sparse=names)
    assert problems(sparse) == [
        "x:0 is float32 in the graph, int64 in the signature",
        "no tensor 'gone:0'",
    ]
    nested = replace(info("", None), components=(info("x:0", INT64), sparse), type_spec=b"t")
    assert len(problems(nested)) == 3


def test_signatures_of_the_loader_name_ops() -> None:
    operation = Signature({}, {"__saved_model_init_op": info("init", None)})
    keys = ("__saved_model_init_op", "__saved_model_train_op")
    assert signature_problems(MetaGraph(graph(), signatures=dict.fromkeys(keys, operation))) == ()


def test_a_problem_says_where_it_is() -> None:
    signatures = {"a": Signature({"i": info("gone")}, {"o": info("y:0")})}
    [problem] = signature_problems(MetaGraph(graph(), signatures=signatures))
    assert problem == SignatureProblem(
        "a", "inputs", "i", "gone", "no tensor 'gone'", is_missing=True
    )
    assert str(problem) == "signature 'a', input 'i': no tensor 'gone'"


def test_placeholders_that_outputs_need_are_those_no_input_hides() -> None:
    both = Signature({"x": info("x:0")}, {"y": info("y:0")})
    fed = Signature({"x": info("x:0"), "keep": info("keep")}, {"y": info("y:0")})
    hidden = Signature({"drop": info("drop:0")}, {"y": info("y:0")})
    source = MetaGraph(graph(), signatures={"a": both, "b": fed, "c": hidden, "d": both})
    assert unfed_placeholders(source) == (UnfedPlaceholder("keep", ("a", "d"), ("drop (Mul)",)),)
    assert unfed_placeholders(MetaGraph(graph())) == ()


def test_what_the_loader_feeds_and_what_has_a_default_is_not_the_callers() -> None:
    nodes = (
        Node("default", "PlaceholderWithDefault", ("w",)),
        Node("asset", "Placeholder"),
        Node("filename", "Placeholder"),
        Node("all", "Pack", ("default", "asset", "filename")),
    )
    source = MetaGraph(
        graph(*nodes),
        signatures={"s": Signature({}, {"all": info("all:0")})},
        saver=Saver("filename:0", "", ""),
        asset_files=(AssetFile("asset:0", "vocab.txt"),),
    )
    assert unfed_placeholders(source) == ()


def test_many_problems_and_long_chains_take_time_in_proportion() -> None:
    chain = [Node(f"c{i}", "Identity", (f"c{i - 1}",) if i else ()) for i in range(20_000)]
    outputs = {str(i): info(f"c{i}:0", FLOAT, ()) for i in range(20_000)}
    outputs |= {f"gone{i}": info(f"gone/c{i}:0") for i in range(5_000)}
    source = MetaGraph(Graph(chain), signatures={"s": Signature({}, outputs)})
    start = time.perf_counter()
    assert len(signature_problems(source)) == 5_000
    assert time.perf_counter() - start < 20


def test_signatures_of_the_fixtures_fit_their_graphs(fixtures: Path) -> None:
    seen = 0
    for path in sorted({file.parent for file in fixtures.rglob("saved_model.pb*")}):
        model = tfa.open(path)
        assert isinstance(model, tfa.SavedModel)
        for meta_graph in model.meta_graphs:
            assert signature_problems(meta_graph) == ()
            seen += len(meta_graph.signatures)
    assert seen >= 8
