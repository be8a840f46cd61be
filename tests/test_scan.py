"""What a model could do: every op that can do something, however deep it is hidden."""

from __future__ import annotations

import base64
import json
import marshal
import pickle
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import tfartifacts as tfa
from tests.harmless_ops import HARMLESS, HARMLESS_BEGINNINGS
from tests.scan_models import (
    HARM,
    TARGET,
    WAYS,
    dangerous_nodes,
    directly,
    encoded,
    encoded_saved_model,
    function,
    in_constant,
    saved_model,
    string_constant,
)
from tfartifacts.checks.findings import Severity
from tfartifacts.checks.scan import Capability, Reach, Row
from tfartifacts.checks.scan.capabilities import CONTRIB, RULES
from tfartifacts.checks.scan.payloads import Budget, packed_strings, search
from tfartifacts.checks.scan.xla import look_at
from tfartifacts.dtypes import STRING
from tfartifacts.errors import FormatError, NameNotFoundError
from tfartifacts.formats.mlir_bytecode import bytecode_strings
from tfartifacts.formats.node_def import EncodedAttrs
from tfartifacts.formats.tensor_proto import EncodedTensor
from tfartifacts.formats.wire import put_bytes, put_integer, put_text, varint
from tfartifacts.graphs.compatibility import VERSIONS, ops_of
from tfartifacts.model import Graph, MetaGraph, Node, Signature, TensorInfo
from tfartifacts.model.graphs import Argument, Constant, FunctionCall
from tfartifacts.model.saved_models import AssetFile, Collection, Saver

OPS = sorted(set().union(*(ops_of(version) for version in VERSIONS)))
SUSPICIOUS = re.compile(
    "File|Save|Write|Read[^y]|Reader|Rpc|Dataset|Iterator|Snapshot|Restore|Summary|Print|Dump|"
    "Debug|PyFunc|Send|Recv|Remote|Collective[A-Z]|Server|Service|BigQuery|Gcs|Heartbeat|Shutdown|"
    "Sleep|Abort|Host(?!ogram)|Compile|TPUExecute|Launch|CustomCall|LoadT|LoadAll|Configure[DA]"
)
# What it takes to be no alarm, or less than one, wherever it is.
LESS = {
    Severity.NOTE: {"Print"},
    Severity.WARNING: {op for op, rule in RULES.items() if not rule.raw},
}


def rows_of(scan: tfa.Scan, op: str) -> list[Row]:
    return [row for row in scan.rows if row.op == op]


# ---------------------------------------------------------------- which ops


@pytest.mark.parametrize("op", sorted(set(RULES) - set(CONTRIB)))
def test_every_op_of_the_classification_is_an_op_of_some_tensorflow(op: str) -> None:
    assert op in OPS


def test_ops_of_contrib_are_in_no_list() -> None:
    assert not set(CONTRIB) & set(OPS)


def test_every_op_that_sounds_dangerous_was_looked_at() -> None:
    sounding = {op for op in OPS if SUSPICIOUS.search(op)}
    missed = {
        op
        for op in sounding - set(RULES) - HARMLESS
        if not op.startswith(HARMLESS_BEGINNINGS) and not op.startswith(("_Mkl", "Risc"))
    }
    assert missed == set()
    assert not HARMLESS & set(RULES)
    assert set(OPS) >= HARMLESS


# ---------------------------------------------------------------- every op, every way


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("op", sorted(RULES))
def test_what_an_op_does_is_found_however_it_is_nested(op: str, way: str) -> None:
    scan = tfa.scan(saved_model(WAYS[way](dangerous_nodes(op))))

    expected = next((kind for kind, ops in LESS.items() if op in ops), Severity.ERROR)
    found = [row for row in rows_of(scan, op) if HARM in row.nodes]
    assert found
    assert {row.reach for row in found} == {Reach.SIGNATURE}
    assert {row.callers for row in found} == {("serving_default",)}
    assert {row.severity for row in found} == {expected}
    if RULES[op].paths:
        assert TARGET in found[0].target
    assert not scan.problems
    nested = 2 if way == "in_constant_twice" else int("constant" in way)
    assert bool(found[0].nesting) == bool(nested)
    assert scan.is_clean == (not scan.errors)


@pytest.mark.parametrize("way", WAYS)
def test_an_op_of_no_tensorflow_is_found_however_it_is_nested(way: str) -> None:
    scan = tfa.scan(saved_model(WAYS[way]((Node(HARM, "MyOwnOp"),))))

    (row,) = rows_of(scan, "MyOwnOp")
    assert row.capability is Capability.CUSTOM_OP
    assert row.is_error


def test_an_op_is_found_in_a_graph_whose_fields_are_in_another_order() -> None:
    node = put_text(2, "WriteFile") + put_bytes(7, b"") + put_text(1, HARM)
    graph = put_bytes(99, b"x" * 20) + put_bytes(4, put_integer(1, 1)) + put_bytes(1, node)

    scan = tfa.scan(saved_model(directly((string_constant(HARM, graph),))))

    assert [row.nesting for row in scan.errors] == [(HARM,)]


@pytest.mark.parametrize("wrapped", [1, 3, 30])
def test_an_op_is_found_in_a_message_of_any_kind(wrapped: int) -> None:
    payload = encoded(in_constant(dangerous_nodes("WriteFile")))
    for number in range(wrapped):
        payload = put_integer(1, 5) + put_bytes(number % 15 + 2, payload)

    scan = tfa.scan(saved_model(directly((string_constant(HARM, payload),))))

    assert rows_of(scan, "WriteFile")


def test_strings_packed_into_tensor_content_are_looked_into() -> None:
    payload = encoded(directly(dangerous_nodes("WriteFile")))
    content = varint(3) + varint(len(payload)) + b"abc" + payload
    tensor = put_integer(1, STRING.number) + put_bytes(2, b"") + put_bytes(4, content)
    node = Node(HARM, "Const", attrs={"dtype": STRING, "value": EncodedTensor(tensor)})

    assert rows_of(tfa.scan(saved_model(directly((node,)))), "WriteFile")


def test_strings_packed_into_tensor_content_of_a_nested_constant_are_looked_into() -> None:
    payload = encoded(directly(dangerous_nodes("WriteFile")))
    tensor = put_integer(1, STRING.number) + put_bytes(4, varint(len(payload)) + payload)
    constant = Node("c", "Const", attrs={"dtype": STRING, "value": EncodedTensor(tensor)})

    scan = tfa.scan(saved_model(directly((string_constant(HARM, encoded(Graph((constant,)))),))))

    assert [row.nesting for row in scan.errors] == [(HARM, "c")]


def test_packed_strings_end_where_their_characters_do() -> None:
    assert packed_strings(b"\x01\x02abb", 0, 5) == [(2, 3), (3, 5)]
    assert packed_strings(b"\x01\x09abb", 0, 5) == []


def test_an_attribute_that_holds_a_graph_is_looked_into() -> None:
    graph = encoded(directly(dangerous_nodes("PyFunc")))
    engine = Node(HARM, "TRTEngineOp", attrs={"serialized_segment": graph})

    scan = tfa.scan(saved_model(directly((engine,))))

    assert [row.op for row in scan.errors] == ["TRTEngineOp", "PyFunc"]


def test_a_dataset_of_a_constant_graph_is_no_alarm_of_its_own() -> None:
    scan = tfa.scan(saved_model(in_constant((Node(HARM, "Identity", ("x",)),))))

    assert scan.is_clean
    assert [row.severity for row in rows_of(scan, "DatasetFromGraph")] == [Severity.NOTE]


def test_a_vocabulary_is_no_graph() -> None:
    words = [b"Const", b"WriteFile", b"the file WriteFile", b"\n\tWriteFile", b"PyFunc" * 40]

    scan = tfa.scan(saved_model(directly((string_constant(HARM, *words),))))

    assert scan.rows == ()


# ---------------------------------------------------------------- limits


def test_a_string_beyond_the_budget_is_told() -> None:
    budget = Budget(num_fields=10)
    search(encoded(in_constant(dangerous_nodes("WriteFile"))), OPS, budget)
    assert budget.exceeded


def test_endless_nesting_ends_with_a_finding() -> None:
    payload = encoded(directly(dangerous_nodes("WriteFile")))
    for _ in range(3_000):
        payload = put_bytes(2, payload)

    scan = tfa.scan(saved_model(directly((string_constant(HARM, payload),))))

    assert [row.explanation for row in scan.warnings] == [
        "holds more than is looked at: the limits of nested graphs are reached"
    ]


def test_functions_that_call_each_other_end() -> None:
    one = function("one", (Node("call", "two"), *dangerous_nodes("WriteFile")))
    two = function("two", (Node("call", "one"),))
    graph = Graph((Node("out", "one"),), functions={"one": one, "two": two})

    assert len(tfa.scan(saved_model(graph)).errors) == 1


def test_a_path_that_is_its_own_input_is_computed() -> None:
    loop = Node("path", "Identity", ("path",))
    write = Node(HARM, "WriteFile", ("path", "path"))
    (row,) = tfa.scan(saved_model(directly((loop, write)))).errors
    assert row.target == ""


def test_a_long_chain_of_functions_and_nodes_is_walked() -> None:
    functions = {f"f{i}": function(f"f{i}", (Node("call", f"f{i + 1}"),)) for i in range(20_000)}
    functions["f20000"] = function("f20000", dangerous_nodes("WriteFile"))
    graph = Graph((Node("out", "f0"),), functions=functions)

    assert [row.function for row in tfa.scan(saved_model(graph)).errors] == ["f20000"]


# ---------------------------------------------------------------- reach


def _with(graph: Graph, **fields: object) -> tfa.Scan:
    return tfa.scan(saved_model(graph, **fields))


def test_what_nothing_runs_is_a_warning() -> None:
    scan = _with(Graph((*dangerous_nodes("WriteFile"), Node("out", "NoOp"))))

    assert scan.is_clean
    assert [row.reach for row in scan.warnings] == [Reach.UNREACHABLE]


def test_what_the_init_op_runs_is_a_hit() -> None:
    collections = {"saved_model_main_op": Collection("node_list", (HARM,))}
    graph = Graph((*dangerous_nodes("WriteFile"), Node("out", "NoOp")))

    assert [row.reach for row in _with(graph, collections=collections).errors] == [Reach.INIT]


def test_what_is_behind_a_fed_tensor_does_not_run() -> None:
    nodes = (*dangerous_nodes("ReadFile"), Node("out", "Identity", (HARM,)))
    signature = Signature(
        {"x": TensorInfo(f"{HARM}:0", STRING, ())}, {"y": TensorInfo("out:0", STRING, ())}
    )

    scan = _with(Graph(nodes), signatures={"serving_default": signature})

    assert [row.reach for row in scan.warnings] == [Reach.UNREACHABLE]


def test_a_graph_without_signatures_is_open_to_all() -> None:
    scan = tfa.scan(Graph(dangerous_nodes("PyFunc")))
    assert [row.reach for row in scan.errors] == [Reach.GRAPH]


def test_which_of_several_signatures_it_was_is_told() -> None:
    graph = Graph((*dangerous_nodes("WriteFile"), Node("out", "NoOp")))
    info = {name: TensorInfo(f"{name}:0", None, None) for name in (HARM, "out")}
    signatures = {
        "clean": Signature({}, {"y": info["out"]}),
        "harmful": Signature({}, {"y": info[HARM]}),
        "both": Signature({}, info),
    }

    (row,) = _with(graph, signatures=signatures).errors

    assert row.callers == ("harmful", "both")


def test_a_function_that_objects_offer_is_a_hit() -> None:
    graph = Graph(
        (Node("out", "NoOp"),), functions={"f": function("f", dangerous_nodes("WriteFile"))}
    )
    root = put_bytes(1, put_integer(1, 1) + put_text(2, "run"))
    offered = put_bytes(1, root) + put_bytes(1, put_bytes(6, put_text(1, "f")))

    (row,) = _with(graph, object_graph=offered).errors

    assert (row.reach, row.callers) == (Reach.FUNCTION, ("run",))


def _offering(role: str, bound: int = 2) -> bytes:
    """An object graph: a resource whose child of that name is `f`, bound to object `bound`."""
    resource = put_bytes(1, put_integer(1, 1) + put_text(2, "table"))
    initialize = put_bytes(1, put_integer(1, 3) + put_text(2, role))
    nodes = [
        resource,
        initialize,
        put_bytes(5, b""),  # an asset, the first
        put_bytes(8, put_text(1, "f")),
        put_bytes(9, put_text(1, "const")),  # a constant of the graph
    ]
    concrete = put_text(1, "f") + put_bytes(2, put_integer(2, bound))
    return b"".join(put_bytes(1, node) for node in nodes) + put_bytes(2, concrete)


def _loading(role: str, bound: int) -> list[Row]:
    body = (Node(HARM, "InitializeTableFromTextFileV2", ("table", "path")),)
    made = replace(function("f", body), inputs=(Argument("path", STRING),))
    nodes = (string_constant("const", b"/etc/passwd"), Node("out", "NoOp"))
    scan = _with(
        Graph(nodes, functions={"f": made}),
        asset_files=(AssetFile("asset:0", "words.txt"),),
        object_graph=_offering(role, bound),
    )
    return list(scan.rows)


def test_what_a_resource_captured_tells_which_file_it_reads() -> None:
    (row,) = _loading("_initialize", 2)
    assert (row.reach, row.severity, row.target) == (Reach.INIT, Severity.NOTE, "words.txt")
    (row,) = _loading("_initialize", 4)
    assert (row.reach, row.severity, row.target) == (Reach.INIT, Severity.WARNING, "/etc/passwd")


def test_a_function_that_saves_an_object_is_the_savers() -> None:
    saveable = put_text(1, "values") + put_bytes(2, put_integer(2, 1) + put_integer(3, 1))
    objects = put_bytes(1, put_bytes(11, saveable)) + put_bytes(1, put_bytes(8, put_text(1, "f")))
    graph = Graph(
        (Node("out", "NoOp"),), functions={"f": function("f", dangerous_nodes("WriteFile"))}
    )
    (row,) = _with(graph, object_graph=objects).errors
    assert (row.reach, row.callers) == (Reach.SAVER, ("values",))


def test_objects_that_are_their_own_children_end() -> None:
    root = put_bytes(1, put_integer(1, 0) + put_text(2, "self"))
    lost = put_bytes(1, put_integer(1, 99) + put_text(2, "nobody"))
    objects = put_bytes(1, root + lost)
    assert _with(Graph((Node("out", "NoOp"),)), object_graph=objects).is_clean


# ---------------------------------------------------------------- savers


def _saver(*nodes: Node, op: str = "SaveV2") -> MetaGraph:
    given = Node("save/Const", "PlaceholderWithDefault", ("save/filename",))
    default = string_constant("save/filename", b"model")
    save = Node("save/Save", op, ("save/path", "names", "slices"))
    restore = Node("save/RestoreV2", "RestoreV2", ("save/Const", "names", "slices"))
    control = Node("save/control", "Identity", ("save/Const", "^save/Save"))
    every = Node("save/restore_all", "NoOp", ("^save/RestoreV2",))
    return MetaGraph(
        Graph((given, default, save, restore, control, every, Node("out", "NoOp"), *nodes)),
        signatures={"serving_default": Signature({}, {"y": TensorInfo("out:0", None, None)})},
        saver=Saver("save/Const:0", "save/control:0", "save/restore_all"),
    )


def _joined(*parts: bytes) -> list[Node]:
    names = [f"part{number}" for number in range(len(parts))]
    constants = [string_constant(name, part) for name, part in zip(names, parts, strict=True)]
    join = Node("joined", "StringJoin", ("save/Const", *names))
    shard = Node("save/path", "ShardedFilename", ("joined", "shard", "shards"))
    return [*constants, join, shard]


def test_what_a_saver_does_under_the_name_it_is_given_is_explained() -> None:
    scan = tfa.scan(_saver(*_joined(b"_temp_1/part")))

    assert scan.is_clean
    assert {(row.op, row.severity) for row in scan.rows} == {
        ("SaveV2", Severity.NOTE),
        ("RestoreV2", Severity.NOTE),
    }


@pytest.mark.parametrize(
    "nodes",
    [
        [string_constant("save/path", b"/etc/cron.d/evil")],
        [Node("save/path", "AsString", ("save/Const",))],
        [
            string_constant("evil", b"/etc/"),
            Node("save/path", "StringJoin", ("evil", "save/Const")),
        ],
        _joined(b"/../../etc/evil"),
        _joined(b"a/", b"../../etc"),
        [*_joined(b"x")[:-2], Node("save/path", "Select", ("c", "save/Const", "part0"))],
    ],
    ids=["constant", "computed", "appended to", "upwards", "upwards in parts", "chosen"],
)
def test_a_saver_that_writes_elsewhere_is_a_hit(nodes: list[Node]) -> None:
    scan = tfa.scan(_saver(*nodes))
    assert [(row.op, row.reach) for row in scan.errors] == [("SaveV2", Reach.SAVER)]


def test_a_merge_in_the_saver_that_deletes_elsewhere_is_a_hit() -> None:
    merge = Node("merge", "MergeV2Checkpoints", ("victim", "save/Const"))
    meta_graph = _saver(*_joined(b"part"), string_constant("victim", b"/srv/model"), merge)
    control = Node("save/control", "Identity", ("save/Const", "^save/Save", "^merge"))
    nodes = [control if n.name == control.name else n for n in meta_graph.graph.nodes]

    scan = tfa.scan(replace(meta_graph, graph=Graph(tuple(nodes))))

    assert [row.op for row in scan.errors] == ["MergeV2Checkpoints"]


def test_a_second_saver_is_explained_but_not_behind_a_signature() -> None:
    second = (
        string_constant("default", b"model"),
        Node("save_1/Const", "PlaceholderWithDefault", ("default",)),
        Node("save_1/SaveV2", "SaveV2", ("save_1/Const",)),
    )
    meta_graph = _saver(*_joined(b"part"), *second)
    assert tfa.scan(meta_graph).is_clean

    signature = Signature({}, {"y": TensorInfo("save_1/SaveV2:0", None, None)})
    scan = tfa.scan(replace(meta_graph, signatures={"serving_default": signature}))
    assert [row.reach for row in scan.errors] == [Reach.SIGNATURE]


def test_a_saver_that_is_a_function_is_followed_to_the_name_it_is_given() -> None:
    body = (Node("save", "SaveV2", ("prefix",)),)
    made = replace(function("traced_save", body), inputs=(Argument("prefix", STRING),))
    call = Node(
        "call",
        "StatefulPartitionedCall",
        ("filename",),
        attrs={"f": FunctionCall("traced_save")},
    )
    graph = Graph(
        (Node("filename", "Placeholder"), call, Node("out", "NoOp")),
        functions={"traced_save": made},
    )
    saver = Saver("filename:0", "call:0", "none")
    assert [row.severity for row in _with(graph, saver=saver).rows] == [Severity.NOTE]

    elsewhere = (string_constant("other", b"/etc/x"), replace(call, inputs=("other",)))
    graph = replace(graph, nodes=(graph.nodes[0], *elsewhere, graph.nodes[2]))
    (row,) = _with(graph, saver=saver).errors
    assert (row.reach, row.target) == (Reach.SAVER, "/etc/x")


@pytest.mark.parametrize("suffixes", [(b"/.", b"./x"), (b"/..",), (b"/.", b"./.", b"./etc/x")])
def test_what_is_appended_to_the_savers_name_does_not_lead_elsewhere(
    suffixes: tuple[bytes, ...],
) -> None:
    parts = [string_constant(f"s{i}", suffix) for i, suffix in enumerate(suffixes)]
    nodes = (
        string_constant("save/Const", b"model"),
        *parts,
        Node("name", "StringJoin", ("save/Const", *(part.name for part in parts))),
        Node(HARM, "SaveV2", ("name", "names", "slices", "v")),
        Node("done", "Identity", ("name", f"^{HARM}")),
        Node("out", "NoOp"),
    )
    (row,) = _with(Graph(nodes), saver=Saver("save/Const:0", "done:0", "out")).errors
    assert (row.op, row.reach) == ("SaveV2", Reach.SAVER)


def test_a_saver_that_writes_when_it_restores_is_a_hit() -> None:
    nodes = (
        string_constant("save/Const", b"model"),
        Node(HARM, "SaveV2", ("save/Const", "names", "slices", "v")),
        Node("restore", "NoOp", (f"^{HARM}",)),
        Node("out", "NoOp"),
    )
    (row,) = _with(Graph(nodes), saver=Saver("save/Const:0", "save/Const:0", "restore")).errors
    assert row.explanation == "writes a checkpoint when a checkpoint is restored"


# ---------------------------------------------------------------- what is put together


@pytest.mark.parametrize("op", ["StringJoin", "Add", "AddV2"])
@pytest.mark.parametrize("first", [b"", b"model"])
def test_a_graph_that_is_put_together_of_constants_is_a_hit(op: str, first: bytes) -> None:
    # "model" is a message, too: of field 13, a fixed32.
    payload = encoded(directly(dangerous_nodes("WriteFile")))
    middle = len(payload) // 2
    parts = (first, payload[:middle], payload[middle:])
    joined = Node("joined", op, ("part0", "part1", "part2"))
    take = Node(HARM, "DatasetFromGraph", ("joined",))
    nodes = (*(string_constant(f"part{i}", part) for i, part in enumerate(parts)), joined, take)

    (row,) = tfa.scan(saved_model(directly(nodes))).errors

    assert row.explanation.endswith("which is not in the file as it is")


def test_a_constant_graph_that_cannot_be_read_is_a_hit() -> None:
    # A tag of 33 bits: protobuf's C++ drops the highest.
    payload = b"\x8a\x80\x80\x80\x10\x04evil" + encoded(directly(()))
    take = Node(HARM, "DatasetFromGraph", ("graph",))

    (row,) = tfa.scan(saved_model(directly((string_constant("graph", payload), take)))).errors

    assert row.explanation.endswith("which cannot be looked into")


@pytest.mark.parametrize("op", ["WriteFile", "ReadFile", "CacheDataset"])
def test_a_name_that_is_put_together_of_constants_is_no_empty_one(op: str) -> None:
    nodes = (
        string_constant("empty", b""),
        string_constant("rest", b"/etc/target"),
        Node("joined", "StringJoin", ("empty", "rest")),
        Node(HARM, op, ("joined", "joined")),
    )
    (row,) = tfa.scan(saved_model(directly(nodes))).errors
    assert row.op == op


# ---------------------------------------------------------------- files that are read


@pytest.mark.parametrize(
    ("path", "filename"), [(b"/etc/passwd", "words.txt"), (b"words.txt", "../../etc/passwd")]
)
def test_a_declared_asset_hides_no_other_file(path: bytes, filename: str) -> None:
    # Loaders feed assets when they run the init op, not when they run signatures.
    nodes = (string_constant("path", path), Node(HARM, "ReadFile", ("path",)))
    scan = _with(directly(nodes), asset_files=(AssetFile("path:0", filename),))
    (row,) = scan.errors
    assert "etc/passwd" in row.target


def test_the_variable_that_holds_an_assets_path_is_followed() -> None:
    """As TensorFlow 2.21 exports a table that is read from a file."""
    handle = {"shared_name": b"Variable"}
    nodes = (
        Node("asset_path_initializer", "Placeholder"),
        Node("Variable", "VarHandleOp", attrs=handle),
        Node("Variable/Assign", "AssignVariableOp", ("Variable", "asset_path_initializer")),
        Node("read", "ReadVariableOp", ("Variable", "^Variable/Assign")),
        Node(HARM, "InitializeTableFromTextFileV2", ("table", "read")),
        Node("out", "NoOp"),
    )
    fields = {
        "asset_files": (AssetFile("asset_path_initializer:0", "words.txt"),),
        "collections": {"saved_model_main_op": Collection("node_list", (HARM,))},
    }
    assert [row.severity for row in _with(Graph(nodes), **fields).rows] == [Severity.NOTE]
    another = Node("Variable_1", "VarHandleOp", attrs=handle)
    assert _with(Graph((*nodes, another)), **fields).warnings


def _table(path: bytes, **fields: object) -> tfa.Scan:
    nodes = (
        string_constant("path", path),
        Node(HARM, "InitializeTableFromTextFileV2", ("table", "path")),
        Node("out", "NoOp"),
    )
    collections = {"saved_model_main_op": Collection("node_list", (HARM,))}
    return _with(Graph(nodes), collections=collections, **fields)


def test_a_table_of_a_declared_asset_is_explained() -> None:
    scan = _table(b"/home/me/vocab.txt", asset_files=(AssetFile("path:0", "vocab.txt"),))
    assert [(row.severity, row.target) for row in scan.rows] == [(Severity.NOTE, "vocab.txt")]


@pytest.mark.parametrize(
    "path", [b"/etc/passwd", b"../../secret", b"C:\\secret", b"\\\\host\\x", b"gs://bucket/x"]
)
def test_a_table_of_a_file_outside_is_a_warning(path: bytes) -> None:
    scan = _table(path)
    assert [(row.reach, row.target) for row in scan.warnings] == [(Reach.INIT, path.decode())]
    assert scan.is_clean


def test_a_file_that_the_caller_names_is_a_hit() -> None:
    nodes = (Node("x", "Placeholder"), Node("out", "ReadFile", ("x",)))
    signature = Signature(
        {"x": TensorInfo("x:0", STRING, ())}, {"y": TensorInfo("out:0", STRING, ())}
    )
    (row,) = _with(Graph(nodes), signatures={"serving_default": signature}).errors
    assert row.explanation == (
        "reads a file under a name that the caller gives, whose contents the caller gets"
    )


def test_a_cache_in_memory_is_nothing() -> None:
    nodes = (string_constant("name", b""), Node(HARM, "CacheDataset", ("dataset", "name")))
    assert tfa.scan(saved_model(directly(nodes))).rows == ()


# ---------------------------------------------------------------- attributes


@pytest.mark.parametrize("stream", [b"stderr", b"stdout", b"log(info)"])
def test_what_prints_to_the_log_is_a_note(stream: bytes) -> None:
    node = Node(HARM, "PrintV2", ("x",), attrs={"output_stream": stream})
    scan = tfa.scan(saved_model(directly((node,))))
    assert [row.capability for row in scan.rows] == [Capability.WRITE_LOG]
    assert scan.is_clean


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        ([], []),
        ([b"file:///tmp/x"], [Capability.WRITE_FILES]),
        ([b"grpc://host:1"], [Capability.NETWORK]),
    ],
)
def test_where_a_debug_op_sends_tensors_is_told(
    urls: list[bytes], expected: list[Capability]
) -> None:
    node = Node(HARM, "DebugIdentity", ("x",), attrs={"debug_urls": urls})
    assert [row.capability for row in tfa.scan(saved_model(directly((node,)))).errors] == expected


def _bytecode(*strings: bytes) -> bytes:
    def number(value: int) -> bytes:
        assert value < 1 << 14
        return ((value << 2) | 2).to_bytes(2, "little")

    lengths = b"".join(number(len(string) + 1) for string in reversed(strings))
    section = number(len(strings)) + lengths + b"".join(string + b"\0" for string in strings)
    return b"ML\xefR" + number(6) + b"StableHLO_v1\0" + b"\0" + number(len(section)) + section


def test_strings_of_bytecode_are_listed() -> None:
    assert bytecode_strings(_bytecode(b"main", b"", b"add_v1")) == [b"main", b"", b"add_v1"]
    with pytest.raises(FormatError, match="found a section of"):
        bytecode_strings(_bytecode(b"main")[:-3])


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (_bytecode(b"vhlo", b"main", b"add_v1", b"func_v1"), (True, False, ())),
        (_bytecode(b"vhlo", b"custom_call_v1", b"Sharding"), (True, False, ())),
        (_bytecode(b"custom_call_v1", b"Sharding", b"evil"), (True, True, ("evil",))),
        (_bytecode(b"custom_call_v1", b"Sharding", b"evil_v1"), (True, True, ("evil_v1",))),
        (_bytecode(b"custom_call_v1", b"Sharding", b"tf.evil"), (True, True, ("tf.evil",))),
        (_bytecode(b"custom_call_v1"), (True, True, ())),
        (b"ML\xefR damaged", (False, True, ())),
        (b"anything", (False, True, ())),
        (b"module { func.func @main() }", (True, False, ())),
        (b"module { stablehlo.custom_call @Sharding(%0) }", (True, False, ())),
        (b'module { "x"() {call_target_name = "evil"} }', (True, True, ("evil",))),
        (b'{} "stablehlo.custom_call"() {"call_target_name" = "evil"}', (False, True, ())),
        (b'module {"stablehlo.custom_call"() {"call_target_name" = "evil"}}', (True, True, ())),
        (b'module {"stablehlo.custom\\5Fcall"() {"call\\5Ftarget_name" = "a"}}', (True, True, ())),
        (b'module {"mhlo.custom_call"() {call_target_name = #alias}}', (True, True, ())),
        (b"module {mhlo.custom_call // c\n @evil(%0)}", (True, True, ())),
        (b'module attributes {mhlo.sharding = "\\08\\03\\22"} {}', (True, False, ())),
    ],
)
def test_what_a_compiled_module_calls_is_told(
    module: bytes, expected: tuple[bool, bool, tuple[str, ...]]
) -> None:
    found = look_at(module)
    assert (found.is_readable, found.has_calls, found.targets) == expected


# ---------------------------------------------------------------- what is left out


def test_graphs_that_are_no_part_of_the_artifact_are_told(fixtures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    shutil.copytree(fixtures / "digits" / "checkpoints", folder)
    assert tfa.scan(folder).notes == ()
    for name in ("stranger.meta", "graph.pbtxt"):
        shutil.copy(folder / "my_model-4.meta", folder / name)
    (note,) = tfa.scan(folder).notes
    assert note.startswith("not looked at: graph.pbtxt, stranger.meta, which")

    model = tmp_path / "model"
    shutil.copytree(fixtures / "saved-models" / "text", model)
    (model / "other.pb").write_bytes(b"")
    (note,) = tfa.scan(model).notes
    assert note.startswith("not looked at: other.pb, which")


# ---------------------------------------------------------------- python, keras, files


def test_pickles_and_bytecode_in_constants_are_noted() -> None:
    for value in (pickle.dumps({"a": 1}), marshal.dumps(compile("1", "x", "eval"))):
        scan = tfa.scan(saved_model(directly((string_constant(HARM, value),))))
        assert [row.severity for row in scan.rows] == [Severity.NOTE]


def _model_folder(folder: Path) -> Path:
    folder.mkdir()
    graph = Graph((Node("out", "NoOp"),))
    (folder / "saved_model.pb").write_bytes(encoded_saved_model(saved_model(graph)))
    return folder


def _keras(folder: Path, metadata: str) -> tfa.Scan:
    node = put_text(3, "root.layer") + put_text(4, "_tf_keras_layer") + put_text(5, metadata)
    (folder / "keras_metadata.pb").write_bytes(put_bytes(1, node))
    return tfa.scan(folder)


CODE = base64.b64encode(marshal.dumps(compile("1", "x", "eval"))).decode()


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (
            {"class_name": "Lambda", "config": {"name": "evil", "function": [CODE, None, None]}},
            (Severity.ERROR, "Lambda"),
        ),
        (
            {"config": {"layers": [{"class_name": "Lambda", "config": {"function": [CODE]}}]}},
            (Severity.ERROR, "Lambda"),
        ),
        (
            {"class_name": "__lambda__", "config": {"code": CODE}},
            (Severity.ERROR, "__lambda__"),
        ),
        (
            {"class_name": "Lambda", "config": {"function": "f", "function_type": "function"}},
            (Severity.WARNING, "Lambda"),
        ),
        (
            {"module": "os", "class_name": "function", "config": "system"},
            (Severity.ERROR, "function"),
        ),
        (
            {"class_name": "TFOpLambda", "config": {"name": "l", "function": "io.write_file"}},
            (Severity.ERROR, "TFOpLambda"),
        ),
        (
            {"class_name": "TFOpLambda", "config": {"function": "io.gfile.rmtree"}},
            (Severity.ERROR, "TFOpLambda"),
        ),
        (
            {"class_name": "TensorFlowOpLayer", "config": {"node_def": '{"op": "PyFun\\u0063"}'}},
            (Severity.ERROR, "TensorFlowOpLayer"),
        ),
        ({"class_name": "TFOpLambda", "config": {"function": "math.reduce_sum"}}, None),
        ({"class_name": "X", "registered_name": "Mine>X"}, (Severity.NOTE, "Mine>X")),
        ({"class_name": "Dense", "module": "keras.layers", "registered_name": None}, None),
    ],
)
def test_layers_that_keras_would_run_are_found(
    tmp_path: Path, metadata: object, expected: tuple[Severity, str] | None
) -> None:
    scan = _keras(_model_folder(tmp_path / "model"), json.dumps(metadata))
    found = [(row.severity, row.op) for row in scan.rows]
    assert found == ([] if expected is None else [expected])
    assert {row.reach for row in scan.rows} <= {Reach.KERAS}


@pytest.mark.parametrize(
    "metadata", ["{" * 10_000, '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", '{"a": nothing}']
)
def test_metadata_that_is_no_json_is_a_warning(tmp_path: Path, metadata: str) -> None:
    scan = _keras(_model_folder(tmp_path / "model"), metadata)
    assert [row.explanation[:26] for row in scan.warnings] == ["metadata that is not read:"]


def test_layers_in_the_object_graph_of_older_versions_are_found() -> None:
    metadata = json.dumps({"class_name": "Lambda", "config": {"function": [CODE]}})
    user = put_text(1, "_tf_keras_layer") + put_text(3, metadata)
    scan = _with(Graph((Node("out", "NoOp"),)), object_graph=put_bytes(1, put_bytes(4, user)))
    assert [row.op for row in scan.errors] == ["Lambda"]


def test_programs_and_pickles_beside_a_model_are_told(tmp_path: Path) -> None:
    folder = _model_folder(tmp_path / "model")
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "ops.so").write_bytes(b"\x7fELF")
    (folder / "renamed.txt").write_bytes(b"\x7fELF....")
    (folder / "state").write_bytes(pickle.dumps([1]))
    (folder / "load.py").write_text("print()")
    (folder / "README.md").write_text("#")

    scan = tfa.scan(folder)

    assert {row.nodes[0]: row.severity for row in scan.rows} == {
        "assets.extra/ops.so": Severity.WARNING,
        "renamed.txt": Severity.WARNING,
        "state": Severity.WARNING,
        "load.py": Severity.NOTE,
    }


# ---------------------------------------------------------------- damage


def test_a_damaged_node_keeps_nothing_else_from_being_found(tmp_path: Path) -> None:
    entry = put_text(1, "value") + put_bytes(2, put_bytes(8, b"\x42\x7f"))
    broken = Node("broken", "HostConst", attrs=EncodedAttrs(entry, [(0, len(entry))]))
    graph = directly((*dangerous_nodes("WriteFile"), broken))
    path = tmp_path / "saved_model.pb"
    path.write_bytes(encoded_saved_model(saved_model(graph)))

    scan = tfa.scan(path)

    assert [row.op for row in scan.errors] == ["WriteFile"]
    assert len(scan.problems) == 1


def test_a_damaged_object_graph_is_a_problem() -> None:
    scan = _with(Graph((Node("out", "NoOp"),)), object_graph=b"\x0a\x05")
    assert "in the object graph" in str(scan.problems[0])
    assert not scan.is_clean


# ---------------------------------------------------------------- allowed


@pytest.mark.parametrize("allow", ["WriteFile", "capability:write-files"])
def test_what_is_allowed_is_no_alarm_but_stays_listed(allow: str) -> None:
    scan = tfa.scan(saved_model(directly(dangerous_nodes("WriteFile"))), allow=[allow])
    assert scan.is_clean
    assert [row.is_allowed for row in scan.rows] == [True]


def test_a_capability_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(NameNotFoundError, match="no capability 'write'"):
        tfa.scan(Graph(()), allow=["capability:write"])


def test_a_constant_that_was_made_here_is_scanned_like_one_that_was_read() -> None:
    value = Constant(STRING, (1,), (encoded(directly(dangerous_nodes("Abort"))),))
    node = Node(HARM, "Const", attrs={"dtype": STRING, "value": value})
    assert rows_of(tfa.scan(saved_model(directly((node,)))), "Abort")
