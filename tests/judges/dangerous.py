"""Makes SavedModels that do harm, and runs each, in TensorFlow 2.21: FOLDER is written to.

    python -m tests.judges.dangerous FOLDER     a model for each function below in FOLDER/NAME
    answers, a JSON object                      NAME: what was seen to happen when it ran, and
                                                whether saved_model_cli scan names anything

Every model keeps to FOLDER/harm/NAME: what it does there shows that it could do it anywhere.
"""

# TensorFlow has no types that mypy finds.
# mypy: disable-error-code="import-untyped, import-not-found, no-untyped-def, misc, no-untyped-call"

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from typing import Any

import tensorflow as tf
from tensorflow.python.tools import saved_model_cli, saved_model_utils

raw = tf.raw_ops
SCALAR = tf.TensorSpec([], tf.float32)
MODELS: dict[str, Any] = {}


def model(build):
    MODELS[build.__name__] = build
    return build


class Module(tf.Module):
    """A module whose serving_default is a function of one number."""

    def __init__(self, function):
        super().__init__()
        self.function = tf.function(function, input_signature=[SCALAR])


def written(path):
    with open(path, "rb") as file:
        return file.read().decode("latin-1")


@model
def write_file(path):
    def serve(x):
        tf.io.write_file(path, "written")
        return x

    return serve


@model
def write_in_branch(path):
    def serve(x):
        return tf.cond(x > 0, lambda: write_file(path)(x), lambda: x)

    return serve


@model
def write_in_loop(path):
    def serve(x):
        return tf.while_loop(lambda i: i < 3, lambda i: [write_file(path)(i) + 1], [x])[0]

    return serve


@model
def python_function(path):
    def python(x):
        with open(path, "w") as file:
            file.write("written")
        return x

    def serve(x):
        return tf.ensure_shape(tf.py_function(python, [x], tf.float32), [])

    return serve


@model
def numpy_function(path):
    def python(x):
        with open(path, "w") as file:
            file.write("written")
        return x

    def serve(x):
        return tf.ensure_shape(tf.numpy_function(python, [x], tf.float32), [])

    return serve


@model
def print_to_file(path):
    def serve(x):
        tf.print("written", output_stream=f"file://{path}")
        return x

    return serve


@model
def save_in_signature(path):
    def serve(x):
        save = raw.SaveV2(prefix=path, tensor_names=["x"], shape_and_slices=[""], tensors=[x])
        with tf.control_dependencies([save]):
            return tf.identity(x)

    return serve


@model
def merge_in_signature(path):
    """Moves whatever it names: what was there before is gone."""
    raw.SaveV2(
        prefix=path + "-source", tensor_names=["x"], shape_and_slices=[""], tensors=[tf.ones([])]
    )

    def serve(x):
        raw.MergeV2Checkpoints(
            checkpoint_prefixes=[path + "-source"], destination_prefix=path, delete_old_dirs=False
        )
        return x

    return serve


@model
def read_file(path):
    with open(path, "w") as file:
        file.write("secret")

    def serve(x):
        return tf.io.read_file(path)

    return serve


def _count(dataset):
    return dataset.reduce(0.0, lambda total, _: total + 1.0)


@model
def cache_dataset(path):
    def serve(x):
        return x + _count(tf.data.Dataset.range(3).cache(path))

    return serve


@model
def records_to_file(path):
    def serve(x):
        dataset = tf.data.Dataset.from_tensors("record")
        raw.DatasetToTFRecord(
            input_dataset=dataset._variant_tensor, filename=path, compression_type=""
        )
        return x

    return serve


def _graph_of(dataset):
    """A dataset's serialized GraphDef."""
    return raw.DatasetToGraphV2(
        input_dataset=dataset._variant_tensor, external_state_policy=1, strip_device_assignment=True
    ).numpy()


def _first_of(graph, x):
    # A constant alone would be folded away, which fails for datasets.
    variant = raw.DatasetFromGraph(graph_def=tf.where(x > 0, graph, ""))
    (first,) = raw.DatasetToSingleElement(
        dataset=variant, output_types=[tf.float32], output_shapes=[[]]
    )
    return x + first


@model
def nested_dataset(path):
    def element(x):
        tf.io.write_file(path, "written")
        return x

    graph = _graph_of(tf.data.Dataset.from_tensors(1.0).map(element))
    return lambda x: _first_of(tf.constant(graph), x)


@model
def twice_nested_dataset(path):
    def element(x):
        tf.io.write_file(path, "written")
        return x

    inner = _graph_of(tf.data.Dataset.from_tensors(1.0).map(element))
    outer = _graph_of(
        tf.data.Dataset.from_tensors(1.0).map(lambda x: _first_of(tf.constant(inner), x))
    )
    return lambda x: _first_of(tf.constant(outer), x)


@model
def summary_writer(path):
    def serve(x):
        writer = raw.SummaryWriter(shared_name="writer")
        made = raw.CreateSummaryFileWriter(
            writer=writer, logdir=path, max_queue=1, flush_millis=1, filename_suffix=""
        )
        with tf.control_dependencies([made]):
            step = tf.constant(1, tf.int64)
            raw.WriteScalarSummary(writer=writer, step=step, tag="loss", value=x)
            raw.FlushSummaryWriter(writer=writer)
        return x

    return serve


class _Resource(tf.saved_model.experimental.TrackableResource):
    def __init__(self, path):
        super().__init__()
        self._path = path

    def _create_resource(self):
        return raw.MutableHashTableV2(key_dtype=tf.string, value_dtype=tf.int64)

    def _initialize(self):
        tf.io.write_file(self._path, "written")


@model
def write_while_loading(path):
    resource = _Resource(path)
    resource.resource_handle  # noqa: B018 - makes it

    def serve(x):
        return x + tf.cast(raw.LookupTableSizeV2(table_handle=resource.resource_handle), tf.float32)

    made: Any = serve
    made.resource = resource
    return made


@model
def write_in_gradient(path):
    @tf.custom_gradient
    def same(x):
        def gradient(upstream):
            with tf.control_dependencies([raw.WriteFile(filename=path, contents="written")]):
                return tf.identity(upstream)

        return tf.identity(x), gradient

    return same


def run(name, folder):
    loaded = tf.saved_model.load(folder)
    if name == "write_in_gradient":
        x = tf.constant(1.0)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = loaded.function(x)
        tape.gradient(y, x)
        return None
    (output,) = loaded.signatures["serving_default"](tf.constant(1.0)).values()
    return output.numpy()


def is_named_by_saved_model_cli(folder):
    """What `saved_model_cli scan` says of the meta graphs."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        for meta_graph in saved_model_utils.read_saved_model(folder).meta_graphs:
            saved_model_cli.scan_meta_graph_def(meta_graph, saved_model_cli._OP_DENYLIST)
    return "contains the following denylisted ops" in said.getvalue()


def remains(path):
    """Everything whose path begins so, with what the files hold."""
    folder = os.path.dirname(path)
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            whole = os.path.join(parent, name)
            if whole.startswith(path):
                found[os.path.relpath(whole, folder)] = written(whole)[:100]
    return found


def clear(path):
    """Nothing that making the model has left counts, but what it is to read or move."""
    folder = os.path.dirname(path)
    for name in list(remains(path)):
        if not name.startswith(("read_file", "merge_in_signature-source")):
            os.unlink(os.path.join(folder, name))


def main(folder):
    harm = os.path.join(folder, "harm")
    os.makedirs(harm)
    seen = {}
    for name, build in MODELS.items():
        path = os.path.join(harm, name)
        function = build(path)
        module = Module(function)
        module.kept = getattr(function, "resource", None)
        exported = os.path.join(folder, name)
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=True)
        concrete = module.function.get_concrete_function()
        tf.saved_model.save(module, exported, {"serving_default": concrete}, options)
        clear(path)
        output = run(name, exported)
        seen[name] = {
            "output": output.decode() if isinstance(output, bytes) else None,
            "files": remains(path),
            "saved_model_cli": is_named_by_saved_model_cli(exported),
        }
    return seen


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    json.dump(main(sys.argv[1]), answers)
    answers.close()
