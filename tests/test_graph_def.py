"""Graphs: nodes, attributes and functions as protobuf and TensorFlow read them."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tfartifacts as tfa
from tests import strategies
from tests.conftest import PROJECT
from tests.judges.client import Judge
from tfartifacts.dtypes import dtype_from_name, dtype_from_number
from tfartifacts.errors import FormatError, NameNotFoundError
from tfartifacts.formats import schema
from tfartifacts.formats.attr_values import encode_attr, read_attr
from tfartifacts.formats.graph_def import encode_graph, read_graph
from tfartifacts.formats.meta_graph import encode_meta_graph
from tfartifacts.formats.node_def import EncodedAttrs, encode_node, read_node
from tfartifacts.formats.op_defs import read_op_def
from tfartifacts.formats.tensor_proto import EncodedTensor
from tfartifacts.formats.wire import Message, put_bytes, put_text
from tfartifacts.model.graphs import (
    Constant,
    FunctionCall,
    Graph,
    Node,
    TensorShape,
    UnknownShape,
    Versions,
)
from tfartifacts.model.saved_models import MetaGraph
from tfartifacts.model.tensors import output_dtype, output_dtypes

FLOAT = dtype_from_name("float32")

NODE = bytes.fromhex(
    "0a01 79"  # name: "y"
    "1203 416464"  # op: "Add"
    "1a01 78"  # input: "x"
    "1a03 783a31"  # input: "x:1"
    "1a02 5e61"  # input: "^a"
    "2204 2f637075"  # device: "/cpu"
    "2a07"  # attr, 7 bytes: an entry of a map
    "0a01 54"  # key: "T"
    "1202 3001"  # value: type: DT_FLOAT
    "3a02 0801"  # experimental_type {type_id: TFT_VAR}: none of ours
)


def joined(pieces: Sequence[Any]) -> bytes:
    return b"".join(bytes(piece) for piece in pieces)


def parse(name: str, data: bytes) -> Any:
    return schema.message_class(name).FromString(data)


def canonical(message: Any) -> bytes:
    """Bytes to compare by: maps sorted, NaN equal to itself."""
    return bytes(message.SerializeToString(deterministic=True))


def test_node_byte_by_byte() -> None:
    node = read_node(NODE, 0, len(NODE))
    assert (node.name, node.op, node.device) == ("y", "Add", "/cpu")
    assert node.inputs == ("x", "x:1", "^a")
    assert dict(node.attrs) == {"T": FLOAT}
    assert node.unknown_fields == bytes.fromhex("3a02 0801")
    assert joined(encode_node(node)) == NODE
    made = Node("y", "Add", ("x", "x:1", "^a"), "/cpu", {"T": FLOAT}, node.unknown_fields)
    assert joined(encode_node(made)) == NODE


@pytest.mark.parametrize(
    ("data", "said", "offset"),
    [
        ("0a05 7979", "past its node", 3),
        ("0a", "found the end", 3),
        ("0a02 79ff", "not UTF-8 in a node", 6),
        ("0a01 79 1a8001 00", "past the end", 6),
        ("0a01 79 0001", "field number 0", 6),
    ],
)
def test_faulty_node_is_told_with_its_offset(data: str, said: str, offset: int) -> None:
    encoded = b"---" + bytes.fromhex(data)
    with pytest.raises(FormatError, match=said) as caught:
        read_node(encoded, 3, len(encoded))
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("graph", "said", "offset"),
    [
        (put_bytes(1, put_text(2, "Add")), "found a node '' without a name", 2),
        (put_bytes(1, put_text(1, "y")), "found a node 'y' without an op", 2),
        (put_bytes(2, put_bytes(1, b"")), "a function without a name", 4),
        (put_bytes(2, put_bytes(1, put_bytes(1, b""))), "a function without a name", 4),
        (
            put_bytes(2, put_bytes(1, put_bytes(1, put_text(1, "f")) + put_bytes(3, b"\x0a\x05"))),
            "past its node",
            11,
        ),
    ],
)
def test_faulty_graph_is_told_when_it_is_opened(graph: bytes, said: str, offset: int) -> None:
    with pytest.raises(FormatError, match=said) as caught:
        read_graph(Message(graph))
    assert caught.value.offset == offset


# ---------------------------------------------------------------- attributes


def shape_by_protobuf(shape: Any) -> TensorShape | UnknownShape:
    if shape.unknown_rank:
        return UnknownShape()
    return TensorShape(None if dim.size == -1 else dim.size for dim in shape.dim)


def type_by_protobuf(number: int) -> Any:
    return dtype_from_number(number) if number else None


def attr_by_protobuf(attr: Any) -> Any:
    """What an AttrValue means in Python, by protobuf's own message."""
    kind = attr.WhichOneof("value")
    if kind is None:
        return None
    value = getattr(attr, kind)
    match kind:
        case "s" | "i" | "f" | "b" | "placeholder":
            return value
        case "type":
            return type_by_protobuf(value)
        case "shape":
            return shape_by_protobuf(value)
        case "tensor":
            return EncodedTensor(value.SerializeToString())
        case "func":
            attrs = {key: attr_by_protobuf(value.attr[key]) for key in value.attr}
            return FunctionCall(value.name, attrs)
    return [
        *value.s,
        *value.i,
        *value.f,
        *value.b,
        *map(type_by_protobuf, value.type),
        *map(shape_by_protobuf, value.shape),
        *(EncodedTensor(tensor.SerializeToString()) for tensor in value.tensor),
        *(FunctionCall(call.name) for call in value.func),
    ]


def comparable(value: Any) -> Any:
    """A value with NaN equal to NaN, and 1 unequal to True and to 1.0."""
    match value:
        case list():
            return [comparable(item) for item in value]
        case FunctionCall():
            return (value.name, {key: comparable(item) for key, item in value.attrs.items()})
        case float():
            return struct.pack("<f", value)
        case EncodedTensor():
            return canonical(parse("TensorProto", bytes(value.encoded)))
    return (type(value), value)


@settings(max_examples=300)
@given(strategies.encodings(strategies.attr_values, unknown=11))
def test_attributes_mean_what_protobuf_says(data: bytes) -> None:
    expected = attr_by_protobuf(parse("AttrValue", data))
    assert comparable(read_attr(Message(data))) == comparable(expected)


@settings(max_examples=300)
@given(strategies.attr_values)
def test_attributes_are_encoded_as_they_were(attr: Any) -> None:
    value = read_attr(Message(attr.SerializeToString()))
    # DT_INVALID by itself reads as no value; no op has an attribute of that type.
    drop_invalid_type(attr)
    assert canonical(parse("AttrValue", encode_attr(value))) == canonical(attr)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (b"s", "1201 73"),
        (b"", "1200"),
        (-1, "18 ffffffffffffffffff01"),
        (0, "1800"),  # a member of a oneof is written even if it is 0
        (1.0, "25 0000803f"),
        (False, "2800"),
        (FLOAT, "3001"),
        (TensorShape((None, 3)), "3a11 120b 08ffffffffffffffffff01 1202 0803"),
        (TensorShape(()), "3a00"),
        (UnknownShape(), "3a02 1801"),
        ("placeholder", "4a0b 706c616365686f6c646572"),
        (FunctionCall("f", {"T": FLOAT}), "520c 0a01 66 1207 0a01 54 1202 3001"),
        (Constant(dtype_from_name("string"), (), (b"a",)), "4207 0807 1200 4201 61"),
        ([], "0a00"),
        ([1, -1], "0a0d 1801 18ffffffffffffffffff01"),
        ([True], "0a02 2801"),
        ([FLOAT, None], "0a04 3001 3000"),
        ([FunctionCall("f")], "0a05 4a03 0a01 66"),
        (None, ""),
    ],
)
def test_each_kind_of_attribute_byte_by_byte(value: Any, encoded: str) -> None:
    assert encode_attr(value) == bytes.fromhex(encoded)
    read = read_attr(Message(bytes.fromhex(encoded)))
    if isinstance(value, Constant):
        assert read.strings() == value.strings()
    else:
        assert comparable(read) == comparable(value)


def test_what_no_attribute_can_hold_is_the_callers_mistake() -> None:
    with pytest.raises(TypeError, match="no attribute can hold"):
        encode_attr({"a": 1})


def test_types_of_the_future_fail_when_they_are_asked_for() -> None:
    node = put_text(1, "n") + put_text(2, "New")
    node += put_bytes(5, put_text(1, "T") + put_bytes(2, b"\x30\x63"))
    graph = read_graph(Message(put_bytes(1, node)))
    assert list(graph["n"].attrs) == ["T"]
    with pytest.raises(FormatError, match="data type number 99"):
        graph["n"].attrs["T"]
    assert joined(encode_graph(graph)) == put_bytes(1, node)


# ---------------------------------------------------------------- nodes and graphs


@settings(max_examples=200)
@given(strategies.encodings(strategies.nodes, unknown=20))
def test_nodes_mean_what_protobuf_says(data: bytes) -> None:
    expected = parse("NodeDef", data)
    node = read_node(data, 0, len(data))
    assert (node.name, node.op, node.device) == (expected.name, expected.op, expected.device)
    assert node.inputs == tuple(expected.input)
    assert node.attrs.keys() == expected.attr.keys()
    assert len(node.attrs) == len(expected.attr)
    for key, value in node.attrs.items():
        assert key in node.attrs
        assert comparable(value) == comparable(attr_by_protobuf(expected.attr[key]))
    assert canonical(parse("NodeDef", joined(encode_node(node)))) == canonical(expected)
    # What was read stands as it is; what is changed is encoded anew.
    renamed = replace(node, name="new", inputs=("z",))
    expected.name = "new"
    expected.input[:] = ["z"]
    assert canonical(parse("NodeDef", joined(encode_node(renamed)))) == canonical(expected)


def test_last_of_two_attributes_of_one_name_holds() -> None:
    entries = [put_bytes(5, put_text(1, "k") + put_bytes(2, b"\x18" + n)) for n in (b"\1", b"\2")]
    node = put_text(1, "n") + put_text(2, "op") + b"".join(entries)
    read = read_node(node, 0, len(node))
    assert dict(read.attrs) == {"k": 2}
    assert joined(encode_node(read)) == node
    with pytest.raises(KeyError):
        read.attrs["other"]


def without_empty(message: Any) -> Any:
    """A graph without an empty library or versions, and without what another of its name replaces.

    A function has one gradient: TensorFlow refuses a second one that is another.
    """
    functions = {function.signature.name: function for function in message.library.function}
    del message.library.function[:]
    message.library.function.extend(functions.values())
    gradients = {gradient.function_name: gradient for gradient in message.library.gradient}
    del message.library.gradient[:]
    message.library.gradient.extend(gradients.values())
    for field in ("library", "versions"):
        if message.HasField(field) and not canonical(getattr(message, field)):
            message.ClearField(field)
    return message


@settings(max_examples=200)
@given(strategies.encodings(strategies.graphs, unknown=20))
def test_graphs_mean_what_protobuf_says_and_are_written_as_they_were(data: bytes) -> None:
    expected = parse("GraphDef", data)
    graph = read_graph(Message(data))
    assert [node.name for node in graph] == [node.name for node in expected.node]
    assert graph.versions.producer == expected.versions.producer
    assert graph.versions.min_consumer == expected.versions.min_consumer
    assert graph.versions.bad_consumers == tuple(expected.versions.bad_consumers)
    functions = {function.signature.name: function for function in expected.library.function}
    assert graph.functions.keys() == functions.keys()
    for name, function in graph.functions.items():
        assert function.name == name
        assert [node.op for node in function.nodes] == [n.op for n in functions[name].node_def]
        assert dict(function.returns) == dict(functions[name].ret)
        assert [output.name for output in function.outputs] == ["o"]
    written = parse("GraphDef", joined(encode_graph(graph)))
    assert canonical(without_empty(written)) == canonical(without_empty(expected))


@settings(max_examples=200)
@given(strategies.graphs)
def test_graphs_taken_apart_are_put_together_the_same(expected: Any) -> None:
    graph = read_graph(Message(expected.SerializeToString()))
    apart = taken_apart(graph)
    written = parse("GraphDef", joined(encode_graph(apart)))
    assert_same_but_invalid_types(without_empty(written), without_empty(expected))


def assert_same_but_invalid_types(written: Any, expected: Any) -> None:
    for graph in (written, expected):
        nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
        for node in nodes:
            for attr in node.attr.values():
                drop_invalid_type(attr)
    assert canonical(written) == canonical(expected)


def drop_invalid_type(attr: Any) -> None:
    if attr.WhichOneof("value") == "type" and attr.type == 0:
        attr.ClearField("type")
    for inner in attr.func.attr.values() if attr.HasField("func") else ():
        drop_invalid_type(inner)


def taken_apart(graph: Graph) -> Graph:
    """The same graph, nothing of it encoded any more but what no model has."""
    return replace(
        graph,
        nodes=[replace(node, attrs=dict(node.attrs)) for node in graph.nodes],
        functions={
            name: replace(f, nodes=[replace(node, attrs=dict(node.attrs)) for node in f.nodes])
            for name, f in graph.functions.items()
        }
        # An empty library that was read is written again.
        or graph.functions,
    )


def test_library_that_was_read_is_written_even_if_empty() -> None:
    # TensorFlow 2 writes an empty one, TensorFlow 1 none.
    assert joined(encode_graph(read_graph(Message(b"\x12\x00")))) == b"\x12\x00"
    assert joined(encode_graph(read_graph(Message(b"")))) == b""
    assert joined(encode_graph(Graph([], versions=Versions(27)))) == bytes.fromhex("2202 081b")


def test_unknown_fields_survive_at_every_level() -> None:
    later = put_bytes(99, b"later")
    node = put_text(1, "n") + put_text(2, "NoOp") + later
    function = put_bytes(1, put_text(1, "f") + later) + later + put_bytes(3, node)
    library = put_bytes(1, function) + later
    data = put_bytes(1, node) + put_bytes(2, library) + later
    for graph in (read_graph(Message(data)), taken_apart(read_graph(Message(data)))):
        written = joined(encode_graph(graph))
        assert written.count(later) == data.count(later) == 6
        assert len(written) == len(data)


def test_nodes_are_a_sequence_made_when_asked() -> None:
    nodes = [put_text(1, name) + put_text(2, "NoOp") for name in "abc"]
    graph = read_graph(Message(b"".join(put_bytes(1, node) for node in nodes)))
    assert len(graph) == len(graph.nodes) == 3
    assert [node.name for node in graph.nodes[1:]] == ["b", "c"]
    assert graph.nodes[-1].name == "c"
    assert [node.name for node in reversed(graph.nodes)] == ["c", "b", "a"]
    assert graph.nodes[0] is not graph.nodes[0]
    assert "b" in graph
    assert graph["b"].name == "b"
    with pytest.raises(IndexError):
        graph.nodes[3]
    with pytest.raises(NameNotFoundError, match="did you mean"):
        read_graph(Message(put_bytes(1, put_text(1, "softmax") + put_text(2, "A"))))["sofmax"]


def test_graphs_can_be_pickled_and_read_from_threads(fixtures: Path) -> None:
    graph = tfa.open(fixtures / "graphs" / "frozen.pb")
    assert isinstance(graph, Graph)
    again = pickle.loads(pickle.dumps(graph))
    assert joined(encode_graph(again)) == joined(encode_graph(graph))
    with ThreadPoolExecutor(8) as pool:
        names = [node.name for node in graph] * 10
        ops = list(pool.map(lambda name: (again[name].op, dict(again[name].attrs)), names))
    assert ops == [(graph[name].op, dict(graph[name].attrs)) for name in names]


def test_a_node_is_pickled_with_its_own_bytes_alone(fixtures: Path) -> None:
    graph = tfa.open(fixtures / "graphs" / "frozen.pb")
    assert isinstance(graph, tfa.Graph)
    whole = (fixtures / "graphs" / "frozen.pb").stat().st_size
    for node in graph.nodes:
        own = sum(map(len, encode_node(node)))
        pickled = pickle.dumps(node)
        assert len(pickled) < own + 1000 < whole
        again = pickle.loads(pickled)
        assert joined(encode_node(again)) == joined(encode_node(node))
        assert dict(again.attrs) == dict(node.attrs)
        assert len(pickle.dumps(again)) == len(pickled)


def test_an_attribute_that_was_pickled_tells_its_place_in_the_file() -> None:
    attr = put_bytes(5, put_bytes(1, b"T") + put_bytes(2, put_bytes(9, b"\xff")))
    node = put_bytes(1, b"n") + put_bytes(2, b"NoOp") + attr
    graph = read_graph(Message(put_bytes(1, node) * 3), path="g.pb")
    for node_read in graph.nodes:
        told = []
        for read in (node_read, pickle.loads(pickle.dumps(node_read))):
            with pytest.raises(FormatError, match="UTF-8") as caught:
                read.attrs["T"]
            told.append((caught.value.path, caught.value.offset))
        assert told[0] == told[1]
        assert told[0][0] == "g.pb"


@given(st.binary(max_size=40))
def test_any_bytes_are_a_node_or_refused_as_protobuf_refuses_them(data: bytes) -> None:
    try:
        node = read_node(data, 0, len(data))
        attrs = dict(node.attrs)
    except FormatError as error:
        assert error.offset is None or 0 <= error.offset <= len(data)  # noqa: PT017
    else:
        assert len(attrs) == len(node.attrs)


@given(strategies.encodings(strategies.op_defs, unknown=30))
def test_op_signatures_mean_what_protobuf_says(data: bytes) -> None:
    expected = parse("OpDef", data)
    op_def = read_op_def(Message(data))
    assert op_def.name == expected.name
    for ours, theirs in (
        (op_def.inputs, expected.input_arg),
        (op_def.outputs, expected.output_arg),
    ):
        assert [
            (a.name, a.dtype, a.type_attr, a.number_attr, a.type_list_attr, a.is_reference)
            for a in ours
        ] == [
            (
                a.name,
                type_by_protobuf(a.type),
                a.type_attr,
                a.number_attr,
                a.type_list_attr,
                a.is_ref,
            )
            for a in theirs
        ]


# ---------------------------------------------------------------- TensorFlow


FIXTURES = PROJECT / "fixtures"
FILES = [
    str(path.relative_to(FIXTURES))
    for path in sorted([*FIXTURES.rglob("*.meta"), *FIXTURES.rglob("saved_model.pb*")])
]


def meta_graphs(file: str) -> tuple[MetaGraph, ...]:
    artifact = tfa.open(FIXTURES / file)
    if isinstance(artifact, tfa.SavedModel):
        return artifact.meta_graphs
    assert isinstance(artifact, MetaGraph)
    return (artifact,)


def without_output_shapes(graph: Graph) -> Graph:
    nodes = [
        replace(node, attrs={k: v for k, v in node.attrs.items() if k != "_output_shapes"})
        for node in graph.nodes
    ]
    return replace(graph, nodes=nodes)


@pytest.mark.parametrize("file", FILES)
def test_no_type_or_shape_is_told_that_tensorflow_does_not_infer(
    tensorflow_2_21: Judge, tmp_path: Path, file: str
) -> None:
    meta_graph = meta_graphs(file)[-1]
    path = tmp_path / "graph.meta"
    path.write_bytes(joined(encode_meta_graph(meta_graph)))
    theirs = tensorflow_2_21.tensors_of_meta_graph(path)
    assert theirs
    whole = meta_graph.graph
    bare = replace(whole, op_defs={})
    for graph in (whole, bare, without_output_shapes(whole), without_output_shapes(bare)):
        for name, facts in theirs.items():
            info = graph.tensor(name)
            # A reference is told by the type it refers to.
            dtype = facts["dtype"].removesuffix("_ref")
            if info.dtype is None:
                assert not graph.op_defs, f"{name}: the signature tells {dtype}"
            else:
                assert str(info.dtype) == dtype, name
            if info.shape is not None:
                assert list(info.shape) == facts["shape"], name


def test_most_types_are_known_even_of_a_bare_graph(fixtures: Path) -> None:
    graph = tfa.open(fixtures / "digits" / "checkpoints" / "my_model-4.meta").graph  # type: ignore[union-attr]
    bare = replace(graph, op_defs={})
    told = [bare.tensor(node.name).dtype for node in bare if output_dtypes(graph, node)]
    assert len(told) > 300
    assert None not in told


@pytest.mark.parametrize("file", FILES)
def test_what_a_bare_graph_tells_is_what_signatures_tell(file: str) -> None:
    """With every attribute of another type, nothing is right by chance."""
    data = joined(encode_meta_graph(meta_graphs(file)[-1]))
    ops = parse("MetaGraphDef", data).meta_info_def.stripped_op_list.op
    numbers = (2, 5, 6, 17, 19, 8, 18, 22, 23, 14)
    for op in ops:
        attrs: dict[str, Any] = {}
        for attr in op.attr:
            number = numbers[len(attrs) % len(numbers)]
            if attr.type == "type":
                attrs[attr.name] = dtype_from_number(number)
            elif attr.type == "list(type)":
                attrs[attr.name] = [dtype_from_number(n) for n in (number, 4, 9)]
            elif attr.type == "int":
                attrs[attr.name] = 2
        node = Node("n", op.name, attrs=attrs)
        op_def = read_op_def(Message(op.SerializeToString()))
        told = output_dtypes(Graph([node], op_defs={op.name: op_def}), node)
        assert told is not None, op.name
        for output, dtype in enumerate(told):
            guessed = output_dtype(Graph([node]), node, output)
            assert guessed is None or guessed == dtype, (op.name, output)


def test_defaults_that_were_stripped_are_those_of_the_op() -> None:
    def dtype_of(op: str, output: int = 0, **attrs: Any) -> str:
        return str(Graph([Node("n", op, attrs=attrs)]).tensor(f"n:{output}").dtype)

    assert dtype_of("Shape", T=FLOAT) == "int32"
    assert dtype_of("Shape", T=FLOAT, out_type=dtype_from_name("int64")) == "int64"
    assert dtype_of("ArgMax", T=FLOAT) == "int64"
    assert dtype_of("StringToNumber") == "float32"
    assert dtype_of("TopKV2", 0, T=FLOAT) == "float32"
    assert dtype_of("TopKV2", 1, T=FLOAT) == "int32"
    assert dtype_of("Merge", 1, T=FLOAT) == "int32"
    assert dtype_of("Split", 3, T=FLOAT) == "float32"
    assert dtype_of("FusedBatchNormV3", 1, T=FLOAT) == "None"
    assert dtype_of("TensorSliceDataset", output_types=[FLOAT]) == "None"


def test_tensors_that_are_not_there_are_told(fixtures: Path) -> None:
    graph = tfa.open(fixtures / "graphs" / "model.meta").graph  # type: ignore[union-attr]
    name = next(node.name for node in graph if node.op == "Placeholder")
    assert graph.tensor(name) == graph.tensor(f"{name}:0")
    with pytest.raises(NameNotFoundError, match="has outputs 0 to 0"):
        graph.tensor(f"{name}:1")
    with pytest.raises(NameNotFoundError, match="no node 'nowhere'"):
        graph.tensor("nowhere:0")
    for wrong in ("^a", "a:b", "a:0:1", "", ":0"):
        with pytest.raises(NameNotFoundError, match="expected a tensor's name"):
            graph.tensor(wrong)
    no_op = next(node.name for node in graph if node.op == "NoOp")
    with pytest.raises(NameNotFoundError, match="has no outputs"):
        graph.tensor(no_op)


@pytest.mark.parametrize("name", ["frozen.pb", "frozen.pbtxt"])
@pytest.mark.parametrize("change", [lambda graph: graph, taken_apart])
def test_tensorflow_reads_our_graph_as_the_one_it_wrote(
    tensorflow_2_21: Judge, fixtures: Path, tmp_path: Path, name: str, change: Any
) -> None:
    source = fixtures / "graphs" / name
    graph = tfa.open(source)
    assert isinstance(graph, Graph)
    (tmp_path / "g.pb").write_bytes(joined(encode_graph(change(graph))))
    assert tensorflow_2_21.same_message("GraphDef", source, tmp_path / "g.pb")
    assert tensorflow_2_21.import_graph_def(tmp_path / "g.pb") == len(graph)


def test_attributes_that_were_read_are_not_decoded_to_be_written(fixtures: Path) -> None:
    graph = tfa.open(fixtures / "graphs" / "frozen.pb")
    assert isinstance(graph, Graph)
    assert all(isinstance(node.attrs, EncodedAttrs) for node in graph)
    assert joined(encode_graph(graph)) == (fixtures / "graphs" / "frozen.pb").read_bytes()
