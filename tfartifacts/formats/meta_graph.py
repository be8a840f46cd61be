"""MetaGraphDef: a graph with signatures, saver, collections and assets; a `.meta` file holds one.

    MetaGraphDef : 1 meta_info_def  2 graph_def  3 saver_def  4 collection_def (map)
                   5 signature_def (map)  6 asset_file_def*  7 object_graph_def
    MetaInfoDef  : 1 meta_graph_version  2 stripped_op_list {1 op*}  3 any_info  4 tags*
                   5 tensorflow_version  6 tensorflow_git_version  7 stripped_default_attrs
    SaverDef     : 1 filename_tensor_name  2 save_tensor_name  3 restore_op_name  4 max_to_keep
                   5 sharded  6 keep_checkpoint_every_n_hours (float)  7 version
    SignatureDef : 1 inputs (map)  2 outputs (map)  3 method_name  4 defaults (map)
    TensorInfo   : 1 name | 4 coo_sparse {1 values 2 indices 3 dense_shape}
                 | 5 composite_tensor {1 type_spec 2 components*};  2 dtype  3 tensor_shape
    CollectionDef: one of 1 node_list {1 string*}  2 bytes_list {1 bytes*}  3 int64_list
                   4 float_list  5 any_list {1 Any*}
    AssetFileDef : 1 tensor_info  2 filename
    VariableDef  : 1 variable_name  2 initializer_name  3 snapshot_name  4 slice  5 is_resource
                   6 initial_value_name  7 trainable  8 synchronization  9 aggregation
                   (an element of the bytes_list of `variables` and its like)

Source: tensorflow/core/protobuf/{meta_graph,saver}.proto. A map's entries stand in any order;
the last of two with the same key wins.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from tfartifacts.dtypes import dtype_from_number
from tfartifacts.errors import FormatError
from tfartifacts.formats.graph_def import encode_graph, read_graph
from tfartifacts.formats.op_defs import EncodedOpDefs
from tfartifacts.formats.shapes import read_partial_shape, write_shape
from tfartifacts.formats.wire import (
    LENGTH_DELIMITED,
    Message,
    fields,
    put_bytes,
    put_entry,
    put_float32,
    put_integer,
    put_message,
    put_text,
    varint,
)
from tfartifacts.model.graphs import SparseNames, TensorInfo
from tfartifacts.model.saved_models import (
    AssetFile,
    Collection,
    MetaGraph,
    MetaInfo,
    Saver,
    Signature,
    VariableDef,
)
from tfartifacts.model.values import Buffer, Deferred
from tfartifacts.records import dataclass

_COLLECTION_KINDS = {
    1: "node_list",
    2: "bytes_list",
    3: "int64_list",
    4: "float_list",
    5: "any_list",
}
_ASSETS_COLLECTION = "saved_model_assets"
_ASSET_TYPE = "tensorflow.AssetFileDef"
# python/framework/ops.py, GraphKeys: the collections registered with VariableDef
_VARIABLE_COLLECTIONS = frozenset(
    "variables trainable_variables local_variables model_variables moving_average_variables "
    "global_step metric_variables".split()
)


def read_meta_graph(
    message: Message,
    path: str | None = None,
    checkpoint_prefix: str | None = None,
    notes: tuple[str, ...] = (),
) -> MetaGraph:
    """The meta graph of a MetaGraphDef message. Raises FormatError with the byte offset."""
    info = _read_info(message.message(1), path)
    saver = message.message(3)
    collections = {key: _read_collection(entry.message(2)) for key, entry in message.entries(4)}
    asset_files = tuple(_read_asset_file(asset) for asset in message.messages(6))
    return MetaGraph(
        graph=read_graph(message.part(2), info.op_defs, path),
        info=info,
        signatures={key: read_signature(entry.message(2)) for key, entry in message.entries(5)},
        saver=None if saver is None else _read_saver(saver),
        collections=collections,
        asset_files=asset_files or _assets_in_collection(collections),
        object_graph=message.merged(7) if 7 in message else None,
        path=path,
        checkpoint_prefix=checkpoint_prefix,
        notes=notes,
        unknown_fields=message.without(1, 2, 3, 4, 5, 6, 7),
        variable_defs_part=Deferred(_LoadVariableDefs(collections)),
    )


@dataclass(frozen=True, slots=True)
class _LoadVariableDefs:
    """Decodes the collections of variables when called."""

    collections: Mapping[str, Collection]

    def __call__(self) -> Mapping[str, tuple[VariableDef, ...]]:
        found: dict[str, tuple[VariableDef, ...]] = {}
        for key, collection in self.collections.items():
            if collection.kind == "bytes_list" and key in _VARIABLE_COLLECTIONS:
                found[key] = tuple(
                    value if isinstance(value, VariableDef) else read_variable_def(Message(value))
                    for value in collection.values
                )
        return found


def read_variable_def(message: Message) -> VariableDef:
    return VariableDef(
        message.text(1),
        message.text(2),
        message.text(3),
        message.text(6),
        message.flag(5),
        message.without(1, 2, 3, 5, 6),
    )


def encode_variable_def(variable: VariableDef) -> bytes:
    return (
        put_text(1, variable.name)
        + put_text(2, variable.initializer)
        + put_text(3, variable.snapshot)
        + put_integer(5, int(variable.is_resource))
        + put_text(6, variable.initial_value)
        + variable.unknown_fields
    )


def _read_info(message: Message | None, path: str | None) -> MetaInfo:
    if message is None:
        return MetaInfo()
    ops = message.message(2)
    return MetaInfo(
        tags=tuple(message.texts(4)),
        tensorflow_version=message.text(5),
        tensorflow_git_version=message.text(6),
        op_defs={} if ops is None else EncodedOpDefs(ops, path),
        stripped_default_attrs=message.flag(7),
        unknown_fields=message.without(2, 4, 5, 6, 7),
    )


def _read_saver(message: Message) -> Saver:
    return Saver(
        message.text(1),
        message.text(2),
        message.text(3),
        message.integer(4),
        message.flag(5),
        message.float32(6),
        message.integer(7),
        message.without(1, 2, 3, 4, 5, 6, 7),
    )


def _read_collection(message: Message | None) -> Collection:
    if message is None:
        return Collection("")
    number = message.last_set(dict.fromkeys(_COLLECTION_KINDS, LENGTH_DELIMITED))
    if number is None:
        return Collection("")
    kind = _COLLECTION_KINDS[number]
    listed = message.message(number) or Message(b"")
    match kind:
        case "node_list":
            return Collection(kind, tuple(listed.texts(1)))
        case "int64_list":
            return Collection(kind, tuple(listed.integers(1)))
        case "float_list":
            return Collection(kind, tuple(listed.floats(1, "f")))
    return Collection(kind, tuple(listed.all_bytes(1)))


def _read_asset_file(message: Message) -> AssetFile:
    tensor_info = message.message(1)
    return AssetFile("" if tensor_info is None else tensor_info.text(1), message.text(2))


def _assets_in_collection(collections: Mapping[str, Collection]) -> tuple[AssetFile, ...]:
    # The builder of TensorFlow 1 writes this collection and no asset_file_def, tf.saved_model.save
    # of TensorFlow 2 the other way round (saved_model/{builder_impl,save}.py).
    collection = collections.get(_ASSETS_COLLECTION)
    if collection is None or collection.kind != "any_list":
        return ()
    wrapped = (Message(value) for value in collection.values)
    return tuple(
        _read_asset_file(Message(message.raw(2)))
        for message in wrapped
        if message.text(1).endswith(_ASSET_TYPE)
    )


def _are_in_collection(meta_graph: MetaGraph) -> bool:
    """Whether the collection of assets says all there is to say of them."""
    try:
        return meta_graph.asset_files == _assets_in_collection(meta_graph.collections)
    except FormatError:  # damage that nobody looked at, beside an asset_file_def
        return False


def read_signature(message: Message | None) -> Signature:
    if message is None:
        return Signature({}, {}, "")
    return Signature(
        {key: read_tensor_info(entry.message(2)) for key, entry in message.entries(1)},
        {key: read_tensor_info(entry.message(2)) for key, entry in message.entries(2)},
        message.text(3),
        message.without(1, 2, 3),
    )


def read_tensor_info(message: Message | None) -> TensorInfo:
    if message is None:
        return TensorInfo("", None, ())
    number = message.integer(2)
    encoding = message.last_set(dict.fromkeys((1, 4, 5), LENGTH_DELIMITED))
    sparse = message.message(4) if encoding == 4 else None
    composite = message.message(5) if encoding == 5 else None
    return TensorInfo(
        name=message.text(1) if encoding == 1 else "",
        dtype=dtype_from_number(number) if number else None,
        shape=read_partial_shape(message.message(3)),
        sparse=None
        if sparse is None
        else SparseNames(sparse.text(1), sparse.text(2), sparse.text(3)),
        components=()
        if composite is None
        else tuple(read_tensor_info(part) for part in composite.messages(2)),
        type_spec=None if composite is None else composite.merged(1),
        unknown_fields=message.without(1, 2, 3, 4, 5),
    )


def encode_tensor_info(info: TensorInfo) -> bytes:
    encoding = put_text(1, info.name)
    tail = b""
    if info.sparse is not None:
        sparse = info.sparse
        names = (sparse.values, sparse.indices, sparse.dense_shape)
        encoding = b""
        tail = put_bytes(4, b"".join(put_text(i + 1, name) for i, name in enumerate(names)))
    elif info.encoding == "composite":
        encoding = b""
        parts = b"".join(put_bytes(2, encode_tensor_info(part)) for part in info.components)
        tail = put_bytes(5, put_bytes(1, info.type_spec or b"") + parts)
    dtype = put_integer(2, 0 if info.dtype is None else info.dtype.number)
    # TensorFlow gives a composite tensor no shape of its own.
    has_shape = info.encoding != "composite" or info.shape != ()
    shape = put_bytes(3, write_shape(info.shape)) if has_shape else b""
    return encoding + dtype + shape + tail + info.unknown_fields


def encode_signature(signature: Signature) -> bytes:
    inputs = [put_entry(1, key, encode_tensor_info(i)) for key, i in signature.inputs.items()]
    outputs = [put_entry(2, key, encode_tensor_info(i)) for key, i in signature.outputs.items()]
    return b"".join(
        [*inputs, *outputs, put_text(3, signature.method_name), signature.unknown_fields]
    )


def _encode_info(info: MetaInfo) -> bytes:
    ops = info.op_defs
    op_list = put_bytes(2, ops.encoded()) if isinstance(ops, EncodedOpDefs) else b""
    return b"".join(
        [
            op_list,
            *(put_bytes(4, tag.encode()) for tag in info.tags),
            put_text(5, info.tensorflow_version),
            put_text(6, info.tensorflow_git_version),
            put_integer(7, int(info.stripped_default_attrs)),
            info.unknown_fields,
        ]
    )


def _encode_saver(saver: Saver) -> bytes:
    return (
        put_text(1, saver.filename_tensor_name)
        + put_text(2, saver.save_tensor_name)
        + put_text(3, saver.restore_op_name)
        + put_integer(4, saver.max_to_keep)
        + put_integer(5, int(saver.sharded))
        + put_float32(6, saver.keep_checkpoint_every_n_hours)
        + put_integer(7, saver.version)
        + saver.unknown_fields
    )


def _encode_collection(collection: Collection) -> bytes:
    number = next((n for n, kind in _COLLECTION_KINDS.items() if kind == collection.kind), None)
    match collection.kind:
        case "node_list":
            values = b"".join(put_bytes(1, name.encode()) for name in collection.values)
        case "int64_list":
            values = put_bytes(1, b"".join(map(varint, collection.values)))
        case "float_list":
            packed = struct.pack(f"<{len(collection.values)}f", *collection.values)
            values = put_bytes(1, packed)
        case _:
            values = b"".join(
                put_bytes(1, encode_variable_def(v) if isinstance(v, VariableDef) else v)
                for v in collection.values
            )
    return b"" if number is None else put_bytes(number, values)


def _encode_asset_file(asset: AssetFile) -> bytes:
    return put_bytes(1, put_text(1, asset.tensor_name)) + put_text(2, asset.filename)


def encode_meta_graph(meta_graph: MetaGraph) -> list[Buffer]:
    """A MetaGraphDef, in pieces; the graph's bytes are not copied where nothing changed."""
    pieces: list[Buffer] = [put_bytes(1, _encode_info(meta_graph.info))]
    pieces += put_message(2, encode_graph(meta_graph.graph))
    if meta_graph.saver is not None:
        pieces.append(put_bytes(3, _encode_saver(meta_graph.saver)))
    pieces += [
        put_entry(4, key, _encode_collection(collection))
        for key, collection in meta_graph.collections.items()
    ]
    pieces += [
        put_entry(5, key, encode_signature(signature))
        for key, signature in meta_graph.signatures.items()
    ]
    if not _are_in_collection(meta_graph):
        pieces += [put_bytes(6, _encode_asset_file(asset)) for asset in meta_graph.asset_files]
    if meta_graph.object_graph is not None:
        pieces.append(put_bytes(7, meta_graph.object_graph))
    pieces.append(meta_graph.unknown_fields)
    return pieces


def splice_meta_graph(message: Message, edited: MetaGraph) -> list[Buffer]:
    """The message with the signatures and tags of `edited`, everything else byte for byte.

    The objects of TensorFlow 2 follow where one of their signatures is renamed or removed. They
    have no function for one that was added.
    """
    view = memoryview(message.buffer)
    pieces: list[Buffer] = []
    present = {key: read_signature(entry.message(2)) for key, entry in message.entries(5)}
    same = {key for key, signature in present.items() if signature == edited.signatures.get(key)}
    changes = _changed_keys(present, edited.signatures)
    added = [
        put_entry(5, key, encode_signature(signature))
        for key, signature in edited.signatures.items()
        if key not in same
    ]
    info_seen = False
    for number, wire_type, _, start, payload, end in fields(
        message.buffer, message.start, message.end
    ):
        if number > 5:
            # Behind the signatures there are, as if they had been written with them.
            pieces += added
            added = []
        if wire_type != LENGTH_DELIMITED:
            pass  # a known field of another wire type is an unknown one
        elif number == 1:
            part = Message(message.buffer, payload, end, message.depth + 1)
            tags = () if info_seen else edited.info.tags
            if tuple(part.texts(4)) != tags:
                pieces += put_message(1, _splice_tags(part, tags))
                info_seen = True
                continue
            info_seen = True
        elif number == 5 and Message(message.buffer, payload, end).text(1) not in same:
            continue
        elif number == 7 and changes:
            objects = Message(message.buffer, payload, end, message.depth + 1)
            from tfartifacts.formats.saved_object_graph import with_signature_keys

            pieces += put_message(7, with_signature_keys(objects, changes))
            continue
        pieces.append(view[start:end])
    pieces += added
    if not info_seen and edited.info.tags:
        pieces[:0] = put_message(1, [put_bytes(4, tag.encode()) for tag in edited.info.tags])
    return pieces


def _changed_keys(
    before: Mapping[str, Signature], after: Mapping[str, Signature]
) -> dict[str, str | None]:
    """The new key of each signature that is gone from its place; None where it is gone."""
    new = {key: signature for key, signature in after.items() if key not in before}
    changes: dict[str, str | None] = {}
    for key in before:
        if key not in after:
            match = (name for name, signature in new.items() if signature == before[key])
            changes[key] = next(match, None)
            new.pop(changes[key] or "", None)
    return changes


def _splice_tags(message: Message, tags: tuple[str, ...]) -> list[Buffer]:
    view = memoryview(message.buffer)
    pieces: list[Buffer] = []
    new: list[Buffer] = [put_bytes(4, tag.encode()) for tag in tags]
    for number, wire_type, _, start, _, end in fields(message.buffer, message.start, message.end):
        if number > 4:
            pieces += new
            new = []
        if (number, wire_type) != (4, LENGTH_DELIMITED):
            pieces.append(view[start:end])
    return pieces + new
