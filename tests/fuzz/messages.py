"""What must hold of protobuf messages: graphs, meta graphs, SavedModels, tensors, objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from tests.fuzz.target import check_offset
from tfartifacts.dtypes import STRING
from tfartifacts.errors import FormatError, TfArtifactsError
from tfartifacts.formats import schema, sniff
from tfartifacts.formats.attr_values import encode_attr
from tfartifacts.formats.graph_def import encode_graph, read_graph
from tfartifacts.formats.meta_graph import (
    encode_meta_graph,
    encode_variable_def,
    read_meta_graph,
    read_variable_def,
    splice_meta_graph,
)
from tfartifacts.formats.node_def import EncodedAttrs
from tfartifacts.formats.object_graph import read_object_graph
from tfartifacts.formats.saved_model import (
    encode_saved_model,
    read_saved_model,
    splice_saved_model,
)
from tfartifacts.formats.saved_object_graph import signature_keys, with_signature_keys
from tfartifacts.formats.tensor_data import ArrayTensor, check_shape
from tfartifacts.formats.tensor_proto import EncodedTensor, encode_constant
from tfartifacts.formats.wire import Message, fields
from tfartifacts.model.graphs import ConstantValue, FunctionCall, Graph, Node
from tfartifacts.model.saved_models import MetaGraph
from tfartifacts.model.values import Buffer

# Elements of a constant that are looked at: a few bytes may stand for any number.
MOST_ELEMENTS = 1 << 14


def joined(pieces: Sequence[Buffer]) -> bytes:
    return b"".join(pieces)


# ---------------------------------------------------------------- the wire format


def examine_wire(data: bytes) -> bool:
    """A message of which nothing is known, every field read in every way."""
    is_message = _is_message_to_protobuf(data)
    try:
        message = Message(data)
    except FormatError as error:
        check_offset(error, len(data))
        # Protobuf's parser in C++, TensorFlow's, refuses these; the one in Python does not.
        if is_message and "found field number" not in error.message:
            raise AssertionError(f"protobuf reads what was refused: {error}") from error
        return False
    assert is_message, "read what protobuf refuses"
    numbers = {number for number, *_ in fields(data, 0, len(data))}
    for number in [*sorted(numbers)[:3], 20]:
        assert (number in message) == (number in numbers)
        message.spans(number)
        message.raw(number)
        message.last_set({number: 2, number + 1: 0})
        message.integer(number)
        message.optional_integer(number)
        message.flag(number)
        message.fixed32(number)
        message.float32(number)
        assert message.merged(number) == b"".join(message.all_bytes(number))
        for read in (
            message.text,
            message.texts,
            message.integers,
            lambda n: message.floats(n, "f"),
            lambda n: message.floats(n, "d"),
            message.message,
            message.messages,
            lambda n: list(message.entries(n)),
        ):
            try:
                read(number)
            except FormatError as error:
                check_offset(error, len(data))
    assert message.encoded() == data
    assert message.without() == data
    without = message.without(1, 2)
    assert Message(without).without(1, 2) == without
    return True


def _is_message_to_protobuf(data: bytes) -> bool:
    """In a message without known fields only their structure counts."""
    from google.protobuf.empty_pb2 import Empty
    from google.protobuf.message import DecodeError

    try:
        Empty.FromString(data)
    except (DecodeError, SystemError):  # the latter by protobuf 3.20, after a stray end of a group
        return False
    return True


# ---------------------------------------------------------------- graphs


def examine_graph(data: bytes) -> bool:
    expected = parsed("GraphDef", data)
    try:
        graph = read_graph(Message(data), path="fuzzed")
    except TfArtifactsError as error:
        if expected is not None and not _is_stricter(error):
            raise AssertionError(f"protobuf reads what was refused: {error}") from error
        return False
    if expected is not None:
        assert [named(node) for node in graph] == [named_by_protobuf(n) for n in expected.node]
        assert graph.versions.producer == expected.versions.producer
        functions = {f.signature.name: f for f in expected.library.function}
        assert list(graph.functions) == list(functions)
    _examine(graph)
    written = joined(encode_graph(graph))
    assert len(written) <= 2 * len(data) + 64
    again = read_graph(Message(written))
    assert [named(node) for node in again] == [named(node) for node in graph]
    assert list(again.functions) == list(graph.functions)
    assert again.versions == graph.versions
    assert joined(encode_graph(again)) == written
    return True


def parsed(kind: str, data: bytes) -> Any:
    """The message as protobuf reads it; None where it does not."""
    from google.protobuf.message import DecodeError

    try:
        return schema.message_class(kind).FromString(data)
    except (DecodeError, SystemError):  # as above
        return None


def _is_stricter(error: TfArtifactsError) -> bool:
    """Whether a rule is broken that a message as such does not have: things have names."""
    return "without a" in error.message or "found field number" in error.message


def named_by_protobuf(node: Any) -> tuple[str, str, tuple[str, ...], str]:
    return node.name, node.op, tuple(node.input), node.device


def named(node: Node) -> tuple[str, str, tuple[str, ...], str]:
    return node.name, node.op, node.inputs, node.device


def _examine(graph: Graph) -> None:
    for node in graph:
        _examine_node(node)
        assert node.name in graph
        with suppress(TfArtifactsError):
            graph.tensor(node.name)
    for name in graph.functions:
        try:
            function = graph.functions[name]
        except TfArtifactsError:
            continue
        assert function.name == name
        for node in function.nodes:
            _examine_node(node)
    try:
        ops = list(graph.op_defs)
    except TfArtifactsError:
        return
    for name in ops:
        try:
            assert graph.op_defs[name].name == name
        except TfArtifactsError:
            continue


def _examine_node(node: Node) -> None:
    attrs = node.attrs
    assert isinstance(attrs, EncodedAttrs)
    try:
        names = list(attrs)
    except TfArtifactsError:
        return
    assert len(attrs.encoded()) % 2 == 0
    for name in names:
        assert name in attrs
        try:
            value = attrs[name]
        except TfArtifactsError:
            continue
        _examine_value(value)


def _examine_value(value: Any) -> None:
    if isinstance(value, EncodedTensor):
        _examine_constant(value)
        return
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, EncodedTensor):
            _examine_constant(item)
        elif isinstance(item, FunctionCall):
            assert isinstance(item.attrs, Mapping)
    try:
        encoded = encode_attr(value)
    except TypeError:
        raise AssertionError(f"{value!r} was read but cannot be written") from None
    assert encode_attr(_reread(encoded)) == encoded


def _reread(encoded: bytes) -> Any:
    from tfartifacts.formats.attr_values import read_attr

    return read_attr(Message(encoded))


# ---------------------------------------------------------------- meta graphs and SavedModels


def examine_meta_graph(data: bytes) -> bool:
    message = None
    try:
        message = Message(data)
        meta_graph = read_meta_graph(message, "fuzzed")
    except TfArtifactsError:
        return False
    _examine_meta_graph(meta_graph)
    written = joined(encode_meta_graph(meta_graph))
    again = read_meta_graph(Message(written))
    assert joined(encode_meta_graph(again)) == written
    assert len(written) <= 3 * len(data) + 64
    spliced = joined(splice_meta_graph(message, meta_graph))
    assert joined(encode_meta_graph(read_meta_graph(Message(spliced)))) == written
    return True


def _examine_meta_graph(meta_graph: MetaGraph) -> None:
    _examine(meta_graph.graph)
    for signature in meta_graph.signatures.values():
        for info in [*signature.inputs.values(), *signature.outputs.values()]:
            assert isinstance(str(info), str)
            assert len(info.tensor_names) <= 1 or info.encoding in ("coo_sparse", "composite")
    try:
        variable_defs = meta_graph.variable_defs
    except TfArtifactsError:
        pass
    else:
        for listed in variable_defs.values():
            for variable in listed:
                assert read_variable_def(Message(encode_variable_def(variable))) == variable
    if meta_graph.object_graph is not None:
        examine_saved_objects(meta_graph.object_graph)


def examine_saved_model(data: bytes) -> bool:
    try:
        message = Message(data)
        saved_model = read_saved_model(message, "fuzzed")
    except TfArtifactsError:
        return False
    for meta_graph in saved_model.meta_graphs:
        _examine_meta_graph(meta_graph)
    written = joined(encode_saved_model(saved_model))
    assert joined(encode_saved_model(read_saved_model(Message(written)))) == written
    spliced = joined(splice_saved_model(message, saved_model))
    assert joined(encode_saved_model(read_saved_model(Message(spliced)))) == written
    return True


# ---------------------------------------------------------------- objects of TensorFlow 2


def examine_object_graph(data: bytes) -> bool:
    """As a TrackableObjectGraph and as a SavedObjectGraph, which begin alike."""
    accepted = examine_saved_objects(data)
    try:
        graph = read_object_graph(data)
    except TfArtifactsError:
        return accepted
    assert graph.num_objects <= len(data)
    assert len(graph.full_names) <= len(data)
    return True


def examine_saved_objects(data: bytes) -> bool:
    try:
        message = Message(data)
        keys = signature_keys(message)
        changes = {key: None if number % 2 else f"{key}_" for number, key in enumerate(keys)}
        same = joined(with_signature_keys(message, {}))
        changed = joined(with_signature_keys(message, changes))
    except TfArtifactsError:
        return False
    assert same == data
    expected = tuple(new for key in keys if (new := changes[key]) is not None)
    # Where the map is the root itself, the name of the map is a key in it.
    assert signature_keys(Message(changed)) == expected or "signatures" in keys
    return True


# ---------------------------------------------------------------- tensors


def examine_tensor_proto(data: bytes) -> bool:
    return _examine_constant(EncodedTensor(data))


def _examine_constant(value: ConstantValue) -> bool:
    try:
        dtype, shape = value.dtype, value.shape
        elements = check_shape(shape)
    except TfArtifactsError:
        return False
    if elements > MOST_ELEMENTS:
        # One value for all is a view, whatever the shape; more are refused or expanded.
        return False
    try:
        array = value.read()
    except TfArtifactsError:
        return False
    assert array.shape == shape
    assert array.dtype == dtype.to_numpy()
    if dtype == STRING:
        assert tuple(array.ravel().tolist()) == value.strings()
    encoded = encode_constant(ArrayTensorWithStrings(ArrayTensor(dtype, shape, array)))
    again = EncodedTensor(encoded).read()
    assert again.shape == shape
    assert again.tobytes() == array.tobytes() or dtype == STRING
    return True


class ArrayTensorWithStrings:
    """A constant made here, of any elements."""

    def __init__(self, value: ArrayTensor) -> None:
        self.dtype = value.dtype
        self.shape = value.shape
        self._value = value

    def read(self) -> Any:
        return self._value.read()

    def strings(self) -> tuple[bytes, ...]:
        return tuple(self._value.array.ravel().tolist())


# ---------------------------------------------------------------- what a file is


def examine_content(data: bytes) -> bool:
    """What a file is said to be, and reading it as that."""
    text, binary = sniff.text_content(data), sniff.binary_content(data)
    foreign = sniff.describe_foreign(data[: sniff.HEAD_SIZE], len(data))
    assert foreign is None or foreign.isprintable()
    sniff.is_blank_text(data)
    sniff.looks_like_cut_table(data[:16])
    assert sniff.is_message(data) in (True, False)
    assert text is None or text.is_text
    if binary is None:
        return text is not None
    match binary.kind:
        case "GraphDef":
            examine_graph(data)
        case "MetaGraphDef":
            examine_meta_graph(data)
        case "SavedModel":
            examine_saved_model(data)
    return True
