"""Meta graphs: signatures, savers, collections as protobuf and TensorFlow read them."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

import tfartifacts as tfa
from tests import strategies
from tests.conftest import PROJECT
from tests.judges.client import Judge
from tests.test_graph_def import (
    canonical,
    drop_invalid_type,
    joined,
    parse,
    shape_by_protobuf,
    taken_apart,
    type_by_protobuf,
    without_empty,
)
from tfartifacts.dtypes import dtype_from_name
from tfartifacts.errors import FormatError
from tfartifacts.formats import schema
from tfartifacts.formats.meta_graph import (
    encode_meta_graph,
    encode_signature,
    encode_tensor_info,
    read_meta_graph,
    read_signature,
    read_tensor_info,
)
from tfartifacts.formats.wire import Message, put_bytes, put_text
from tfartifacts.model.graphs import Graph, Node, SparseNames, TensorInfo, UnknownShape, Versions
from tfartifacts.model.saved_models import (
    AssetFile,
    Collection,
    MetaGraph,
    MetaInfo,
    Saver,
    Signature,
)

FLOAT = dtype_from_name("float32")

SIGNATURE = bytes.fromhex(
    "0a13"  # inputs, an entry of 19 bytes
    "0a01 78"  # key: "x"
    "120e"  # value: a TensorInfo of 14 bytes
    "0a03 783a30"  # name: "x:0"
    "1001"  # dtype: DT_FLOAT
    "1a05 1203 08e807"  # tensor_shape: dim {size: 1000}
    "120b"  # outputs, an entry of 11 bytes
    "0a01 79"  # key: "y"
    "1206"  # value: a TensorInfo of 6 bytes
    "1009"  # dtype: DT_INT64
    "1a02 1801"  # tensor_shape: unknown_rank
    "1a07 70726564696374"  # method_name: "predict"
)


def read(data: bytes) -> MetaGraph:
    return read_meta_graph(Message(data))


def test_signature_byte_by_byte() -> None:
    signature = read_signature(Message(SIGNATURE))
    assert signature == Signature(
        {"x": TensorInfo("x:0", FLOAT, (1000,))},
        {"y": TensorInfo("", dtype_from_name("int64"), None)},
        "predict",
    )
    assert canonical(parse("SignatureDef", encode_signature(signature))) == canonical(
        parse("SignatureDef", SIGNATURE)
    )


@pytest.mark.parametrize(
    ("info", "encoded"),
    [
        (TensorInfo("x:0", FLOAT, ()), "0a03 783a30 1001 1a00"),
        (TensorInfo("x:0", None, None), "0a03 783a30 1a02 1801"),
        (
            TensorInfo("", FLOAT, (None,), sparse=SparseNames("v:0", "i:0", "s:0")),
            "1001"  # dtype
            "1a0d 120b 08ffffffffffffffffff01"  # tensor_shape: dim {size: -1}
            "220f 0a03 763a30 1203 693a30 1a03 733a30",  # coo_sparse: values, indices, dense_shape
        ),
        (
            TensorInfo("", None, (), components=(TensorInfo("c:0", None, ()),), type_spec=b""),
            "2a0b 0a00 1207 0a03 633a30 1a00",  # composite_tensor: type_spec {}, one component
        ),
    ],
)
def test_each_encoding_of_a_tensor_byte_by_byte(info: TensorInfo, encoded: str) -> None:
    assert encode_tensor_info(info) == bytes.fromhex(encoded)
    assert read_tensor_info(Message(bytes.fromhex(encoded))) == info


def test_missing_shape_is_a_scalar_as_it_is_to_tensorflow() -> None:
    info = read_tensor_info(Message(put_text(1, "x:0")))
    assert info.shape == ()
    assert encode_tensor_info(info) == put_text(1, "x:0") + bytes.fromhex("1a00")


@pytest.mark.parametrize(
    ("collection", "encoded"),
    [
        (Collection("node_list", ("a", "")), "0a05 0a01 61 0a00"),
        (Collection("bytes_list", (b"\xff",)), "1203 0a01 ff"),
        (Collection("int64_list", (1, -1)), "1a0d 0a0b 01 ffffffffffffffffff01"),
        (Collection("float_list", (1.0,)), "2206 0a04 0000803f"),
        (Collection("any_list", (b"\x0a\x01t",)), "2a05 0a03 0a0174"),
        (Collection("", ()), ""),
    ],
)
def test_each_kind_of_collection_byte_by_byte(collection: Collection, encoded: str) -> None:
    entry = put_bytes(4, put_text(1, "k") + put_bytes(2, bytes.fromhex(encoded)))
    assert read(entry).collections == {"k": collection}
    written = joined(encode_meta_graph(MetaGraph(Graph([]), collections={"k": collection})))
    assert written == bytes.fromhex("0a00 1200") + entry


def test_saver_byte_by_byte() -> None:
    encoded = bytes.fromhex(
        "0a01 66"  # filename_tensor_name: "f"
        "1201 73"  # save_tensor_name: "s"
        "1a01 72"  # restore_op_name: "r"
        "2005"  # max_to_keep: 5
        "2801"  # sharded: true
        "35 00401c46"  # keep_checkpoint_every_n_hours: 10000
        "3802"  # version: V2
    )
    saver = read(put_bytes(3, encoded)).saver
    assert saver == Saver("f", "s", "r", 5, True, 10000.0, 2)
    assert joined(encode_meta_graph(MetaGraph(Graph([]), saver=saver))).endswith(encoded)


def test_what_is_missing_is_missing() -> None:
    meta_graph = read(b"")
    assert (len(meta_graph.graph), meta_graph.saver, meta_graph.object_graph) == (0, None, None)
    assert meta_graph.tags == frozenset()
    assert meta_graph.init_op is None
    assert read(put_bytes(3, b"")).saver == Saver("", "", "", version=0)
    assert read(put_bytes(7, b"")).object_graph == b""


# ---------------------------------------------------------------- protobuf


def facts_of(info: Any) -> Any:
    """A TensorInfo of protobuf's as what ours must be."""
    kind = info.WhichOneof("encoding")
    shape = shape_by_protobuf(info.tensor_shape)
    sparse, composite = info.coo_sparse, info.composite_tensor
    return (
        info.name if kind == "name" else "",
        type_by_protobuf(info.dtype),
        None if isinstance(shape, UnknownShape) else tuple(shape),
        (sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name)
        if kind == "coo_sparse"
        else None,
        [facts_of(part) for part in composite.components] if kind == "composite_tensor" else [],
    )


def facts_of_ours(info: TensorInfo) -> Any:
    sparse = info.sparse
    return (
        info.name,
        info.dtype,
        info.shape,
        None if sparse is None else (sparse.values, sparse.indices, sparse.dense_shape),
        [facts_of_ours(part) for part in info.components],
    )


@settings(max_examples=200)
@given(strategies.encodings(strategies.tensor_infos, unknown=9))
def test_tensor_infos_mean_what_protobuf_says(data: bytes) -> None:
    assert facts_of_ours(read_tensor_info(Message(data))) == facts_of(parse("TensorInfo", data))


def with_shapes(info: Any) -> None:
    """Give a TensorInfo, and its components, the shape that is written for none."""
    composite = info.WhichOneof("encoding") == "composite_tensor"
    if composite:
        for part in info.composite_tensor.components:
            with_shapes(part)
        info.composite_tensor.type_spec.SetInParent()
        if not info.tensor_shape.dim and not info.tensor_shape.unknown_rank:
            info.ClearField("tensor_shape")
    else:
        info.tensor_shape.SetInParent()
    if info.tensor_shape.unknown_rank:
        del info.tensor_shape.dim[:]


def normal(message: Any) -> Any:
    """A MetaGraphDef with what is always written, and without what never is."""
    message.meta_info_def.SetInParent()
    message.graph_def.SetInParent()
    without_empty(message.graph_def)
    for signature in message.signature_def.values():
        for info in [*signature.inputs.values(), *signature.outputs.values()]:
            with_shapes(info)
    for asset in message.asset_file_def:
        asset.tensor_info.SetInParent()
        if not asset.tensor_info.name:
            asset.tensor_info.ClearField("name")
    graph = message.graph_def
    for node in [*graph.node, *(n for f in graph.library.function for n in f.node_def)]:
        for attr in node.attr.values():
            drop_invalid_type(attr)
    return message


def rebuilt(meta_graph: MetaGraph) -> MetaGraph:
    """The same meta graph with everything put together anew that the model has."""
    return replace(
        meta_graph,
        graph=taken_apart(meta_graph.graph),
        signatures={
            key: Signature(
                dict(signature.inputs),
                dict(signature.outputs),
                signature.method_name,
                signature.unknown_fields,
            )
            for key, signature in meta_graph.signatures.items()
        },
        collections={
            key: Collection(collection.kind, tuple(collection.values))
            for key, collection in meta_graph.collections.items()
        },
    )


@settings(max_examples=200)
@given(strategies.encodings(strategies.meta_graphs, unknown=20))
def test_meta_graphs_mean_what_protobuf_says_and_are_written_as_they_were(data: bytes) -> None:
    expected = parse("MetaGraphDef", data)
    meta_graph = read(data)
    info = expected.meta_info_def
    assert meta_graph.info.tags == tuple(info.tags)
    assert meta_graph.tensorflow_version == info.tensorflow_version
    assert meta_graph.info.stripped_default_attrs == info.stripped_default_attrs
    assert meta_graph.info.op_defs.keys() == {op.name for op in info.stripped_op_list.op}
    assert (meta_graph.saver is not None) == expected.HasField("saver_def")
    if meta_graph.saver is not None:
        saver = expected.saver_def
        assert meta_graph.saver.filename_tensor_name == saver.filename_tensor_name
        assert meta_graph.saver.restore_op_name == saver.restore_op_name
        assert meta_graph.saver.version == saver.version
        assert struct.pack("<f", meta_graph.saver.keep_checkpoint_every_n_hours) == struct.pack(
            "<f", saver.keep_checkpoint_every_n_hours
        )
    assert meta_graph.collections.keys() == expected.collection_def.keys()
    for key, collection in meta_graph.collections.items():
        theirs = expected.collection_def[key]
        assert collection.kind == (theirs.WhichOneof("kind") or "")
        if collection.kind in ("node_list", "bytes_list", "int64_list"):
            assert list(collection.values) == list(getattr(theirs, collection.kind).value)
    assert meta_graph.signatures.keys() == expected.signature_def.keys()
    for key, signature in meta_graph.signatures.items():
        theirs = expected.signature_def[key]
        assert signature.method_name == theirs.method_name
        for ours, infos in ((signature.inputs, theirs.inputs), (signature.outputs, theirs.outputs)):
            assert {name: facts_of_ours(i) for name, i in ours.items()} == {
                name: facts_of(infos[name]) for name in infos
            }
    assert [(asset.tensor_name, asset.filename) for asset in meta_graph.asset_files] == [
        (asset.tensor_info.name, asset.filename) for asset in expected.asset_file_def
    ]
    for source in (meta_graph, rebuilt(meta_graph)):
        written = parse("MetaGraphDef", joined(encode_meta_graph(source)))
        assert canonical(normal(written)) == canonical(normal(expected))


def test_unknown_fields_survive_at_every_level() -> None:
    later = put_bytes(99, b"later")
    info = put_text(1, "x:0") + b"\x1a\x00" + later
    signature = put_bytes(1, put_text(1, "x") + put_bytes(2, info)) + later
    data = (
        put_bytes(1, put_text(5, "1.15.5") + later)
        + put_bytes(2, later)
        + put_bytes(3, put_text(1, "f") + later)
        + put_bytes(5, put_text(1, "serve") + put_bytes(2, signature))
        + later
    )
    for meta_graph in (read(data), rebuilt(read(data))):
        written = joined(encode_meta_graph(meta_graph))
        assert written.count(later) == data.count(later) == 6
        assert len(written) == len(data)


def test_damage_is_told_with_its_offset() -> None:
    faults: list[tuple[bytes, str, int]] = [
        (put_bytes(1, put_bytes(4, b"\xff")), "expected UTF-8", 4),
        (put_bytes(5, put_text(1, "k") + put_bytes(2, b"\x0a\x7f")), "past the end", 7),
        (put_bytes(2, put_bytes(1, b"")), "without a name", 4),
    ]
    for data, said, offset in faults:
        with pytest.raises(FormatError, match=said) as caught:
            read(data)
        assert caught.value.offset == offset


def test_nested_composites_are_bounded() -> None:
    info = put_text(1, "x:0")
    for _ in range(60):
        info = put_bytes(5, put_bytes(2, info))
    data = put_bytes(
        5, put_text(1, "k") + put_bytes(2, put_bytes(1, put_text(1, "x") + put_bytes(2, info)))
    )
    with pytest.raises(FormatError, match="nested more than 100 deep"):
        read(data)


# ---------------------------------------------------------------- assets


ASSET = put_bytes(1, put_text(1, "vocabulary:0")) + put_text(2, "words.txt")
URL = "type.googleapis.com/tensorflow.AssetFileDef"


def asset_collection(*assets: bytes, url: str = URL) -> bytes:
    listed = b"".join(put_bytes(1, put_text(1, url) + put_bytes(2, asset)) for asset in assets)
    return put_bytes(4, put_text(1, "saved_model_assets") + put_bytes(2, put_bytes(5, listed)))


def test_assets_stand_in_a_field_or_in_a_collection() -> None:
    expected = (AssetFile("vocabulary:0", "words.txt"),)
    assert read(put_bytes(6, ASSET)).asset_files == expected
    assert read(asset_collection(ASSET)).asset_files == expected
    # Loaders take the field where there are both.
    other = put_bytes(1, put_text(1, "v:0")) + put_text(2, "other.txt")
    assert read(put_bytes(6, ASSET) + asset_collection(other)).asset_files == expected
    assert read(asset_collection(ASSET, url="type.googleapis.com/x.Other")).asset_files == ()


def test_assets_are_written_where_they_were() -> None:
    empty = bytes.fromhex("0a00 1200")
    for data in (put_bytes(6, ASSET), asset_collection(ASSET)):
        assert joined(encode_meta_graph(read(data))) == empty + data
    # Changed ones go where every loader looks first.
    moved = replace(read(asset_collection(ASSET)), asset_files=(AssetFile("v:0", "new.txt"),))
    again = read(joined(encode_meta_graph(moved)))
    assert again.asset_files == moved.asset_files


@pytest.mark.parametrize(
    ("meta_graph", "init_op"),
    [
        (
            MetaGraph(
                Graph([]), collections={"saved_model_main_op": Collection("node_list", ("i",))}
            ),
            "i",
        ),
        (
            MetaGraph(Graph([]), collections={"legacy_init_op": Collection("node_list", ("l",))}),
            "l",
        ),
        (MetaGraph(Graph([]), collections={"legacy_init_op": Collection("node_list")}), None),
        (
            MetaGraph(Graph([]), collections={"legacy_init_op": Collection("bytes_list", (b"l",))}),
            None,
        ),
        (
            MetaGraph(
                Graph([]),
                signatures={
                    "__saved_model_init_op": Signature(
                        {}, {"__saved_model_init_op": TensorInfo("s", None, None)}
                    )
                },
                collections={"saved_model_main_op": Collection("node_list", ("i",))},
            ),
            "s",
        ),
    ],
)
def test_init_op_is_the_one_loaders_run(meta_graph: MetaGraph, init_op: str | None) -> None:
    assert meta_graph.init_op == init_op
    assert read(joined(encode_meta_graph(meta_graph))).init_op == init_op


# ---------------------------------------------------------------- TensorFlow

META_GRAPHS = sorted(str(p.relative_to(PROJECT)) for p in (PROJECT / "fixtures").rglob("*.meta"))


@pytest.mark.parametrize("file", META_GRAPHS)
def test_tensorflow_reads_ours_as_the_one_it_wrote(
    tensorflow_2_21: Judge, tmp_path: Path, file: str
) -> None:
    source = PROJECT / file
    meta_graph = tfa.open(source)
    assert isinstance(meta_graph, MetaGraph)
    assert_tensorflow_reads(tensorflow_2_21, meta_graph, source, tmp_path)


def assert_tensorflow_reads(
    judge: Judge, meta_graph: MetaGraph, source: Path, folder: Path
) -> None:
    changes: list[Callable[[MetaGraph], MetaGraph]] = [lambda same: same, rebuilt]
    for change in changes:
        path = folder / "ours.meta"
        path.write_bytes(joined(encode_meta_graph(change(meta_graph))))
        assert judge.same_message("MetaGraphDef", source, path), change


@pytest.mark.parametrize("file", META_GRAPHS)
def test_binary_meta_graphs_come_back_byte_for_byte(file: str) -> None:
    data = (PROJECT / file).read_bytes()
    meta_graph = tfa.open(PROJECT / file)
    assert isinstance(meta_graph, MetaGraph)
    written = joined(encode_meta_graph(meta_graph))
    if ".text." in file:
        expected = schema.text_to_binary("MetaGraphDef", data)
        assert canonical(parse("MetaGraphDef", written)) == canonical(
            parse("MetaGraphDef", expected)
        )
    else:
        assert len(written) == len(data)
        assert canonical(parse("MetaGraphDef", written)) == canonical(parse("MetaGraphDef", data))


def test_real_meta_graphs_come_back(
    tensorflow_2_21: Judge, shared_artifacts: Path, tmp_path: Path
) -> None:
    count = 0
    for source in sorted(shared_artifacts.rglob("*")):
        if source.suffix == ".meta" or source.name == "metrics_export_meta_graph.pb":
            meta_graph = tfa.open(source)
            assert isinstance(meta_graph, MetaGraph)
            assert_tensorflow_reads(tensorflow_2_21, meta_graph, source, tmp_path)
            count += 1
    assert count > 10


def test_tensorflow_runs_a_meta_graph_that_was_changed(
    tensorflow: Judge, fixtures: Path, tmp_path: Path
) -> None:
    import numpy as np

    folder = fixtures / "tensorflow-1.15" / "ref"
    meta_graph = tfa.open(folder / "model.ckpt-5.meta")
    assert isinstance(meta_graph, MetaGraph)
    # One node more, one attribute of every other node encoded anew.
    nodes = [*taken_apart(meta_graph.graph).nodes]
    nodes.append(Node("twice", "AddV2", ("y:0", "y:0"), attrs={"T": FLOAT}))
    changed = replace(meta_graph, graph=replace(meta_graph.graph, nodes=nodes))
    path = tmp_path / "changed.meta"
    path.write_bytes(joined(encode_meta_graph(changed)))
    feeds = {"x:0": np.load(folder / "X.npy")}
    results = tensorflow.run_checkpoint(
        folder / "model.ckpt-5", feeds, ["y:0", "twice:0"], meta=path
    )
    np.testing.assert_array_equal(results["twice:0"], 2 * results["y:0"])
    np.testing.assert_allclose(results["y:0"], np.load(folder / "expected_y.npy"), rtol=1e-6)


def test_meta_graphs_can_be_pickled(fixtures: Path) -> None:
    meta_graph = tfa.open(fixtures / "graphs" / "model.meta")
    assert isinstance(meta_graph, MetaGraph)
    again = pickle.loads(pickle.dumps(meta_graph))
    assert joined(encode_meta_graph(again)) == joined(encode_meta_graph(meta_graph))
    assert again.signatures == meta_graph.signatures
    assert dict(again.info.op_defs) == dict(meta_graph.info.op_defs)


def test_meta_graph_made_here_is_one_to_tensorflow(tensorflow: Judge, tmp_path: Path) -> None:
    info = TensorInfo("x:0", FLOAT, (None, 2))
    meta_graph = MetaGraph(
        Graph([Node("x", "Placeholder", attrs={"dtype": FLOAT})], versions=Versions(27)),
        MetaInfo(("serve",), "2.21.0"),
        {"serving_default": Signature({"x": info}, {"y": info})},
        Saver("f:0", "s:0", "r"),
        {"numbers": Collection("int64_list", (7,))},
        (AssetFile("a:0", "a.txt"),),
    )
    path = tmp_path / "made.meta"
    path.write_bytes(joined(encode_meta_graph(meta_graph)))
    described = tensorflow.describe_meta_graph(path)
    assert described["tags"] == ["serve"]
    assert described["signatures"]["serving_default"]["inputs"]["x"] == {
        "encoding": "name",
        "name": "x:0",
        "dtype": "float32",
        "shape": [-1, 2],
    }
    assert described["collections"] == {"numbers": {"kind": "int64_list", "n": 1}}
    assert described["assets"] == [{"tensor": "a:0", "filename": "a.txt"}]
    assert described["saver_def"]["version"] == 2
