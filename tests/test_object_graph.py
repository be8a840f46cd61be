"""The object graph of a TF2 checkpoint: names for keys, slots of optimizers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tfartifacts as tfa
from tests import strategies
from tests.test_tensor_bundle import checkpoint_of, create, open_bundle, variable
from tfartifacts.errors import ChecksumError, FormatError
from tfartifacts.formats import schema
from tfartifacts.formats.bundle_variables import BundleVariables
from tfartifacts.formats.bundle_writing import write_bundle
from tfartifacts.formats.object_graph import LoadObjectGraph, read_object_graph
from tfartifacts.formats.tensor_data import object_array
from tfartifacts.model.checkpoints import ObjectGraph

KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"


def graph_of(nodes: list[dict[str, Any]]) -> bytes:
    """An encoded TrackableObjectGraph, by protobuf."""
    message: Any = schema.message_class("TrackableObjectGraph")()
    for node in nodes:
        added = message.nodes.add()
        for full_name, key in node.get("attributes", ()):
            added.attributes.add(name="VARIABLE_VALUE", full_name=full_name, checkpoint_key=key)
        for original, slot in node.get("slots", ()):
            added.slot_variables.add(
                original_variable_node_id=original, slot_name="m", slot_variable_node_id=slot
            )
        for child in node.get("children", ()):
            added.children.add(node_id=child, local_name=str(child))
    return bytes(message.SerializeToString())


def test_object_graph_byte_by_byte() -> None:
    encoded = bytes.fromhex(
        "0a06"  # node 0, 6 bytes: an optimizer
        "1a04 0801 1802"  # slot_variables: of node 1, in node 2
        "0a0a"  # node 1, 10 bytes: a variable
        "1208"  # attributes, 8 bytes
        "1203 772f61"  # full_name: "w/a"
        "1a01 6b"  # checkpoint_key: "k"
        "0a05"  # node 2, 5 bytes: its slot
        "1203 1a01 73"  # attributes: checkpoint_key: "s"
    )
    assert read_object_graph(encoded) == ObjectGraph(3, {"k": "w/a"}, frozenset({"s"}))


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "attributes": st.lists(
                    st.tuples(strategies.texts, strategies.some_names), max_size=2
                ),
                "slots": st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=2),
                "children": st.lists(st.integers(0, 5), max_size=2),
            }
        ),
        max_size=5,
    )
)
def test_object_graphs_mean_what_protobuf_says(nodes: list[dict[str, Any]]) -> None:
    graph = read_object_graph(graph_of(nodes))
    assert graph.num_objects == len(nodes)
    assert graph.full_names == {
        key: full_name for node in nodes for full_name, key in node["attributes"] if full_name
    }
    slots = {slot for node in nodes for _, slot in node["slots"] if slot < len(nodes)}
    assert graph.slot_keys == {key for slot in slots for _, key in nodes[slot]["attributes"]}


def test_damage_is_told_with_its_offset() -> None:
    with pytest.raises(FormatError, match="past the end") as caught:
        read_object_graph(bytes.fromhex("0a04 1203 1a05"))
    assert caught.value.offset is not None


def loaded(prefix: Path) -> ObjectGraph | None:
    variables = open_bundle(prefix).variables
    assert isinstance(variables, BundleVariables)
    return LoadObjectGraph(variables)()


def test_keras_checkpoint_has_names_and_slots(fixtures: Path) -> None:
    checkpoint = tfa.open(fixtures / "keras" / "ckpt-1")
    assert isinstance(checkpoint, tfa.Checkpoint)
    graph = checkpoint.object_graph
    assert graph is not None
    expected: Any = schema.message_class("TrackableObjectGraph").FromString(
        checkpoint.variables[KEY].read().item()
    )
    assert graph.num_objects == len(expected.nodes)
    known = {a.checkpoint_key for node in expected.nodes for a in node.attributes}
    assert set(graph.full_names) <= known
    assert graph.slot_keys <= known
    assert known - {KEY} == set(checkpoint.variables) - {KEY}


def test_name_based_checkpoints_have_none(fixtures: Path) -> None:
    assert loaded(fixtures / "digits" / "checkpoints" / "my_model-4") is None


def write(prefix: Path, array: Any) -> None:
    write_bundle(checkpoint_of(variable(KEY, array)), str(prefix), create)


def test_only_one_string_is_an_object_graph(tmp_path: Path) -> None:
    import numpy as np

    write(tmp_path / "one", object_array([graph_of([{}])], ()))
    assert loaded(tmp_path / "one") == ObjectGraph(1, {}, frozenset())
    write(tmp_path / "two", object_array([b"", b""], (2,)))
    assert loaded(tmp_path / "two") is None
    write(tmp_path / "number", np.float32(1))
    assert loaded(tmp_path / "number") is None


def test_without_the_data_there_are_no_names_but_no_error(tmp_path: Path) -> None:
    write(tmp_path / "m", object_array([graph_of([{}])], ()))
    data = tmp_path / "m.data-00000-of-00001"
    stored = bytearray(data.read_bytes())
    stored[-1] ^= 1
    data.write_bytes(stored)
    assert loaded(tmp_path / "m") is None
    with pytest.raises(ChecksumError):
        open_bundle(tmp_path / "m").variables[KEY].read()
    data.unlink()
    assert loaded(tmp_path / "m") is None


def test_bytes_that_are_no_object_graph_are_told(tmp_path: Path) -> None:
    write(tmp_path / "m", object_array([b"\x0a\x05"], ()))
    with pytest.raises(FormatError, match="past the end") as caught:
        loaded(tmp_path / "m")
    assert caught.value.path == str(tmp_path / "m.data-00000-of-00001")
