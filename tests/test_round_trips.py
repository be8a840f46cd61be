"""Every codec there and back, as protobuf has it where the message is in our schema.

Where a format's own tests hold the round trip, ROUND_TRIPS says which it is; the others are here.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import strategies
from tests.conftest import PROJECT
from tests.judges.client import sha256
from tests.test_graph_def import canonical, joined, parse
from tests.test_tensor_proto import FIELDS
from tests.test_v1_checkpoint import header, meta, write_raw
from tests.test_v1_checkpoint import value as slice_value
from tfartifacts.dtypes import dtype_from_name
from tfartifacts.errors import UnsupportedError
from tfartifacts.formats import schema
from tfartifacts.formats.bundle_entries import encode_entry, encode_partitioned, parse_entry
from tfartifacts.formats.meta_graph import (
    encode_variable_def,
    read_meta_graph,
    read_variable_def,
    splice_meta_graph,
)
from tfartifacts.formats.saved_model import read_saved_model, splice_saved_model
from tfartifacts.formats.saved_object_graph import signature_keys, with_signature_keys
from tfartifacts.formats.slices import Extents, encode_slice_key
from tfartifacts.formats.sniff import Content, binary_content, text_content
from tfartifacts.formats.tensor_bundle import parse_header
from tfartifacts.formats.tensor_data import ArrayTensor
from tfartifacts.formats.tensor_proto import EncodedTensor, decode_tensor
from tfartifacts.formats.v1_checkpoint import read_v1_checkpoint
from tfartifacts.formats.versions import read_versions, write_versions
from tfartifacts.formats.wire import (
    Message,
    put_always,
    put_bytes,
    put_integer,
    put_text,
    read_varint,
    varint,
)
from tfartifacts.model.graphs import Versions
from tfartifacts.model.variables import Extent, Variable
from tfartifacts.report.escape import shell_quote

# The tests that take what a module of formats/ reads or writes there and back.
ROUND_TRIPS: dict[str, tuple[str, ...]] = {
    "bundle_entries": ("test_round_trips.test_entries_come_back_and_are_what_protobuf_reads",),
    "bundle_index": ("test_bundle_index.test_entries_together_mean_what_each_means_alone",),
    "bundle_variables": ("test_tensor_bundle.test_any_variables_come_back",),
    "bundle_writing": ("test_tensor_bundle.test_any_variables_come_back",),
    "checkpoint_state": ("test_checkpoint_state.test_any_state_comes_back",),
    "checksums": ("test_checksums.test_unmask_undoes_mask",),
    "attr_values": (
        "test_graph_def.test_attributes_mean_what_protobuf_says",
        "test_graph_def.test_attributes_are_encoded_as_they_were",
    ),
    "encoded_nodes": (
        "test_graph_def.test_graphs_mean_what_protobuf_says_and_are_written_as_they_were",
    ),
    "graph_def": (
        "test_graph_def.test_graphs_mean_what_protobuf_says_and_are_written_as_they_were",
        "test_graph_def.test_graphs_taken_apart_are_put_together_the_same",
    ),
    "node_def": ("test_graph_def.test_nodes_mean_what_protobuf_says",),
    "op_defs": ("test_graph_def.test_op_signatures_mean_what_protobuf_says",),
    "meta_graph": (
        "test_meta_graph.test_tensor_infos_mean_what_protobuf_says",
        "test_meta_graph.test_meta_graphs_mean_what_protobuf_says_and_are_written_as_they_were",
        "test_round_trips.test_variable_defs_come_back",
        "test_round_trips.test_what_is_not_edited_is_spliced_byte_for_byte",
    ),
    "manifest": ("test_manifest.test_any_manifest_comes_back",),
    "object_graph": ("test_object_graph.test_object_graphs_mean_what_protobuf_says",),
    "saved_model": (
        "test_saved_model.test_saved_models_come_back",
        "test_round_trips.test_what_is_not_edited_is_spliced_byte_for_byte",
    ),
    "saved_object_graph": ("test_round_trips.test_signature_keys_change_and_nothing_else",),
    "schema": ("test_round_trips.test_messages_come_back_from_their_text",),
    "shapes": ("test_shapes.test_shapes_are_what_protobuf_reads_and_writes",),
    "slices": (
        "test_slices.test_extents_are_what_protobuf_writes",
        "test_slices.test_strings_of_extents_are_parsed_back",
    ),
    "sniff": ("test_round_trips.test_what_is_written_is_told_for_what_it_is",),
    "snappy": (
        "test_snappy.test_any_stream_is_unpacked",
        "test_snappy.test_what_is_packed_here_is_unpacked",
    ),
    "table": ("test_table.test_entries_come_back",),
    "table_blocks": ("test_table.test_entries_come_back",),
    "tensor_bundle": ("test_round_trips.test_headers_mean_what_protobuf_says",),
    "tensor_data": (
        "test_tensor_data.test_any_bits_come_back",
        "test_tensor_data.test_any_strings_come_back",
        "test_tensor_data.test_any_variants_come_back",
    ),
    "tensor_proto": (
        "test_tensor_proto.test_any_constant_made_here_comes_back",
        "test_round_trips.test_elements_in_the_field_of_their_type_come_back",
    ),
    "v1_checkpoint": ("test_round_trips.test_any_v1_variables_come_back",),
    "versions": ("test_round_trips.test_versions_are_what_protobuf_reads_and_writes",),
    "wire": (
        "test_round_trips.test_any_varint_comes_back",
        "test_wire.test_integers_are_encoded_as_protobuf_does",
        "test_wire.test_other_fields_are_encoded_as_protobuf_does",
        "test_wire.test_any_sequence_of_fields_means_what_protobuf_says",
    ),
}


# Hashes, checks, and readers of what is only looked at, by their own tests.
NO_CODECS = frozenset(
    "farmhash fingerprint keras_metadata mlir_bytecode node_check node_guess node_scan "
    "saved_functions sorted_maps tensor_checks".split()
)


def test_every_format_has_a_round_trip() -> None:
    folder = PROJECT / "tfartifacts" / "formats"
    modules = {path.stem for path in folder.glob("*.py")} | {
        path.parent.name for path in folder.glob("*/__init__.py")
    }
    assert modules - {"__init__"} - NO_CODECS == set(ROUND_TRIPS)


@pytest.mark.parametrize("name", sorted({test for tests in ROUND_TRIPS.values() for test in tests}))
def test_round_trips_are_tests_of_any_value(name: str) -> None:
    module, test = name.split(".")
    assert hasattr(getattr(importlib.import_module(f"tests.{module}"), test), "hypothesis")


# ---------------------------------------------------------------- the wire format


@given(st.integers(0, 2**64 - 1), st.binary(max_size=3))
def test_any_varint_comes_back(value: int, behind: bytes) -> None:
    encoded = varint(value)
    assert len(encoded) == max(1, -(-value.bit_length() // 7))
    assert read_varint(encoded + behind, 0, len(encoded + behind)) == (value, len(encoded))
    assert Message(put_always(7, value)).integer(7) % 2**64 == value


int32s = st.integers(-(2**31), 2**31 - 1)


@given(st.builds(Versions, int32s, int32s, st.lists(int32s, max_size=3).map(tuple)))
def test_versions_are_what_protobuf_reads_and_writes(versions: Versions) -> None:
    message = strategies.new_message(
        "VersionDef",
        producer=versions.producer,
        min_consumer=versions.min_consumer,
        bad_consumers=versions.bad_consumers,
    )
    assert write_versions(versions) == message.SerializeToString()
    assert read_versions(Message(write_versions(versions))) == versions


# ---------------------------------------------------------------- bundles


@given(
    strategies.tensors(),
    st.integers(0, 2**31 - 2),
    st.integers(0, 2**62),
    st.integers(0, 2**32 - 1),
)
def test_entries_come_back_and_are_what_protobuf_reads(
    tensor: ArrayTensor, shard: int, offset: int, crc: int
) -> None:
    encoded = encode_entry(tensor, shard, offset, tensor.nbytes, crc)
    entry = parse_entry(encoded, "w", 2**31 - 1)
    assert (entry.dtype, entry.shape) == (tensor.dtype, tensor.shape)
    assert (entry.shard, entry.offset, entry.size) == (shard, offset, tensor.nbytes)
    assert (entry.crc32c, entry.slices) == (crc, ())
    message = parse("BundleEntryProto", encoded)
    assert message.SerializeToString() == encoded
    assert (message.dtype, message.shard_id) == (tensor.dtype.number, shard)
    assert tuple(dim.size for dim in message.shape.dim) == tensor.shape
    assert (message.offset, message.size, message.crc32c) == (offset, tensor.nbytes, crc)


@given(
    strategies.tensors()
    .filter(lambda tensor: tensor.shape)
    .flatmap(lambda tensor: st.tuples(st.just(tensor), strategies.grids(tensor.shape)))
)
def test_entries_of_partitioned_variables_come_back(
    made: tuple[ArrayTensor, list[Extents]],
) -> None:
    tensor, tiles = made
    encoded = encode_partitioned(strategies.partitioned("w", tensor, tiles))
    entry = parse_entry(encoded, "w", 1)
    assert (entry.dtype, entry.shape) == (tensor.dtype, tensor.shape)
    assert entry.slices == tuple(tiles)
    assert parse("BundleEntryProto", encoded).SerializeToString() == encoded


@given(st.integers(0, 2**31 - 1), st.integers(0, 1), strategies.versions)
def test_headers_mean_what_protobuf_says(num_shards: int, endianness: int, versions: Any) -> None:
    message = strategies.new_message(
        "BundleHeaderProto", num_shards=num_shards, endianness=endianness, version=versions
    )
    try:
        header = parse_header(message.SerializeToString())
    except UnsupportedError:
        assert versions.producer < 0 or versions.min_consumer > 1 or 1 in versions.bad_consumers
        return
    assert header.num_shards == num_shards
    assert header.byte_order == ("big" if endianness else "little")
    assert header.versions.producer == versions.producer
    assert header.versions.bad_consumers == tuple(versions.bad_consumers)


# ---------------------------------------------------------------- tensors

# The number of each field, to encode every bit pattern: protobuf's floats may lose a NaN's.
NUMBERS = {
    "float_val": 5,
    "double_val": 6,
    "int_val": 7,
    "string_val": 8,
    "scomplex_val": 9,
    "int64_val": 10,
    "bool_val": 11,
    "dcomplex_val": 12,
    "half_val": 13,
    "uint32_val": 16,
    "uint64_val": 17,
    "float8_val": 18,
}


def values_of(tensor: ArrayTensor, packed: bool) -> bytes:
    """The field of the tensor's type, packed or not."""
    field = FIELDS[tensor.dtype.name][0]
    number = NUMBERS[field]
    flat = tensor.array.ravel()
    if field == "string_val":
        return b"".join(put_bytes(number, element) for element in flat.tolist())
    if field == "float8_val":
        return put_bytes(number, flat.tobytes())
    if field in ("float_val", "scomplex_val", "double_val", "dcomplex_val"):
        size, wire_type = (4, 5) if field in ("float_val", "scomplex_val") else (8, 1)
        data = flat.tobytes()
        if packed:
            return put_bytes(number, data)
        tag = varint(number << 3 | wire_type)
        return b"".join(tag + data[at : at + size] for at in range(0, len(data), size))
    integers = (flat.view("u2") if field == "half_val" else flat).tolist()
    if packed:
        return put_bytes(number, b"".join(varint(int(integer)) for integer in integers))
    return b"".join(put_always(number, int(integer)) for integer in integers)


TYPED = tuple(dtype_from_name(name) for name in FIELDS)


@given(strategies.tensors(TYPED), st.booleans())
def test_elements_in_the_field_of_their_type_come_back(tensor: ArrayTensor, packed: bool) -> None:
    values = values_of(tensor, packed)
    head = put_integer(1, tensor.dtype.number) + put_bytes(
        2, b"".join(put_bytes(2, put_integer(1, size)) for size in tensor.shape)
    )
    read = EncodedTensor(head + values).read()
    assert read.dtype == tensor.array.dtype
    assert sha256(read) == sha256(tensor.array)
    # As in a V1 checkpoint, where type and shape stand elsewhere.
    complete = decode_tensor(Message(values), tensor.dtype, tensor.shape, complete=True)
    assert sha256(complete) == sha256(tensor.array)
    # And as protobuf has them: the same numbers, however they were packed.
    message = parse("TensorProto", head + values)
    again = EncodedTensor(message.SerializeToString()).read()
    if tensor.dtype.name not in ("float32", "float64", "complex64", "complex128"):
        assert sha256(again) == sha256(tensor.array)
    else:
        assert again.tobytes() == tensor.array.tobytes() or bool(
            (tensor.array != tensor.array).any()
        )


# ---------------------------------------------------------------- V1 checkpoints


def write_v1(path: Path, variables: dict[str, Variable]) -> Path:
    """The variables as a V1 checkpoint of one file; TensorFlow has the only other writer."""
    metas, entries = [], {}
    for name, variable in variables.items():
        raw = name.encode()
        whole = tuple(Extent() for _ in variable.shape)
        parts = [(part.extents, part.value) for part in variable.slices]
        for extents, value in parts or [(whole, variable.values[0])]:
            assert isinstance(value, ArrayTensor)
            data = values_of(value, packed=True)
            entries[encode_slice_key(raw, extents)] = slice_value(raw, extents, data)
        listed = [extents for extents, _ in parts] or [whole]
        metas.append(meta(raw, variable.dtype.number, list(variable.shape), listed))
    return write_raw(path, {b"": header(*metas), **entries})


@settings(max_examples=60)
@given(strategies.variables(TYPED))
def test_any_v1_variables_come_back(variables: dict[str, Variable]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = read_v1_checkpoint(str(write_v1(Path(folder, "model"), variables)))
        assert list(checkpoint.variables) == list(variables)
        for name, expected in variables.items():
            found = checkpoint.variables[name]
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            assert {str(part) for part in found.slices} == {str(s) for s in expected.slices}
            assert sha256(found.read()) == sha256(expected.read())


# ---------------------------------------------------------------- meta graphs and SavedModels


@given(strategies.variable_defs)
def test_variable_defs_come_back(message: Any) -> None:
    variable = read_variable_def(Message(message.SerializeToString()))
    assert variable.name == message.variable_name
    assert variable.is_resource == message.is_resource
    written = parse("VariableDef", encode_variable_def(variable))
    assert canonical(written) == canonical(message)


@settings(max_examples=60)
@given(st.integers(0, 2), st.lists(strategies.meta_graphs, max_size=2), strategies.raw_fields())
def test_what_is_not_edited_is_spliced_byte_for_byte(
    version: int, meta_graphs: list[Any], unknown: bytes
) -> None:
    message = strategies.new_message(
        "SavedModel", saved_model_schema_version=version, meta_graphs=meta_graphs
    )
    data = message.SerializeToString() + put_bytes(99, unknown)
    assert joined(splice_saved_model(Message(data), read_saved_model(Message(data)))) == data


@settings(max_examples=60)
@given(strategies.meta_graphs, st.data())
def test_a_signature_that_is_taken_away_is_all_that_goes(message: Any, data: st.DataObject) -> None:
    encoded = Message(message.SerializeToString())
    meta_graph = read_meta_graph(encoded)
    if not meta_graph.signatures:
        return
    gone = data.draw(st.sampled_from(sorted(meta_graph.signatures)))
    kept = {key: value for key, value in meta_graph.signatures.items() if key != gone}
    edited = replace(meta_graph, signatures=kept)
    del message.signature_def[gone]
    spliced = parse("MetaGraphDef", joined(splice_meta_graph(encoded, edited)))
    assert canonical(spliced) == canonical(message)


# ---------------------------------------------------------------- objects of TensorFlow 2

keys_of_signatures = st.lists(st.sampled_from("abcdef"), max_size=4, unique=True)


@given(keys_of_signatures, st.data(), st.binary(max_size=5))
def test_signature_keys_change_and_nothing_else(
    keys: list[str], data: st.DataObject, unknown: bytes
) -> None:
    changes = {
        key: data.draw(st.none() | st.sampled_from(["new", "x"])) for key in keys if key < "d"
    }
    graph = strategies.new_message("SavedObjectGraph")
    root, functions, mapping = graph.nodes.add(), graph.nodes.add(), graph.nodes.add()
    root.children.add(node_id=1, local_name="f")
    root.children.add(node_id=2, local_name="signatures")
    functions.children.add(node_id=1, local_name="a")
    for key in keys:
        mapping.children.add(node_id=1, local_name=key)
    encoded = graph.SerializeToString() + put_bytes(50, unknown)
    assert signature_keys(Message(encoded)) == tuple(keys)
    assert joined(with_signature_keys(Message(encoded), {})) == encoded
    del mapping.children[:]
    for key in keys:
        if (new := changes.get(key, key)) is not None:
            mapping.children.add(node_id=1, local_name=new)
    changed = joined(with_signature_keys(Message(encoded), changes))
    assert changed == graph.SerializeToString() + put_bytes(50, unknown)


# ---------------------------------------------------------------- texts, and what a file is


@settings(max_examples=60)
@given(strategies.meta_graphs)
def test_messages_come_back_from_their_text(message: Any) -> None:
    data = canonical(message)
    text = schema.binary_to_text("MetaGraphDef", data)
    again = schema.text_to_binary("MetaGraphDef", text)
    # Text has one NaN, whatever its sign.
    assert again == data or b"nan" in text
    assert schema.binary_to_text("MetaGraphDef", again) == text


@settings(max_examples=60)
@given(strategies.graphs, strategies.meta_graphs)
def test_what_is_written_is_told_for_what_it_is(graph: Any, meta_graph: Any) -> None:
    # A graph is told by its first node, and what holds one by it.
    graph.node.insert(0, parse("NodeDef", put_text(1, "n") + put_text(2, "NoOp")))
    meta_graph.meta_info_def.SetInParent()
    meta_graph.graph_def.CopyFrom(graph)
    saved_model = strategies.new_message(
        "SavedModel", saved_model_schema_version=1, meta_graphs=[meta_graph]
    )
    for kind, message in (
        ("GraphDef", graph),
        ("MetaGraphDef", meta_graph),
        ("SavedModel", saved_model),
    ):
        data = message.SerializeToString()
        assert binary_content(data) == Content(kind, is_text=False)
        assert text_content(schema.binary_to_text(kind, data)) == Content(kind, is_text=True)


# ---------------------------------------------------------------- a shell's words


@settings(max_examples=40)
@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
        | st.sampled_from(
            ["a b", "'", "$(x)", "\\", "\n", "\x1b[0m", "é\u202e", "!", "\udcff", "~"]
        ),
        min_size=1,
        max_size=30,
    )
)
def test_a_shell_turns_a_quoted_word_back_into_its_bytes(words: list[str]) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    command = "printf '%s\\0' " + " ".join(map(shell_quote, words))
    run = subprocess.run(
        [bash, "-c", command],
        capture_output=True,
        check=True,
        timeout=30,
        env={"LC_ALL": "C.UTF-8"},
    )
    assert run.stdout == b"".join(w.encode("utf-8", "surrogateescape") + b"\0" for w in words)
