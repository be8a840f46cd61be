"""What a graph is told to have wrong with it, and what TensorFlow makes of the same graph."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import tfartifacts as tfa
from tests.judges.client import Judge, JudgeDiedError, JudgeError
from tests.test_graph_def import joined
from tfartifacts.checks.findings import Finding, Severity
from tfartifacts.checks.graphs import check_graph
from tfartifacts.formats.graph_def import encode_graph, read_graph
from tfartifacts.formats.schema import text_to_binary
from tfartifacts.formats.wire import Message
from tfartifacts.model import Graph, Node, OpDef
from tfartifacts.model.graphs import Argument, Function

FLOAT = 'attr { key: "T" value { type: DT_FLOAT } }'
FLOATS = "value { list { type: DT_FLOAT } }"


def node(name: str, op: str, *inputs: str, more: str = FLOAT, field: str = "node") -> str:
    taken = " ".join(f'input: "{name}"' for name in inputs)
    return f'{field} {{ name: "{name}" op: "{op}" {taken} {more} }}\n'


def const(name: str, tensor: str, dtype: str = "DT_FLOAT") -> str:
    attrs = f'attr {{ key: "dtype" value {{ type: {dtype} }} }}'
    attrs += f'attr {{ key: "value" value {{ tensor {{ {tensor} }} }} }}'
    return node(name, "Const", more=attrs)


A = const("a", "dtype: DT_FLOAT tensor_shape {} float_val: 1")
B = node("b", "Identity", "a")


def body(name: str, op: str, *inputs: str) -> str:
    return node(name, op, *inputs, field="node_def")


def calling(name: str, function: str, *inputs: str, op: str = "PartitionedCall") -> str:
    attrs = f'attr {{ key: "f" value {{ func {{ name: "{function}" }} }} }}'
    attrs += f'attr {{ key: "Tin" {FLOATS} }} attr {{ key: "Tout" {FLOATS} }}'
    return node(name, op, *inputs, more=attrs)


def function(nodes: str, name: str = "F", returns: str = "i:output:0", more: str = "") -> str:
    returned = f'ret {{ key: "y" value: "{returns}" }}' if returns else ""
    return (
        f'function {{ signature {{ name: "{name}" input_arg {{ name: "x" type: DT_FLOAT }} '
        f'output_arg {{ name: "y" type: DT_FLOAT }} }} {nodes} {returned} {more} }}\n'
    )


def library(*parts: str) -> str:
    return f"library {{ {' '.join(parts)} }} versions {{ producer: 27 }}"


GOOD = function(body("i", "Identity", "x"))
OTHER = function(body("i", "Neg", "x"), returns="i:y:0")
CALL = A + calling("b", "F", "a")
ITSELF = function(calling("i", "F", "x").replace("node {", "node_def {", 1))


def called(nodes: str, **options: str) -> str:
    """A graph that calls a function with those nodes."""
    return CALL + library(function(nodes, **options))


def unused(nodes: str, **options: str) -> str:
    return A + B + library(function(nodes, **options))


# What TensorFlow does: "refuses" to import or to run it, "runs" it, "crashes".
@dataclass(frozen=True)
class Case:
    text: str
    expected: str = ""  # severity and code; "" for nothing
    tensorflow: str = "runs"
    names: str = ""  # the finding's


def error(code: str, text: str, names: str = "") -> Case:
    return Case(text, f"error {code}", "refuses", names)


CASES = {
    "good": Case(A + B),
    "a function that is called": Case(CALL + library(GOOD)),
    "no such node": error("dangling-input", A + node("b", "Identity", "zz"), "b"),
    "no such node to wait for": error("dangling-input", A + node("b", "Identity", "a", "^zz")),
    "no such output": Case(A + node("b", "Identity", "a:1"), "", "refuses"),  # nothing tells it
    "an output that is no number": error("dangling-input", A + node("b", "Identity", "a:x")),
    "waiting for a tensor": error("dangling-input", A + node("b", "Identity", "a", "^a:0")),
    "a name twice": error("duplicate-node", A + A + B, "a"),
    "a cycle": error("cycle", A + node("b", "Identity", "c") + node("c", "Identity", "b")),
    "a node that waits for itself": error("cycle", A + node("b", "Identity", "a", "^b"), "b"),
    "a control input first": error("control-input-order", A + node("b", "Identity", "^a", "a")),
    "a name with a blank": error("node-name", A + node("b c", "Identity", "a") + B, "b c"),
    "a name with a minus first": error("node-name", A + node("-b", "Identity", "a") + B),
    "a colocation with nothing": error(
        "missing-colocation",
        A
        + node(
            "b",
            "Identity",
            "a",
            more=FLOAT + 'attr { key: "_class" value { list { s: "loc:@zz" } } }',
        ),
    ),
    "a device that is none": error(
        "device-name", A + node("b", "Identity", "a", more=FLOAT + 'device: "foo bar"')
    ),
    "a constant without a value": error(
        "constant",
        node("b", "Const", more='attr { key: "dtype" value { type: DT_FLOAT } }'),
        "b",
    ),
    "a negative size": error(
        "constant", const("b", "dtype: DT_FLOAT tensor_shape { dim { size: -2 } } float_val: 1")
    ),
    "an unknown size": error(
        "constant", const("b", "dtype: DT_FLOAT tensor_shape { dim { size: -1 } } float_val: 1")
    ),
    "an unknown rank": Case(
        const("b", "dtype: DT_FLOAT tensor_shape { unknown_rank: true } float_val: 1")
    ),
    "too few bytes": error(
        "constant",
        const("b", 'dtype: DT_FLOAT tensor_shape { dim { size: 2 } } tensor_content: "abcd"'),
    ),
    "too many bytes": error(
        "constant",
        const("b", 'dtype: DT_FLOAT tensor_shape { dim { size: 1 } } tensor_content: "abcdefgh"'),
    ),
    "too many values": Case(
        const("b", "dtype: DT_FLOAT tensor_shape { dim { size: 1 } } float_val: [1, 2]"),
        "warning constant-values",
    ),
    "fewer values, of which the last is repeated": Case(
        const("b", "dtype: DT_FLOAT tensor_shape { dim { size: 3 } } float_val: [1, 2]")
    ),
    "a value for no elements": Case(
        const("b", "dtype: DT_FLOAT tensor_shape { dim { size: 0 } } float_val: 1")
    ),
    "a value of another type": error(
        "constant", const("b", "dtype: DT_INT32 tensor_shape {} int_val: 1")
    ),
    "a value of no type": error("constant", const("b", "tensor_shape {} float_val: 1")),
    "more elements than can be counted": error(
        "constant",
        const(
            "b",
            "dtype: DT_FLOAT tensor_shape { dim { size: 4611686018427387904 } dim { size: 8 } } "
            "float_val: 1",
        ),
    ),
    "a function that is not there": error(
        "missing-function", A + calling("b", "G", "a") + library(GOOD), "G"
    ),
    "a function of tf.function that is not there": error(
        "missing-function", A + node("b", "__inference_f_12", "a", more="") + library(GOOD)
    ),
    "an op of nobody": Case(A + node("b", "NoSuchOp", "a"), "note unknown-op", "refuses"),
    "a body's input from nowhere": error("dangling-input", called(body("i", "Identity", "zz:o:0"))),
    "that of a function nobody calls": Case(
        unused(body("i", "Identity", "zz:o:0")), "warning dangling-input"
    ),
    "a body's node twice": error(
        "duplicate-node", called(body("i", "Identity", "x") + body("i", "Identity", "x"))
    ),
    "a cycle in a body": error(
        "cycle", called(body("i", "Identity", "j:output:0") + body("j", "Identity", "i:output:0"))
    ),
    "an argument by number": Case(called(body("i", "Identity", "x:0"))),
    "an output without a number": Case(
        called(body("j", "Identity", "x") + body("i", "Identity", "j:output"))
    ),
    "a return of nothing": error(
        "function-return", called(body("i", "Identity", "x"), returns="zz:output:0"), "F"
    ),
    "no return": error("function-return", called(body("i", "Identity", "x"), returns="")),
    "no return of a function nobody calls": Case(
        unused(body("i", "Identity", "x"), returns=""), "warning function-return"
    ),
    "an argument returned": Case(called(body("i", "Identity", "x"), returns="x")),
    "a control return of nothing": Case(
        called(body("i", "Identity", "x"), more='control_ret { key: "c" value: "zz" }'),
        "warning function-return",
    ),
    "a function twice, the same": Case(CALL + library(GOOD, GOOD)),
    "a function twice, not the same": error("duplicate-function", CALL + library(GOOD, OTHER), "F"),
    "a gradient that is not there": error(
        "gradient",
        CALL + library(GOOD, 'gradient { function_name: "F" gradient_func: "ZZ" }'),
        "ZZ",
    ),
    "a gradient of nothing": error(
        "gradient",
        CALL + library(GOOD, 'gradient { function_name: "ZZ" gradient_func: "F" }'),
        "ZZ",
    ),
    "a function named as an op": error(
        "function-name",
        A + B + library(function(body("i", "Neg", "x"), name="Identity", returns="i:y:0")),
        "Identity",
    ),
    "a function that calls itself": Case(CALL + library(ITSELF), "error recursion", "crashes", "F"),
    "one that nobody calls": Case(A + B + library(ITSELF), "warning recursion", "runs", "F"),
    "two that call each other": Case(
        CALL
        + library(
            ITSELF.replace('func { name: "F" }', 'func { name: "G" }'),
            ITSELF.replace('signature { name: "F"', 'signature { name: "G"'),
        ),
        "error recursion",
        "crashes",
    ),
    "functions that branch into themselves": Case(
        CALL
        + library(
            function(
                calling("i", "F", "x")
                .replace("node {", "node_def {", 1)
                .replace('"PartitionedCall"', '"MapDefun"')
            )
        ),
        "warning recursion",
        "",
    ),
}


def graph_of(text: str) -> Graph:
    return read_graph(Message(text_to_binary("GraphDef", text.encode())))


def found(graph: Graph, all_functions: bool = False) -> list[Finding]:
    return list(check_graph(graph, path="g.pb", all_functions=all_functions))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_fault_is_found_and_nothing_else(case: Case) -> None:
    findings = found(graph_of(case.text))
    told = [f"{finding.severity.value} {finding.code}" for finding in findings]
    assert told == ([case.expected] if case.expected else [])
    assert all(finding.path == "g.pb" for finding in findings)
    if case.names:
        assert findings[0].name == case.names


@pytest.mark.parametrize(
    "case",
    [c for c in CASES.values() if c.tensorflow],
    ids=[k for k, c in CASES.items() if c.tensorflow],
)
def test_tensorflow_refuses_what_is_an_error_and_runs_the_rest(
    case: Case, tensorflow: Judge, tmp_path: Path
) -> None:
    path = tmp_path / "graph.pb"
    path.write_bytes(text_to_binary("GraphDef", case.text.encode()))
    if case.tensorflow == "runs":
        assert not case.expected.startswith("error")
        assert tensorflow.run_graph_def(path, {}, ["b:0"])
        return
    raised = JudgeError if case.tensorflow == "refuses" else JudgeDiedError
    with pytest.raises(raised):
        tensorflow.run_graph_def(path, {}, ["b:0"])


# --- what the signatures of ops tell -------------------------------------------------------------

OP_DEFS = {
    "Identity": OpDef(
        "Identity", (Argument("input", type_attr="T"),), (Argument("o", type_attr="T"),)
    ),
    "Const": OpDef("Const", (), (Argument("output", type_attr="dtype"),)),
    "NoOp": OpDef("NoOp"),
}
WITH_OP_DEFS = {
    "an output that is not there": (A + node("b", "Identity", "a:1"), "dangling-output"),
    "too many inputs": (A + node("b", "Identity", "a", "a"), "number-of-inputs"),
    "too few inputs": (A + node("b", "Identity"), "number-of-inputs"),
    "an input of another type": (
        A + node("b", "Identity", "a", more='attr { key: "T" value { type: DT_INT32 } }'),
        "input-type",
    ),
    "an output in a body that is not there": (
        called(body("j", "Identity", "x") + body("i", "Identity", "j:nope:0")),
        "dangling-output",
    ),
    "an output in a body that has no such number": (
        called(body("j", "Identity", "x") + body("i", "Identity", "j:o:1")),
        "dangling-output",
    ),
    "no outputs at all": (
        A + node("n", "NoOp", more="") + node("b", "Identity", "n"),
        "dangling-output",
    ),
}


@pytest.mark.parametrize(("text", "code"), WITH_OP_DEFS.values(), ids=WITH_OP_DEFS)
def test_signatures_of_ops_tell_more(text: str, code: str) -> None:
    graph = replace(graph_of(text.replace("i:output:0", "i:o:0")), op_defs=OP_DEFS)
    assert [(f.severity, f.code) for f in found(graph)] == [(Severity.ERROR, code)]


@pytest.mark.parametrize(("text", "code"), WITH_OP_DEFS.values(), ids=WITH_OP_DEFS)
def test_tensorflow_refuses_them_too(
    text: str, code: str, tensorflow: Judge, tmp_path: Path
) -> None:
    path = tmp_path / "graph.pb"
    path.write_bytes(text_to_binary("GraphDef", text.replace(":o:", ":output:").encode()))
    with pytest.raises(JudgeError):
        tensorflow.run_graph_def(path, {}, ["b:0"])


def test_a_reference_may_go_where_a_value_goes() -> None:
    variable = (
        'attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { shape {} } }'
    )
    graph = graph_of(node("v", "VariableV2", more=variable) + node("b", "Identity", "v"))
    reference = OpDef("VariableV2", (), (Argument("ref", type_attr="dtype", is_reference=True),))
    assert found(replace(graph, op_defs={**OP_DEFS, "VariableV2": reference})) == []


# --- notes ---------------------------------------------------------------------------------------


def test_a_placement_on_a_gpu_is_noted() -> None:
    text = A + node("b", "Identity", "a", more=FLOAT + 'device: "/job:worker/device:GPU:0"')
    text += node("c", "Identity", "a", more=FLOAT + 'device: "/gpu:0"')
    text += node("d", "Identity", "a", more=FLOAT + 'device: "/device:CPU:0"')
    [finding] = found(graph_of(text))
    assert (finding.severity, finding.code, finding.name) == (
        Severity.NOTE,
        "placed-on-device",
        "b",
    )
    assert "2 of this kind: 'b', 'c'" in finding.message


def test_a_small_file_that_claims_a_large_constant_is_noted_and_never_expanded() -> None:
    text = const("b", "dtype: DT_FLOAT tensor_shape { dim { size: 1099511627776 } } float_val: 1")
    [finding] = found(graph_of(text))
    assert (finding.severity, finding.code) == (Severity.NOTE, "large-constant")
    assert "4,398,046,511,104 bytes" in finding.message


def test_ops_of_nobody_are_named_with_their_number() -> None:
    text = A + node("b", "Mine", "a") + node("c", "Mine", "b") + node("d", "Yours", "c")
    [finding] = found(graph_of(text))
    assert "'Mine' (2, such as 'b'), 'Yours' (1, such as 'd')" in finding.message


# --- many ----------------------------------------------------------------------------------------


def test_faults_of_one_kind_are_counted_and_the_first_are_named() -> None:
    nodes = [Node(f"n{i}", "Identity", (f"gone{i}",)) for i in range(1_234)]
    [finding] = found(Graph(nodes))
    assert "1,234 of this kind: 'n0', 'n1', 'n2' and 1,231 more" in finding.message
    assert finding.name == "n0"


def test_a_while_loop_is_no_cycle() -> None:
    loop = [
        Node("enter", "Enter", ("x",)),
        Node("merge", "Merge", ("enter", "next")),
        Node("switch", "Switch", ("merge", "p")),
        Node("next", "NextIteration", ("switch:1",)),
        Node("exit", "Exit", ("switch",)),
        Node("x", "Placeholder"),
        Node("p", "LoopCond", ("merge",)),
    ]
    assert found(Graph(loop)) == []
    [finding] = found(Graph([replace(n, op="Identity") if n.name == "next" else n for n in loop]))
    assert finding.code == "cycle"
    assert "'merge'" in finding.message


def test_what_only_hangs_on_a_cycle_is_not_in_it() -> None:
    nodes = [
        Node("a", "Identity", ("b",)),
        Node("b", "Identity", ("a",)),
        *(Node(f"after{i}", "Identity", (f"after{i - 1}" if i else "a",)) for i in range(5)),
    ]
    [finding] = found(Graph(nodes))
    assert "a cycle of 2 nodes" in finding.message
    assert "more nodes" not in finding.message


def read_again(graph: Graph) -> Graph:
    return read_graph(Message(joined(encode_graph(graph))))


def test_a_chain_of_a_hundred_thousand_nodes_takes_seconds() -> None:
    chain = [Node(f"n{i}", "Identity", (f"n{i - 1}",) if i else ()) for i in range(100_000)]
    graph = read_again(Graph(chain))
    start = time.process_time()
    assert found(graph) == []
    ring = replace(graph, nodes=[replace(chain[0], inputs=("n99999",)), *chain[1:]])
    [finding] = found(ring)
    assert "a cycle of 100000 nodes" in finding.message
    assert time.process_time() - start < 60


def test_a_hundred_thousand_functions_that_call_each_other_take_seconds() -> None:
    number = 100_000
    argument = (Argument("x", None, type_attr="T"),)
    encoded = {
        i: text_to_binary("FunctionDef", f'signature {{ name: "f{i}" }}'.encode())
        for i in range(number)
    }
    functions = {
        f"f{i}": Function(
            f"f{i}", argument, (), (Node("n", f"f{(i + 1) % number}", ("x",)),), {}, encoded[i]
        )
        for i in range(number)
    }
    graph = Graph([Node("call", "f0", ("a",)), Node("a", "NoOp")], functions)
    start = time.process_time()
    findings = found(graph)
    assert "100,000 functions that call each other" in findings[-1].message
    assert time.process_time() - start < 60


def test_a_hostile_graph_raises_nothing() -> None:
    odd = Node("b", "Const", ("", ":", "^", "^^", "::0", "a:99999999999999999999"), "\0")
    assert found(Graph([odd, odd, Node("", "")]))


# --- genuine graphs ------------------------------------------------------------------------------


def graphs_in(folder: Path) -> list[tuple[Path, Graph, bool]]:
    graphs: list[tuple[Path, Graph, bool]] = []
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".pb", ".pbtxt", ".meta"):
            continue
        try:
            artifact = tfa.open(path)
        except tfa.TfArtifactsError:
            continue  # a part of a SavedModel
        if isinstance(artifact, tfa.SavedModel):
            for meta_graph in artifact.meta_graphs:
                graphs.append((path, meta_graph.graph, meta_graph.object_graph is not None))
        elif isinstance(artifact, tfa.MetaGraph | tfa.Graph):
            graphs.append((path, artifact.graph, False))
    return graphs


def test_graphs_of_the_fixtures_have_no_fault(fixtures: Path) -> None:
    graphs = graphs_in(fixtures)
    assert len(graphs) >= 25
    for path, graph, with_objects in graphs:
        for finding in found(graph, all_functions=with_objects):
            assert (finding.code, "gpu" in str(path)) == ("placed-on-device", True), path


def test_genuine_graphs_have_no_fault(shared_artifacts: Path) -> None:
    graphs = graphs_in(shared_artifacts)
    assert len(graphs) >= 30
    noted = {"placed-on-device": ("gpu", "124_shard_genomic"), "unknown-op": ("087_ydf_gbdt",)}
    for path, graph, with_objects in graphs:
        for finding in found(graph, all_functions=with_objects):
            assert finding.severity == Severity.NOTE
            assert path.parent.name in noted[finding.code], path
