"""The schema against TensorFlow's descriptors, protobuf text against TensorFlow's parser."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.judges.client import Judge, JudgeError, environment
from tfartifacts.errors import FormatError
from tfartifacts.formats import schema

PROJECT = Path(__file__).resolve().parents[1]

# What only old versions wrote; neither TensorFlow 1.15 nor 2.21 has the first two.
OLD_MESSAGES = {"tensorflow.FunctionDef.Node", "tensorflow.FunctionDef.Node.AttrEntry"}
OLD_FIELDS = {
    ("tensorflow.FunctionDef", "node"),
    ("tensorflow.TrackableObjectGraph.TrackableObject.SerializedTensor", "optional_restore"),
}

# (message, field): number, type, repeated, message or enum, member of a oneof
Fields = dict[tuple[str, str], tuple[object, ...]]
Enums = dict[str, dict[str, int]]


# ---------------------------------------------------------------- the schema


def of_schema(names: list[str]) -> tuple[Fields, Enums]:
    """What our schema declares for these messages and all they reach."""
    fields: Fields = {}
    enums: dict[str, Any] = {}
    seen: set[str] = set()
    pending: list[Any] = [schema.message_class(name).DESCRIPTOR for name in names]
    while pending:
        message = pending.pop()
        if message.full_name in seen:
            continue
        seen.add(message.full_name)
        for field in message.fields:
            target = field.message_type or field.enum_type
            if field.message_type is not None:
                pending.append(field.message_type)
            if field.enum_type is not None:
                enums[field.enum_type.full_name] = field.enum_type
            fields[message.full_name, field.name] = (
                field.number,
                TYPES[field.type],
                is_repeated(field),
                target.full_name if target else None,
                field.containing_oneof is not None,
            )
    values = {
        name: {value.name: value.number for value in enum.values} for name, enum in enums.items()
    }
    return fields, values


def is_repeated(field: Any) -> bool:
    """Protobuf 7 has no `label`, protobuf before 6 no `is_repeated`."""
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(field.label == field.LABEL_REPEATED)


def of_tensorflow(judge: Judge) -> tuple[Fields, Enums]:
    """What TensorFlow declares for every message its worker knows."""
    descriptors = judge.descriptors()
    fields: Fields = {
        (name, field["name"]): (
            field["number"],
            field["type"],
            field["label"] == "repeated",
            field["message"] or field["enum"],
            field["oneof"] is not None,
        )
        for name, message in descriptors["messages"].items()
        for field in message["fields"]
    }
    return fields, descriptors["enums"]


TYPES = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in vars(type(schema.message_class("SavedModel").DESCRIPTOR.fields[0])).items()
    if name.startswith("TYPE_")
}


def roots(fields: Fields) -> list[str]:
    """The messages of TensorFlow's answer, without the package, for `message_class`."""
    return sorted({name.removeprefix("tensorflow.") for name, _ in fields})


def test_schema_declares_what_tensorflow_2_21_does_and_what_old_files_need(
    tensorflow_2_21: Judge,
) -> None:
    fields, enums = of_tensorflow(tensorflow_2_21)
    our_fields, our_enums = of_schema(roots(fields))
    assert our_enums == enums
    assert {
        key: value
        for key, value in our_fields.items()
        if key not in OLD_FIELDS and key[0] not in OLD_MESSAGES
    } == fields


def test_schema_declares_all_that_tensorflow_1_15_does(tensorflow_1_15: Judge) -> None:
    fields, enums = of_tensorflow(tensorflow_1_15)
    our_fields, our_enums = of_schema(roots(fields))
    assert {key: our_fields.get(key) for key in fields} == fields
    for name, values in enums.items():
        assert values.items() <= our_enums[name].items()


# Runs in TensorFlow's Python, which has TensorFlow's dependencies and not ours: hence the packages
# without their __init__.py.
BESIDE_TENSORFLOW = """
import sys, types
for name in ("tfartifacts", "tfartifacts.formats"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [sys.argv[1] + "/" + name.replace(".", "/")]
from tfartifacts.formats import schema

def read():
    text = b'node { name: "x" op: "NoOp" attr { key: "t" value { type: DT_INT4_REF } } }'
    data = schema.text_to_binary("GraphDef", text)
    assert schema.text_to_binary("GraphDef", schema.binary_to_text("GraphDef", data)) == data
    return data

if sys.argv[2] == "before":
    read()
import tensorflow
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import fingerprint_pb2
assert graph_pb2.GraphDef.FromString(read()).node[0].op == "NoOp"
assert schema.message_class("GraphDef") is not graph_pb2.GraphDef

def facts(message):
    return {(f.name, f.number, f.type, f.is_packed) for f in message.DESCRIPTOR.fields}

assert facts(schema.message_class("FingerprintDef")) == facts(fingerprint_pb2.FingerprintDef)
"""


@pytest.mark.parametrize("order", ["before", "after"])
def test_works_in_the_process_of_tensorflow(tensorflow_2_21: Judge, order: str) -> None:
    subprocess.run(
        [tensorflow_2_21.python, "-c", BESIDE_TENSORFLOW, str(PROJECT), order],
        check=True,
        env=environment(),
        timeout=tensorflow_2_21.timeout,
    )


@pytest.mark.skipif(
    importlib.util.find_spec("grpc_tools") is None, reason="needs protoc: pip install grpcio-tools"
)
def test_descriptor_set_is_compiled_from_the_proto() -> None:
    from tfartifacts.formats.schema.compile import compile_schema

    compiled = (PROJECT / "tfartifacts/formats/schema/tensorflow.desc").read_bytes()
    assert compile_schema() == compiled, "run python -m tfartifacts.formats.schema.compile"


def test_import_of_the_schema_leaves_protobuf_alone() -> None:
    program = "import sys, tfartifacts.formats.schema; sys.exit('google.protobuf' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=PROJECT)


# ---------------------------------------------------------------- messages


def test_names_without_package_are_those_of_tensorflow() -> None:
    assert schema.message_class("GraphDef").DESCRIPTOR.full_name == "tensorflow.GraphDef"
    attr: Any = schema.message_class("AttrValue")()
    assert schema.message_class("AttrValue.ListValue") is type(attr.list)
    assert schema.message_class("google.protobuf.Any").DESCRIPTOR.full_name == "google.protobuf.Any"
    with pytest.raises(KeyError):
        schema.message_class("NoSuchDef")


def test_unknown_fields_survive_a_round_trip() -> None:
    data = bytes.fromhex(
        "0a06"  # GraphDef.node, 6 bytes
        "0a0178"  # NodeDef.name = "x"
        "f83f2a"  # field 1023, varint: 42
        "fa3f03616263"  # GraphDef, field 1023, bytes: "abc"
    )
    graph: Any = schema.message_class("GraphDef").FromString(data)
    graph.node[0].op = "NoOp"
    edited = graph.SerializeToString()
    again: Any = schema.message_class("GraphDef").FromString(edited)
    again.node[0].ClearField("op")
    assert again.SerializeToString() == data


def test_source_file_names_of_debug_info_need_not_be_utf8() -> None:
    data = bytes.fromhex(
        "2a03"  # GraphDef.debug_info, 3 bytes
        "0a01ff"  # files: a byte that is no UTF-8
    )
    assert schema.message_class("GraphDef").FromString(data).SerializeToString() == data


# ---------------------------------------------------------------- text


def test_bytes_come_through_octal_escapes_exactly() -> None:
    every_byte = "".join(f"\\{value:03o}" for value in range(256))
    text = f'dtype: DT_STRING string_val: "{every_byte}" tensor_content: "{every_byte}"'
    tensor: Any = schema.message_class("TensorProto").FromString(
        schema.text_to_binary("TensorProto", text.encode())
    )
    assert tensor.string_val[0] == tensor.tensor_content == bytes(range(256))


def test_any_is_expanded_with_our_own_messages() -> None:
    text = (
        b"any_list { value { [type.googleapis.com/tensorflow.AssetFileDef] "
        b'{ filename: "vocabulary.txt" } } }'
    )
    data = schema.text_to_binary("CollectionDef", text)
    collection: Any = schema.message_class("CollectionDef").FromString(data)
    (value,) = collection.any_list.value
    assert value.type_url == "type.googleapis.com/tensorflow.AssetFileDef"
    assert value.value == b"\x12\x0evocabulary.txt"
    assert b"[type.googleapis.com/tensorflow.AssetFileDef]" in schema.binary_to_text(
        "CollectionDef", data
    )


def test_maps_are_sorted_so_that_equal_texts_give_equal_bytes() -> None:
    entries = [f'attr {{ key: "{key}" value {{ i: 1 }} }}' for key in "cab"]
    forwards = schema.text_to_binary("NodeDef", " ".join(entries).encode())
    backwards = schema.text_to_binary("NodeDef", " ".join(reversed(entries)).encode())
    assert forwards == backwards


def test_function_bodies_of_the_first_versions_parse() -> None:
    text = b'library { function { signature { name: "f" } node { ret: "y" op: "Neg" arg: "x" } } }'
    graph: Any = schema.message_class("GraphDef").FromString(
        schema.text_to_binary("GraphDef", text)
    )
    assert list(graph.library.function[0].node[0].arg) == ["x"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (b"", ""),
        (b'# written by hand\nmodel_checkpoint_path:"m-1"', "m-1"),
        (b"model_checkpoint_path: 'm' \"-\" '1'", "m-1"),
        (b'model_checkpoint_path: "m-1"\r\nlast_preserved_timestamp: 1.5f\r\n', "m-1"),
        (b'model_checkpoint_path: "m-1"; all_model_checkpoint_paths: ["a", "b"],', "m-1"),
        (b'model_checkpoint_path: "\\x6d\\055\\061"', "m-1"),
        (b'model_checkpoint_path: "m-1" model_checkpoint_path: "m-2"', "m-2"),
        ('model_checkpoint_path: "größe-1"'.encode(), "größe-1"),
        (b'model_checkpoint_path: "m-1" last_preserved_timestamp: -inf', "m-1"),
    ],
)
def test_forms_of_text_that_tensorflow_accepts(text: bytes, path: str) -> None:
    state: Any = schema.message_class("CheckpointState").FromString(
        schema.text_to_binary("CheckpointState", text)
    )
    assert state.model_checkpoint_path == path


def nested(depth: int) -> bytes:
    """SavedVariables in one another, which no reader of binary files follows beyond 100."""
    name = b"experimental_distributed_variable_components {"
    return name * depth + b"}" * depth


@pytest.mark.parametrize(
    ("kind", "text", "offset", "said"),
    [
        ("SavedModel", b"item {\n}\n", 0, "found field 'item', expected a field of SavedModel"),
        (
            "MetaGraphDef",
            'meta_info_def {\r\n  tags: "é" bogus: 1\r\n}'.encode(),
            30,
            "found field 'bogus', expected a field of MetaInfoDef",
        ),
        ("TensorInfo", b"dtype: DT_FLAOT", 7, "found 'DT_FLAOT', expected a value of DataType"),
        ("GraphDef", b"node {\xff}", 6, "found byte 0xff, expected UTF-8 text of a GraphDef"),
        ("GraphDef", b"\xef\xbb\xbfnode {}", 0, r"found '\ufeff', expected identifier"),
        ("GraphDef", b"node\x00{}", 4, r"Expected "),
        ("NodeDef", b'name: "x\nop: "y"', 6, "ending quote"),
        ("GraphDef", b"node {", 5, 'Expected "}"'),
        ("TensorInfo", b"dtype: 99999999999", None, "out of range"),
        ("VersionDef", b"producer: " + b"9" * 6000, 10, "Couldn't parse integer"),
        ("NodeDef", b'name: "\\377"', None, "Couldn't parse string"),
        ("NodeDef", b"[a.b]: 1", None, "does not have extensions"),
        ("google.protobuf.Any", b"[a.b/c.D] {}", None, "not found in descriptor pool"),
        ("SavedVariable", nested(150), None, "nests too deep"),
        ("SavedVariable", nested(50_000), None, "nests too deep"),
    ],
)
def test_text_that_is_refused(kind: str, text: bytes, offset: int | None, said: str) -> None:
    with pytest.raises(FormatError) as raised:
        schema.text_to_binary(kind, text)
    assert said in raised.value.message
    assert len(raised.value.message) < 300
    if offset is not None:
        assert raised.value.offset == offset


def test_an_error_in_a_long_line_is_explained_without_the_line() -> None:
    with pytest.raises(FormatError) as raised:
        schema.text_to_binary("NodeDef", b'input: "\\\'": ' * 200_000)
    assert raised.value.offset == 11
    assert raised.value.message == "found ':', expected identifier or number, in text of a NodeDef"


def test_bytes_that_are_no_message_have_no_text() -> None:
    with pytest.raises(FormatError, match="the bytes are no GraphDef"):
        schema.binary_to_text("GraphDef", b"\x0a\x05abc")


TOKENS = [
    *(b"meta_graphs", b"graph_def", b"node", b"attr", b"key", b"value", b"tensor", b"dtype"),
    *(b"any_info", b"meta_info_def", b"[type.googleapis.com/tensorflow.AssetFileDef]", b"[a.b]"),
    *(b"{", b"}", b"<", b">", b"[", b"]", b":", b",", b";", b"#", b"\n", b"\r", b"\0", b"\xff"),
    *(b'"', b"'", b'"\\', b'"\\x"', b'"\\ud800"', b'"\\777"', b'"x"', b"\xef\xbb\xbf"),
    *(b"DT_FLOAT", b"1", b"-1", b"1e999", b"nan", b"true", b"0x", b"99999999999999999999"),
    *(b"shape", b"dim", b"size", b"i", b"s", b"f", b"b", b"list", b"collection_def", b"any_list"),
]


@given(
    st.one_of(
        st.binary(),
        st.text().map(str.encode),
        st.lists(st.sampled_from(TOKENS), max_size=40).map(b" ".join),
        st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join),
    )
)
def test_any_text_is_parsed_or_refused_with_an_offset_inside(text: bytes) -> None:
    try:
        data = schema.text_to_binary("SavedModel", text)
    except FormatError as error:
        offset = error.offset
    else:
        offset = None
        text_again = schema.binary_to_text("SavedModel", data)
        assert schema.text_to_binary("SavedModel", text_again) == data
    assert offset is None or 0 <= offset <= len(text)


# ---------------------------------------------------------------- TensorFlow as judge


def test_text_that_tensorflow_writes_gives_the_message_it_wrote(
    tensorflow: Judge, shared_artifacts: Path, tmp_path: Path
) -> None:
    sources = [("MetaGraphDef", path) for path in sorted(shared_artifacts.rglob("*.meta"))]
    sources += [("SavedModel", path) for path in sorted(shared_artifacts.rglob("saved_model.pb"))]
    assert sources
    binary = tmp_path / "binary"
    for kind, path in sources:
        # By text: 1.15 leaves out of it what newer files hold beyond its own schema.
        text = tensorflow.parse_proto(kind, path=path)["text"]
        binary.write_bytes(schema.text_to_binary(kind, text.encode()))
        assert tensorflow.parse_proto(kind, path=binary)["text"] == text, path


@pytest.mark.parametrize(
    "name",
    [
        "023_tf_metrics_text_metagraph/metrics_export_meta_graph.pb",
        "118_v1_tfcloud_textmeta/model.ckpt.meta.json",
    ],
)
def test_text_meta_graphs_from_the_wild(
    tensorflow: Judge, shared_artifacts: Path, tmp_path: Path, name: str
) -> None:
    path = shared_artifacts / "real" / name
    binary = tmp_path / "binary"
    binary.write_bytes(schema.text_to_binary("MetaGraphDef", path.read_bytes()))
    wanted = tensorflow.parse_proto("MetaGraphDef", path=path)["text"]
    assert tensorflow.parse_proto("MetaGraphDef", path=binary)["text"] == wanted


def test_what_tensorflow_refuses_as_a_saved_model_is_refused(
    tensorflow: Judge, shared_artifacts: Path
) -> None:
    path = shared_artifacts / "real/134_odd_pbtxt_33b/saved_model.pbtxt"
    with pytest.raises(JudgeError):
        tensorflow.parse_proto("SavedModel", path=path)
    with pytest.raises(FormatError, match="found field 'item', expected a field of SavedModel"):
        schema.text_to_binary("SavedModel", path.read_bytes())
