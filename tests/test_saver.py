"""What a saver restores, and what it leaves out."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tfartifacts as tfa
from tfartifacts.dtypes import STRING, DType, dtype_from_name
from tfartifacts.errors import NameNotFoundError, UnsupportedError
from tfartifacts.graphs.saver import (
    RestoredVariable,
    kind_of_state,
    restored_tables,
    restored_variables,
    unrestored_state,
)
from tfartifacts.model import (
    Checkpoint,
    Function,
    FunctionCall,
    Graph,
    MetaGraph,
    Node,
    SavedModel,
    Saver,
)
from tfartifacts.model.graphs import Argument

FLOAT = dtype_from_name("float32")
INT64 = dtype_from_name("int64")


@dataclass(frozen=True)
class Strings:
    """A constant of strings."""

    values: tuple[bytes, ...]
    dtype: DType = STRING

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.values),)

    def read(self) -> Any:
        pytest.fail("no NumPy is needed here")

    def strings(self) -> tuple[bytes, ...]:
        return self.values


def strings(name: str, *values: str) -> Node:
    return Node(name, "Const", attrs={"value": Strings(tuple(v.encode() for v in values))})


def node(name: str, op: str, *inputs: str, **attrs: Any) -> Node:
    return Node(name, op, inputs, attrs=attrs)


def meta_graph(*nodes: Node, functions: Iterable[Function] = ()) -> MetaGraph:
    saver = Saver("save/Const:0", "save/control_dependency:0", "save/restore_all")
    return MetaGraph(Graph(nodes, {item.name: item for item in functions}), saver=saver)


RESTORE = (
    node("save/Const", "Const"),
    strings("names", "key_a", "key_b"),
    strings("slices", "", "4 3 0,2:-"),
    node("restore", "RestoreV2", "save/Const", "names", "slices", dtypes=[FLOAT, INT64]),
)


def test_a_key_is_not_the_name_of_its_variable() -> None:
    graph = meta_graph(
        *RESTORE,
        node("a", "VariableV2"),
        node("save/Assign", "Assign", "a", "restore"),
        node("save/restore_all", "NoOp", "^save/Assign"),
    )
    assert restored_variables(graph) == (
        RestoredVariable("a", "key_a", "", FLOAT, "restore", "save/Assign"),
    )


def test_a_part_has_its_slice_and_a_handle_its_own_assignment() -> None:
    graph = meta_graph(
        *RESTORE,
        node("b/part_0", "VarHandleOp"),
        node("Identity", "Identity", "restore:1"),
        node("Reshape", "Reshape", "Identity", "shape"),
        node("save/AssignVariableOp", "AssignVariableOp", "b/part_0", "Reshape"),
        node("save/restore_all", "NoOp", "^save/AssignVariableOp"),
    )
    (found,) = restored_variables(graph)
    assert (found.variable, found.key, found.dtype) == ("b/part_0", "key_b", INT64)
    assert found.shape_and_slice == "4 3 0,2:-"


def test_shards_are_all_walked() -> None:
    graph = meta_graph(
        *RESTORE,
        node("a", "VariableV2"),
        node("b", "VariableV2"),
        node("save/Assign", "Assign", "a", "restore:0"),
        node("save/Assign_1", "Assign", "b", "restore:1"),
        node("save/restore_shard", "NoOp", "^save/Assign"),
        node("save/restore_shard_1", "NoOp", "^save/Assign_1"),
        node("save/restore_all", "NoOp", "^save/restore_shard", "^save/restore_shard_1"),
    )
    assert [item.variable for item in restored_variables(graph)] == ["a", "b"]


@pytest.mark.parametrize("op", ["Restore", "RestoreSlice"])
def test_the_old_ops_restore_one_tensor_each(op: str) -> None:
    inputs = ("save/Const", "name") if op == "Restore" else ("save/Const", "name", "slice")
    graph = meta_graph(
        node("save/Const", "Const"),
        strings("name", "key"),
        strings("slice", "6 0,3"),
        node("restore", op, *inputs, dt=FLOAT),
        node("a", "Variable"),
        node("save/Assign", "Assign", "a", "restore"),
        node("save/restore_all", "NoOp", "^save/Assign"),
    )
    (found,) = restored_variables(graph)
    assert (found.key, found.dtype) == ("key", FLOAT)
    assert found.shape_and_slice == ("" if op == "Restore" else "6 0,3")


def test_an_initial_value_is_not_restored() -> None:
    graph = meta_graph(
        *RESTORE,
        node("a", "VariableV2"),
        node("zeros", "Const"),
        node("save/Assign", "Assign", "a", "zeros"),
        node("save/restore_all", "NoOp", "^save/Assign"),
    )
    assert restored_variables(graph) == ()


def restoring_function() -> Function:
    return Function(
        "restore_fn",
        (Argument("file_prefix", STRING), Argument("handle")),
        (),
        (
            strings("names", "kernel/.ATTRIBUTES/VARIABLE_VALUE"),
            strings("slices", ""),
            node("RestoreV2", "RestoreV2", "file_prefix", "names", "slices", dtypes=[FLOAT]),
            node("Identity", "Identity", "RestoreV2:tensors:0"),
            node("assign", "AssignVariableOp", "handle", "Identity:output:0"),
        ),
    )


def test_a_restore_function_assigns_to_the_handles_it_is_given() -> None:
    call = FunctionCall("restore_fn")
    graph = meta_graph(
        node("kernel", "VarHandleOp"),
        node("save/restore_all", "StatefulPartitionedCall", "saver_filename", "kernel", f=call),
        functions=[restoring_function()],
    )
    # A saver_filename that is not there still takes its place among the arguments.
    (found,) = restored_variables(graph)
    assert (found.variable, found.function) == ("kernel", "restore_fn")
    assert found.key == "kernel/.ATTRIBUTES/VARIABLE_VALUE"


def test_functions_that_call_each_other_end() -> None:
    call = node("again", "PartitionedCall", "file_prefix", "handle", f=FunctionCall("restore_fn"))
    function = restoring_function()
    function = Function(function.name, function.inputs, (), (*function.nodes, call))
    graph = meta_graph(
        node("kernel", "VarHandleOp"),
        node("save/restore_all", "restore_fn", "saver_filename", "kernel"),
        functions=[function],
    )
    assert [item.variable for item in restored_variables(graph)] == ["kernel"]


def test_a_function_that_is_not_there_is_an_error() -> None:
    graph = meta_graph(node("save/restore_all", "PartitionedCall", f=FunctionCall("gone")))
    with pytest.raises(UnsupportedError, match="function 'gone', which is not in"):
        restored_variables(graph)


def test_names_that_are_no_constant_are_an_error() -> None:
    graph = meta_graph(
        node("names", "Placeholder"),
        node("restore", "RestoreV2", "save/Const", "names", "names"),
        node("a", "VariableV2"),
        node("save/restore_all", "Assign", "a", "restore"),
    )
    with pytest.raises(UnsupportedError, match="names from 'names', expected a constant"):
        restored_variables(graph)


def test_more_outputs_than_names_are_an_error() -> None:
    graph = meta_graph(
        *RESTORE,
        node("a", "VariableV2"),
        node("save/restore_all", "Assign", "a", "restore:2"),
    )
    with pytest.raises(UnsupportedError, match="has 2 names, expected one for output 2"):
        restored_variables(graph)


def test_a_restore_op_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NameNotFoundError, match="no restore op 'save/restore_all'"):
        restored_variables(meta_graph(node("a", "VariableV2")))


def test_without_a_saver_nothing_is_restored() -> None:
    graph = MetaGraph(Graph([node("a", "VariableV2"), node("y", "Identity", "a")]))
    assert restored_variables(graph) == ()
    assert [item.node for item in unrestored_state(graph, ["y:0"])] == ["a"]


def graph_with_state() -> MetaGraph:
    return meta_graph(
        *RESTORE,
        node("a", "VariableV2"),
        node("b", "VariableV2"),
        node("zeros", "Const"),
        node("b/Assign", "Assign", "b", "zeros"),
        node("table", "HashTableV2"),
        node("fill", "InitializeTableFromTextFileV2", "table", "path"),
        node("kept", "MutableHashTableV2"),
        node("keys", "RestoreV2", "save/Const", "names", "slices", dtypes=[STRING, INT64]),
        node("import", "LookupTableImportV2", "kept", "keys", "keys:1"),
        node("iterator", "IteratorV2"),
        node("make", "MakeIterator", "dataset", "iterator"),
        node("next", "IteratorGetNext", "iterator"),
        node("unused", "VariableV2"),
        node("found", "LookupTableFindV2", "table", "next"),
        node("found_1", "LookupTableFindV2", "kept", "next"),
        node("y", "AddN", "a", "b", "found", "found_1"),
        node("save/Assign", "Assign", "a", "restore"),
        node("save/restore_all", "NoOp", "^save/Assign", "^import"),
    )


def test_state_the_saver_leaves_out_needs_its_initializer() -> None:
    found = {
        item.node: (item.kind, item.initializers)
        for item in unrestored_state(graph_with_state(), ["y:0"])
    }
    assert found == {
        "b": ("variable", ("b/Assign",)),
        "table": ("table", ("fill",)),
        "iterator": ("iterator", ("make",)),
    }


def test_a_table_in_the_saver_is_restored() -> None:
    assert [item.table for item in restored_tables(graph_with_state())] == ["kept"]
    assert unrestored_state(graph_with_state(), ["found_1"])[0].node == "iterator"


def test_nodes_that_share_a_name_share_their_state() -> None:
    graph = meta_graph(
        *RESTORE,
        node("a", "VarHandleOp", shared_name=b"same"),
        node("a_1", "VarHandleOp", shared_name=b"same"),
        node("a_2", "VarHandleOp", shared_name=b"other"),
        node("y", "AddN", "a_1", "a_2"),
        node("save/restore_all", "AssignVariableOp", "a", "restore"),
    )
    assert [item.node for item in unrestored_state(graph, ["y"])] == ["a_2"]


def test_an_output_that_is_not_there_is_named() -> None:
    with pytest.raises(NameNotFoundError, match=r"no node 'found_2'; did you mean .*'found_1'"):
        unrestored_state(graph_with_state(), ["found_2:0"])


def test_state_is_told_by_op() -> None:
    assert kind_of_state("FIFOQueueV2") == "queue"
    assert kind_of_state("MatMul") is None


def test_a_cycle_of_identities_ends() -> None:
    graph = meta_graph(
        node("a", "VariableV2"),
        node("i", "Identity", "j"),
        node("j", "Identity", "i"),
        node("save/restore_all", "Assign", "i", "j"),
    )
    assert restored_variables(graph) == ()


def test_many_variables_take_time_in_proportion() -> None:
    count = 30_000
    graph = meta_graph(
        strings("names", *(f"key{i}" for i in range(count))),
        strings("slices", *[""] * count),
        node("restore", "RestoreV2", "save/Const", "names", "slices", dtypes=[FLOAT] * count),
        *(node(f"v{i}", "VariableV2") for i in range(count)),
        *(node(f"a{i}", "Assign", f"v{i}", f"restore:{i}") for i in range(count)),
        node("save/restore_all", "NoOp", *(f"^a{i}" for i in range(count))),
    )
    started = time.process_time()
    assert restored_variables(graph)[-1].key == f"key{count - 1}"
    assert time.process_time() - started < 10


def meta_graph_in(path: Path) -> MetaGraph:
    artifact = tfa.open(path)
    if isinstance(artifact, SavedModel):
        return artifact.meta_graphs[0]
    assert isinstance(artifact, MetaGraph)
    return artifact


@pytest.mark.parametrize("kind", ["ref", "res", "part", "sharded", "gpu", "table"])
def test_keys_are_those_of_the_checkpoint(fixtures: Path, kind: str) -> None:
    (meta,) = (fixtures / "tensorflow-1.15" / kind).glob("*.meta")
    checkpoint = tfa.open(str(meta).removesuffix(".meta") + ".index")
    assert isinstance(checkpoint, Checkpoint)
    found = restored_variables(meta_graph_in(meta))
    assert {item.key for item in found} == set(checkpoint.variables)
    for item in found:
        assert item.dtype == checkpoint.variables[item.key].dtype
    parts = {item.variable: item.shape_and_slice for item in found if "/part_" in item.variable}
    if kind == "part":
        assert parts["net/b1/part_1"] == "7 3,2"
    else:
        assert parts == {}


def test_the_lookup_table_needs_its_initializer(fixtures: Path) -> None:
    (meta,) = (fixtures / "tensorflow-1.15" / "table").glob("*.meta")
    (table,) = unrestored_state(meta_graph_in(meta), ["y:0", "idx:0"])
    assert (table.node, table.kind) == ("hash_table", "table")
    assert table.initializers == ("text_file_init/InitializeTableFromTextFileV2",)
    assert unrestored_state(meta_graph_in(meta), ["y:0"]) == ()


def test_a_saved_model_of_keras_restores_in_a_function(fixtures: Path) -> None:
    export = tfa.open(fixtures / "keras" / "export")
    assert isinstance(export, SavedModel)
    assert export.checkpoint is not None
    found = restored_variables(export.meta_graphs[0])
    assert {item.key for item in found} < set(export.checkpoint.variables)
    graph = export.meta_graphs[0].graph
    assert {graph[item.variable].op for item in found} == {"VarHandleOp"}


REAL = {
    "real/001_tf_hpt_20160923": {"a": "a", "b": "b"},
    "real/118_v1_tfcloud_textmeta/model.ckpt.meta": {"v1": "v1", "v2": "v2"},
}


@pytest.mark.parametrize("path", REAL)
def test_savers_of_2016_are_understood(shared_artifacts: Path, path: str) -> None:
    found = restored_variables(meta_graph_in(shared_artifacts / path))
    assert {item.variable: item.key for item in found} == REAL[path]
