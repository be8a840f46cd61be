"""TensorFlow behind a pipe: one JSON request per line in, one JSON answer per line out.

    request : {"request": NAME, argument: value, ...}
    answer  : {"answer": value} | {"error": {"type": NAME, "text": TEXT}}

Started as `PYTHON -m tests.judges.worker` with the Python of TensorFlow 1.15 or 2.x. Each
function of REQUESTS below answers the request of its name. Arrays travel in files (exchange.py)
whose paths are arguments. Every request works in a graph of its own.

Runs in Python 3.7 and later: TensorFlow 1.15 has nothing newer.
"""

# TensorFlow has no types that mypy finds.
# mypy: disable-error-code="import-untyped, import-not-found"

from __future__ import annotations

import collections
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

# TensorFlow, the libraries below it and a stray print write to file descriptor 1; answers go to a
# copy of it that nobody else knows, and the rest joins stderr.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from google.protobuf import text_format  # noqa: E402
from tensorflow.core.framework import graph_pb2, variable_pb2  # noqa: E402
from tensorflow.core.protobuf import (  # noqa: E402
    meta_graph_pb2,
    saved_model_pb2,
    saved_object_graph_pb2,
    tensor_bundle_pb2,
    trackable_object_graph_pb2,
)
from tensorflow.core.util import saved_tensor_slice_pb2  # noqa: E402
from tensorflow.python.ops import io_ops  # noqa: E402
from tensorflow.python.training import checkpoint_state_pb2  # noqa: E402

from tests.judges import exchange  # noqa: E402

v1 = tf.compat.v1
# 1.15 would otherwise load a 2.x SavedModel into a graph; 2.x is eager already.
v1.enable_eager_execution()
v1.logging.set_verbosity(v1.logging.ERROR)

# What TensorFlow raises: its own errors and Python's. Interrupts pass.
AnyError = Exception
Json = Any

# The messages that can be asked for by name, without their package.
MESSAGES: dict[str, Any] = {
    message.DESCRIPTOR.name: message
    for message in (
        saved_model_pb2.SavedModel,
        meta_graph_pb2.MetaGraphDef,
        meta_graph_pb2.SignatureDef,
        graph_pb2.GraphDef,
        variable_pb2.VariableDef,
        checkpoint_state_pb2.CheckpointState,
        tensor_bundle_pb2.BundleHeaderProto,
        tensor_bundle_pb2.BundleEntryProto,
        saved_tensor_slice_pb2.SavedTensorSlices,
        trackable_object_graph_pb2.TrackableObjectGraph,
        saved_object_graph_pb2.SavedObjectGraph,
    )
}


# ---------------------------------------------------------------- arrays


def read_arrays(path: str | None) -> dict[str, Any]:
    """The arrays of an exchange file, as TensorFlow takes them; none for no path."""
    if path is None:
        return {}

    def numpy_dtype(name: str) -> Any:
        return np.dtype(tf.as_dtype(name).as_numpy_dtype)

    return {
        name: exchange.decode(tensor, numpy_dtype) for name, tensor in exchange.read(path).items()
    }


def write_arrays(path: str, arrays: Mapping[str, Any]) -> list[str]:
    """Write arrays to an exchange file; their names."""
    exchange.write(path, {name: exchange.encode(array) for name, array in arrays.items()})
    return list(arrays)


@contextlib.contextmanager
def new_session(soft_placement: bool = False, optimize: bool = True) -> Iterator[Any]:
    """A session over a new graph, which is the default one meanwhile.

    Without soft placement: a device that a conversion should have cleared is an error here.
    Without `optimize` no constant is folded into another, which may change the last bits.
    """
    config = v1.ConfigProto(allow_soft_placement=soft_placement)
    config.graph_options.rewrite_options.disable_meta_optimizer = not optimize
    with tf.Graph().as_default() as graph, v1.Session(graph=graph, config=config) as session:
        yield session


def run(session: Any, fetches: Mapping[str, str], feeds: Mapping[str, Any]) -> dict[str, Any]:
    """The values of `fetches` (key -> tensor or op name) in one run; an op has none."""
    elements = {key: session.graph.as_graph_element(name) for key, name in fetches.items()}
    values = session.run(elements, feed_dict=dict(feeds))
    return {key: value for key, value in values.items() if value is not None}


def error_of(error: BaseException) -> Json:
    """The type and the text of an error, as an answer holds them."""
    return {"type": type(error).__name__, "text": str(error)}


# ---------------------------------------------------------------- installation


def version() -> Json:
    """The versions of TensorFlow, Python, NumPy and protobuf."""
    import google.protobuf

    return {
        "tensorflow": tf.__version__,
        "python": sys.version.split()[0],
        "numpy": np.__version__,
        "protobuf": google.protobuf.__version__,
    }


# ---------------------------------------------------------------- checkpoints


def restore_tensor(prefix: str, name: str, dtype: Any, shape_and_slice: str = "") -> Any:
    """One tensor by the op that Saver uses, which reads what CheckpointReader refuses."""
    with new_session() as session:
        return session.run(io_ops.restore_v2(prefix, [name], [shape_and_slice], [dtype])[0])


def read_tensors(prefix: str) -> Iterator[tuple[str, Any, list[int], Any, Any, Any]]:
    """For each name, sorted: dtype, shape, value, CheckpointReader's error, RestoreV2's error."""
    reader = v1.train.NewCheckpointReader(prefix)
    dtypes = reader.get_variable_to_dtype_map()
    shapes = reader.get_variable_to_shape_map()
    for name in sorted(dtypes):
        value = reader_error = restore_error = None
        try:
            value = reader.get_tensor(name)
        except AnyError as error:
            reader_error = error_of(error)
            try:
                value = restore_tensor(prefix, name, dtypes[name])
            except AnyError as second_error:
                restore_error = error_of(second_error)
        yield name, dtypes[name], list(shapes[name]), value, reader_error, restore_error


def list_checkpoint(prefix: str, output: str | None = None) -> Json:
    """What TensorFlow reads of a checkpoint: name, dtype, shape and sha256 of each tensor.

    A tensor that CheckpointReader refuses has `reader_error`, and its value if RestoreV2 gives it
    (else `restore_error` and no sha256). `output` takes the values.
    """
    tensors = []
    arrays = {}
    for name, dtype, shape, value, reader_error, restore_error in read_tensors(prefix):
        entry: dict[str, Any] = {"name": name, "dtype": dtype.name, "shape": shape}
        if value is not None:
            arrays[name] = exchange.encode(value, dtype.name)
            entry["sha256"] = arrays[name].sha256()
        if reader_error is not None:
            entry["reader_error"] = reader_error
        if restore_error is not None:
            entry["restore_error"] = restore_error
        tensors.append(entry)
    if output is not None:
        exchange.write(output, arrays)
    return tensors


def restore_slice(prefix: str, name: str, dtype: str, shape_and_slice: str, output: str) -> Json:
    """A slice of a variable ("4 3 0,2:-"), under its name in `output`."""
    value = restore_tensor(prefix, name, tf.as_dtype(dtype), shape_and_slice)
    return write_arrays(output, {name: value})


def latest_checkpoint(directory: str) -> Json:
    """The prefix `tf.train.latest_checkpoint` gives, or None."""
    return tf.train.latest_checkpoint(directory)


def checkpoint_state(directory: str) -> Json:
    """The state file as `tf.train.get_checkpoint_state` reads it, or None."""
    state = tf.train.get_checkpoint_state(directory)
    if state is None:
        return None
    return {
        "model_checkpoint_path": state.model_checkpoint_path,
        "all_model_checkpoint_paths": list(state.all_model_checkpoint_paths),
        "all_model_checkpoint_timestamps": list(state.all_model_checkpoint_timestamps),
        "last_preserved_timestamp": state.last_preserved_timestamp,
    }


def train_on(*, directory: str, name: str, steps: Sequence[int], max_to_keep: int) -> Json:
    """Restore the latest checkpoint, take on those listed and save: what a Saver then keeps."""
    state = tf.train.get_checkpoint_state(directory)
    with new_session() as session:
        v1.train.import_meta_graph(state.model_checkpoint_path + ".meta", clear_devices=True)
        saver = v1.train.Saver(max_to_keep=max_to_keep)
        saver.restore(session, state.model_checkpoint_path)
        saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
        for step in steps:
            saver.save(session, os.path.join(directory, name), global_step=step)
        return list(saver.last_checkpoints)


def manage(*, directory: str, name: str, max_to_keep: int) -> Json:
    """What a CheckpointManager takes over, and what it keeps after one save."""
    variables = tf.train.Checkpoint(v=tf.Variable(1.0))
    manager = tf.train.CheckpointManager(variables, directory, max_to_keep, checkpoint_name=name)
    before = list(manager.checkpoints)
    latest = manager.latest_checkpoint
    manager.save()
    return {"latest": latest, "before": before, "after": list(manager.checkpoints)}


def run_checkpoint(
    *,
    prefix: str,
    fetches: Mapping[str, str],
    output: str,
    feeds: str | None = None,
    meta: str | None = None,
    clear_devices: bool = True,
    initialize_tables: bool = False,
    initialize_feeds: str | None = None,
    runs: int = 1,
    save_to: str | None = None,
    soft_placement: bool = False,
    optimize: bool = True,
) -> Json:
    """Import `prefix`.meta (or `meta`), restore, run `fetches`; the keys fetched.

    Several `runs` repeat it in one session (a train op, then a loss), the last one is answered.
    `save_to` saves the variables again with the same Saver, after the runs. `soft_placement` is
    for devices inside functions, which `clear_devices` leaves.
    """
    with new_session(soft_placement, optimize) as session:
        saver = v1.train.import_meta_graph(meta or prefix + ".meta", clear_devices=clear_devices)
        if initialize_tables:
            initial = [v1.local_variables_initializer(), v1.tables_initializer()]
            session.run(initial, feed_dict=read_arrays(initialize_feeds))
        if saver is not None:
            saver.restore(session, prefix)
        values: dict[str, Any] = {}
        for _ in range(runs):
            values = run(session, fetches, read_arrays(feeds))
        if save_to is not None:
            saver.save(session, save_to)
    return write_arrays(output, values)


def write_bundle(
    *,
    prefix: str,
    tensors: str,
    shape_and_slices: Mapping[str, str] | None = None,
    shards: Sequence[Sequence[str]] | None = None,
    names: Mapping[str, str] | None = None,
) -> Json:
    """Write the arrays of `tensors` as a V2 checkpoint by SaveV2, one shard per list of `shards`.

    `names` gives the variable an array is a part of, `shape_and_slices` which part
    ("4 3 0,2:-").
    """
    arrays = exchange.read(tensors)
    values = read_arrays(tensors)
    groups = [list(group) for group in shards] if shards is not None else [list(arrays)]
    parts = []
    with new_session() as session:
        for number, group in enumerate(groups):
            part = prefix if len(groups) == 1 else f"{prefix}_part{number}"
            parts.append(part)
            inputs = {
                name: v1.placeholder(tf.as_dtype(arrays[name].dtype), arrays[name].shape)
                for name in group
            }
            save = io_ops.save_v2(
                part,
                [(names or {}).get(name, name) for name in group],
                [(shape_and_slices or {}).get(name, "") for name in group],
                [inputs[name] for name in group],
            )
            session.run(save, {inputs[name]: values[name] for name in group})
        if len(parts) > 1:
            session.run(io_ops.merge_v2_checkpoints(parts, prefix, delete_old_dirs=False))
    return len(groups)


def write_v1(
    *,
    filename: str,
    tensors: str,
    shape_and_slices: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
) -> Json:
    """Write the arrays of `tensors` as one V1 checkpoint file by SaveSlices.

    A sharded one is several such files, `prefix-00000-of-00002` ...; `names` and
    `shape_and_slices` as in `write_bundle`.
    """
    arrays = exchange.read(tensors)
    values = read_arrays(tensors)
    with new_session() as session:
        inputs = {
            name: v1.placeholder(tf.as_dtype(tensor.dtype), tensor.shape)
            for name, tensor in arrays.items()
        }
        save = tf.raw_ops.SaveSlices(
            filename=filename,
            tensor_names=[(names or {}).get(name, name) for name in arrays],
            shapes_and_slices=[(shape_and_slices or {}).get(name, "") for name in arrays],
            data=[inputs[name] for name in arrays],
        )
        session.run(save, {inputs[name]: values[name] for name in arrays})
    return len(arrays)


# ---------------------------------------------------------------- SavedModels


def tensor_names(key: str, info: Any) -> dict[str, str]:
    """The tensors of one signature entry: the key itself, or `key.part` for each part of it."""
    encoding = info.WhichOneof("encoding")
    if encoding == "coo_sparse":
        return {
            f"{key}.{part}": getattr(info.coo_sparse, part + "_tensor_name")
            for part in ("values", "indices", "dense_shape")
        }
    if encoding == "composite_tensor":
        names: dict[str, str] = {}
        for index, component in enumerate(info.composite_tensor.components):
            names.update(tensor_names(f"{key}.{index}", component))
        return names
    return {key: info.name}


def run_saved_model_v1(
    *,
    directory: str,
    tags: Sequence[str],
    output: str,
    signature: str | None = None,
    feeds: str | None = None,
    fetches: Mapping[str, str] | None = None,
    clear_devices: bool = False,
    optimize: bool = True,
) -> Json:
    """Load with `tf.compat.v1.saved_model.load`, run; the keys fetched.

    With a `signature`, feeds and outputs go by its keys. A feed whose key it does not have, and
    `fetches`, go by tensor name.
    """
    with new_session(optimize=optimize) as session:
        meta_graph = v1.saved_model.load(
            session, list(tags), directory, clear_devices=clear_devices
        )
        inputs: dict[str, str] = {}
        outputs = dict(fetches or {})
        if signature is not None:
            if signature not in meta_graph.signature_def:
                raise KeyError(f"signatures: {sorted(meta_graph.signature_def)}")
            definition = meta_graph.signature_def[signature]
            for key, info in definition.inputs.items():
                inputs.update(tensor_names(key, info))
            for key, info in definition.outputs.items():
                outputs.update(tensor_names(key, info))
        arrays = read_arrays(feeds)
        values = run(session, outputs, {inputs.get(key, key): arrays[key] for key in arrays})
    return write_arrays(output, values)


def run_saved_model_v2(
    *,
    directory: str,
    output: str,
    signature: str = "serving_default",
    feeds: str | None = None,
    tags: Sequence[str] | None = None,
) -> Json:
    """Load with `tf.saved_model.load` of TensorFlow 2, call a signature; the keys it gives."""
    # The graph of a request must not be the default here: the loaded functions are called eagerly.
    loaded = tf.compat.v2.saved_model.load(directory, tags=list(tags) if tags else None)
    if signature not in loaded.signatures:
        raise KeyError(f"signatures: {sorted(loaded.signatures)}")
    arrays = read_arrays(feeds)
    values = loaded.signatures[signature](
        **{key: tf.constant(array) for key, array in arrays.items()}
    )
    return write_arrays(output, {key: value.numpy() for key, value in values.items()})


def run_saved_model_c(
    *,
    directory: str,
    tags: Sequence[str],
    output: str,
    signature: str = "serving_default",
    feeds: str | None = None,
) -> Json:
    """Load with the C++ loader, run a signature with TF_SessionRun; the keys it gives."""
    # Its library is looked for where it is needed.
    from tests.judges import c_api

    session = c_api.Session(directory, tags)
    try:
        definition = session.meta_graph.signature_def[signature]
        inputs: dict[str, str] = {}
        outputs: dict[str, str] = {}
        for key, info in definition.inputs.items():
            inputs.update(tensor_names(key, info))
        for key, info in definition.outputs.items():
            outputs.update(tensor_names(key, info))
        arrays = read_arrays(feeds)
        values = session.run(outputs, {inputs[key]: arrays[key] for key in arrays})
    finally:
        session.close()
    return write_arrays(output, values)


def is_valid_signature(hex: str) -> Json:
    """Whether TensorFlow Serving can serve a SignatureDef, in TensorFlow's opinion."""
    definition = meta_graph_pb2.SignatureDef.FromString(bytes.fromhex(hex))
    return v1.saved_model.is_valid_signature(definition)


# ---------------------------------------------------------------- graphs and messages


def parse_message(kind: str, path: str) -> Any:
    """The message of type `kind` in a file: binary, else text."""
    with open(path, "rb") as file:
        content = file.read()
    message = MESSAGES[kind]()
    try:
        message.ParseFromString(content)
    except AnyError:
        # A new message: the failed parse left unknown fields in the other.
        return text_format.Parse(content.decode("utf-8"), MESSAGES[kind]())
    return message


def describe_graph(graph: Any) -> Json:
    """Node counts of a GraphDef, in total and by op, outside and inside its functions."""
    function_nodes = [node for function in graph.library.function for node in function.node_def]
    return {
        "node_count": len(graph.node),
        "op_histogram": collections.Counter(node.op for node in graph.node),
        "functions": len(graph.library.function),
        "function_node_count": len(function_nodes),
        "function_op_histogram": collections.Counter(node.op for node in function_nodes),
        "gradients": len(graph.library.gradient),
        "placeholders": [node.name for node in graph.node if node.op == "Placeholder"],
        "devices": sorted({node.device for node in graph.node} - {""}),
        "versions": {
            "producer": graph.versions.producer,
            "min_consumer": graph.versions.min_consumer,
            "bad_consumers": list(graph.versions.bad_consumers),
        },
    }


def describe_tensor_info(info: Any) -> Json:
    """A TensorInfo: encoding, name or names, dtype, shape (None: unknown rank)."""
    encoding = info.WhichOneof("encoding")
    described = {
        "encoding": encoding,
        "dtype": tf.as_dtype(info.dtype).name if info.dtype else "",
        "shape": None
        if info.tensor_shape.unknown_rank
        else [dim.size for dim in info.tensor_shape.dim],
    }
    if encoding in (None, "name"):
        described["name"] = info.name
    else:
        described["names"] = tensor_names("", info)
    return described


def describe_collection(collection: Any) -> Json:
    """The kind of a collection and how many values it has."""
    kind = collection.WhichOneof("kind")
    return {"kind": kind, "n": len(getattr(collection, kind).value) if kind else 0}


def describe_meta_graph_def(meta_graph: Any) -> Json:
    """What `inspect` says of a MetaGraphDef, from TensorFlow's own messages."""
    info = meta_graph.meta_info_def
    saver = meta_graph.saver_def
    return {
        "tags": sorted(info.tags),
        "tensorflow_version": info.tensorflow_version,
        "stripped_ops": len(info.stripped_op_list.op),
        "graph": describe_graph(meta_graph.graph_def),
        "signatures": {
            key: {
                "method_name": signature.method_name,
                "inputs": {
                    name: describe_tensor_info(info) for name, info in signature.inputs.items()
                },
                "outputs": {
                    name: describe_tensor_info(info) for name, info in signature.outputs.items()
                },
            }
            for key, signature in meta_graph.signature_def.items()
        },
        "collections": {
            name: describe_collection(collection)
            for name, collection in meta_graph.collection_def.items()
        },
        "has_saver_def": meta_graph.HasField("saver_def"),
        "saver_def": {
            "filename_tensor_name": saver.filename_tensor_name,
            "save_tensor_name": saver.save_tensor_name,
            "restore_op_name": saver.restore_op_name,
            "max_to_keep": saver.max_to_keep,
            "sharded": saver.sharded,
            "version": saver.version,
        },
        "assets": [
            {"tensor": asset.tensor_info.name, "filename": asset.filename}
            for asset in meta_graph.asset_file_def
        ],
        "object_graph_nodes": len(meta_graph.object_graph_def.nodes),
    }


def describe_meta_graph(path: str) -> Json:
    """The MetaGraphDef in a file, described."""
    return describe_meta_graph_def(parse_message("MetaGraphDef", path))


def describe_saved_model(path: str) -> Json:
    """The meta graphs of a `saved_model.pb` or `.pbtxt`, described."""
    return [
        describe_meta_graph_def(meta_graph)
        for meta_graph in parse_message("SavedModel", path).meta_graphs
    ]


def describe_graph_def(path: str) -> Json:
    """The GraphDef in a file, described."""
    return describe_graph(parse_message("GraphDef", path))


def tensors_of_meta_graph(path: str) -> Json:
    """Dtype and shape of every tensor of a meta graph by TensorFlow's shape inference."""
    tensors = {}
    with new_session() as session:
        v1.train.import_meta_graph(path, clear_devices=True)
        for operation in session.graph.get_operations():
            for tensor in operation.outputs:
                shape = tensor.shape.as_list() if tensor.shape.rank is not None else None
                tensors[tensor.name] = {"dtype": tensor.dtype.name, "shape": shape}
    return tensors


def import_graph_def(path: str) -> Json:
    """How many nodes TensorFlow has after importing the GraphDef in a file."""
    with new_session() as session:
        tf.import_graph_def(parse_message("GraphDef", path), name="")
        return len(session.graph.get_operations())


def run_graph_def(
    *, path: str, fetches: Mapping[str, str], output: str, feeds: str | None = None
) -> Json:
    """Import a GraphDef that needs no variables, run `fetches`; the keys fetched."""
    with new_session() as session:
        tf.import_graph_def(parse_message("GraphDef", path), name="")
        values = run(session, fetches, read_arrays(feeds))
    return write_arrays(output, values)


def parse_proto(kind: str, path: str | None = None, hex: str | None = None) -> Json:
    """A message, by file or by its bytes in hex: its canonical bytes' sha256, its text."""
    if path is not None:
        message = parse_message(kind, path)
    else:
        message = MESSAGES[kind]()
        message.ParseFromString(bytes.fromhex(hex or ""))
    canonical = message.SerializeToString(deterministic=True)
    return {
        "sha256": hashlib.sha256(canonical).hexdigest(),
        "size": len(canonical),
        "text": text_format.MessageToString(message),
    }


def same_message(kind: str, path_a: str, path_b: str) -> Json:
    """Whether two files, binary or text, hold equal messages.

    By canonical bytes: comparing messages would find NaN unequal to itself.
    """
    return parse_message(kind, path_a).SerializeToString(deterministic=True) == parse_message(
        kind, path_b
    ).SerializeToString(deterministic=True)


def convert_proto(kind: str, path: str, destination: str, text: bool = False) -> Json:
    """Write the message in `path` to `destination`, as text or binary; the bytes written."""
    message = parse_message(kind, path)
    content = (
        text_format.MessageToString(message).encode("utf-8")
        if text
        else message.SerializeToString(deterministic=True)
    )
    with open(destination, "wb") as file:
        file.write(content)
    return len(content)


def descriptors() -> Json:
    """Every message and enum reachable from MESSAGES, by full name, as TensorFlow declares it."""
    messages: dict[str, Any] = {}
    enums: dict[str, Any] = {}
    pending = [message.DESCRIPTOR for message in MESSAGES.values()]
    while pending:
        descriptor = pending.pop()
        if descriptor.full_name in messages:
            continue
        fields = []
        for field in descriptor.fields:
            if field.message_type is not None:
                pending.append(field.message_type)
            if field.enum_type is not None:
                enums[field.enum_type.full_name] = {
                    value.name: value.number for value in field.enum_type.values
                }
            fields.append(
                {
                    "name": field.name,
                    "number": field.number,
                    "type": FIELD_TYPES[field.type],
                    "label": "repeated" if is_repeated(field) else "optional",
                    "message": field.message_type and field.message_type.full_name,
                    "enum": field.enum_type and field.enum_type.full_name,
                    "oneof": field.containing_oneof and field.containing_oneof.name,
                }
            )
        messages[descriptor.full_name] = {
            "file": descriptor.file.name,
            "map_entry": descriptor.GetOptions().map_entry,
            "fields": fields,
        }
    return {"messages": messages, "enums": enums}


def is_repeated(field: Any) -> bool:
    """Whether a field is repeated: protobuf 7 has no `label`, protobuf 3 no `is_repeated`."""
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(field.label == field.LABEL_REPEATED)


FIELD_TYPES = {
    number: name[len("TYPE_") :].lower()
    for name, number in vars(type(saved_model_pb2.SavedModel.DESCRIPTOR.fields[0])).items()
    if name.startswith("TYPE_")
}


REQUESTS: dict[str, Callable[..., Json]] = {
    function.__name__: function
    for function in (
        version,
        list_checkpoint,
        restore_slice,
        latest_checkpoint,
        checkpoint_state,
        train_on,
        manage,
        run_checkpoint,
        write_bundle,
        write_v1,
        run_saved_model_v1,
        run_saved_model_v2,
        run_saved_model_c,
        is_valid_signature,
        describe_meta_graph,
        describe_saved_model,
        describe_graph_def,
        tensors_of_meta_graph,
        import_graph_def,
        run_graph_def,
        parse_proto,
        same_message,
        convert_proto,
        descriptors,
    )
}


def answer(line: str) -> Json:
    """The answer to one request line; an error of TensorFlow's is an answer, too."""
    arguments = json.loads(line)
    try:
        return {"answer": REQUESTS[arguments.pop("request")](**arguments)}
    except AnyError as error:
        return {"error": error_of(error)}


def main() -> None:
    """Answer requests until stdin ends."""
    for line in sys.stdin:
        ANSWERS.write(json.dumps(answer(line)) + "\n")
        ANSWERS.flush()


if __name__ == "__main__":
    main()
