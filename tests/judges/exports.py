"""SavedModels as people export them: `python exports.py make FOLDER KIND...`, and `restore` again.

Runs with TensorFlow 1.15 and 2.21, Python 3.7 and later; not every kind is in both. `make` gives
each kind a folder with the SavedModel `export` and with `feeds.npz`, by tag, signature and key.
`restore JOBS`, a JSON list of arguments of that function, makes the objects of a kind anew with
other values, restores them by TensorFlow's means and writes what they compute.
"""

# mypy: ignore-errors

import json
import os
import shutil
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
v1.logging.set_verbosity(v1.logging.ERROR)
IS_1 = tf.__version__.startswith("1.")

X = np.random.RandomState(0).randn(16, 4).astype(np.float32)
LABELS = np.random.RandomState(1).randn(16, 3).astype(np.float32)
WORDS = np.array([b"a", b"c", b"zz"])


# --- TensorFlow 1: simple_save -------------------------------------------------------------------


def network(kind):
    """Placeholder and output of a small network whose variables are of that kind."""
    x = v1.placeholder(tf.float32, [None, 4], name="x")
    partitioner = v1.fixed_size_partitioner(3) if kind == "part" else None
    initializer = v1.random_normal_initializer()
    with v1.variable_scope("net", partitioner=partitioner, use_resource=kind == "res"):
        w1 = v1.get_variable("w1", [4, 7], initializer=initializer)
        w2 = v1.get_variable("w2", [7, 3], initializer=initializer)
    return x, tf.identity(tf.matmul(tf.nn.relu(tf.matmul(x, w1)), w2), name="y")


def table_of(path):
    """A table of the lines of a file, and its placeholder and output."""
    index = tf.lookup.TextFileIndex
    table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            path, tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
        ),
        -1,
    )
    words = v1.placeholder(tf.string, [None], name="words")
    return words, tf.identity(table.lookup(words), name="ids")


def vocabulary(folder):
    path = os.path.join(folder, "words.txt")
    with open(path, "w") as file:
        file.write("a\nb\nc\n")
    return path


def simple_save(folder, export, kind):
    """A network trained with Adam, saved as model-3 and exported by simple_save."""
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(2)
        x, y = network(kind)
        train = minimize(y)
        session.run(v1.global_variables_initializer())
        for _ in range(3):
            session.run(train, {x: X})
        v1.train.Saver(max_to_keep=3).save(session, os.path.join(folder, "model"), 3)
        v1.saved_model.simple_save(session, export, {"x": x}, {"y": y})
    return {"serve serving_default": {"x": X}}


def minimize(y):
    """The op that trains with Adam, without an input of its own but x."""
    step = v1.train.get_or_create_global_step()
    loss = tf.reduce_mean(tf.square(y - LABELS))
    return v1.train.AdamOptimizer(0.05).minimize(loss, step, name="train")


def simple_save_asset(folder, export, kind):
    """A table whose file is an asset, initialised by the init op."""
    with tf.Graph().as_default(), v1.Session() as session:
        x, y = network("ref")
        path = tf.constant(vocabulary(folder), name="path")
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, path)
        words, ids = table_of(path)
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        v1.saved_model.simple_save(
            session,
            export,
            {"x": x, "words": words},
            {"y": y, "ids": ids},
            legacy_init_op=v1.tables_initializer(name="start"),
        )
    return {"serve serving_default": {"x": X, "words": WORDS}}


def constant(folder, export, kind):
    """No variables at all."""
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], name="x")
        v1.saved_model.simple_save(session, export, {"x": x}, {"y": tf.matmul(x, LABELS[:4])})
    return {"serve serving_default": {"x": X}}


# --- TensorFlow 1: Estimator and Keras -----------------------------------------------------------


def model_fn(features, labels, mode):
    """A custom Estimator: batch normalisation, Adam."""
    hidden = v1.layers.dense(features["x"], 7, tf.nn.relu)
    hidden = v1.layers.batch_normalization(hidden, training=mode == tf.estimator.ModeKeys.TRAIN)
    y = v1.layers.dense(hidden, 3)
    predictions = {"y": y}
    if mode == tf.estimator.ModeKeys.PREDICT:
        outputs = {"serving_default": tf.estimator.export.PredictOutput(predictions)}
        return tf.estimator.EstimatorSpec(mode, predictions, export_outputs=outputs)
    labels = labels["labels"] if isinstance(labels, dict) else labels
    loss = v1.losses.mean_squared_error(labels, y)
    with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
        train = v1.train.AdamOptimizer(0.05).minimize(loss, v1.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, predictions, loss, train)


def numbers():
    return tf.data.Dataset.from_tensors(({"x": X}, LABELS)).repeat(3)


def raw_numbers():
    x = v1.placeholder(tf.float32, [None, 4], name="examples")
    return tf.estimator.export.ServingInputReceiver({"x": x}, {"x": x})


def moved(folder, export):
    """An export's folder has its time as its name."""
    shutil.move(folder.decode(), export)


def estimator(folder, export, kind):
    """`kind` "estimator_all": the graphs of training and evaluation are in it, too."""
    made = tf.estimator.Estimator(model_fn, os.path.join(folder, "model"))
    made.train(numbers)
    if kind == "estimator_all":
        modes = tf.estimator.ModeKeys

        supervised = tf.estimator.experimental.build_raw_supervised_input_receiver_fn(
            {"x": tf.constant(X)}, {"labels": tf.constant(LABELS)}
        )
        receivers = {modes.PREDICT: raw_numbers, modes.TRAIN: supervised, modes.EVAL: supervised}
        moved(made.experimental_export_all_saved_models(folder, receivers), export)
        supervised_feeds = {"x": X, "labels": LABELS}
        return {
            "serve serving_default": {"x": X},
            "eval eval": supervised_feeds,
            "train train": supervised_feeds,
        }
    moved(made.export_saved_model(folder, raw_numbers), export)
    return {"serve serving_default": {"x": X}}


def estimator_words(folder, export, kind):
    """A canned Estimator over a vocabulary file, fed serialized examples."""
    columns = tf.feature_column
    words = columns.categorical_column_with_vocabulary_file(
        "word", vocabulary(folder), num_oov_buckets=1
    )
    features = [columns.numeric_column("x", [4]), columns.embedding_column(words, 2)]
    made = tf.estimator.DNNClassifier([5], features, os.path.join(folder, "model"), n_classes=3)

    def batch():
        data = {"x": X[:3], "word": tf.constant(WORDS)}
        return tf.data.Dataset.from_tensors((data, tf.constant([0, 1, 2]))).repeat(3)

    made.train(batch)
    parsed = columns.make_parse_example_spec(features)
    receiver = tf.estimator.export.build_parsing_serving_input_receiver_fn(parsed)
    moved(made.export_saved_model(folder, receiver), export)
    feature = tf.train.Feature
    examples = [
        tf.train.Example(
            features=tf.train.Features(
                feature={
                    "x": feature(float_list=tf.train.FloatList(value=x)),
                    "word": feature(bytes_list=tf.train.BytesList(value=[word])),
                }
            )
        ).SerializeToString()
        for x, word in zip(X, WORDS)  # noqa: B905 - Python 3.7
    ]
    return {
        "serve serving_default": {"inputs": np.array(examples, object)},
        "serve predict": {"examples": np.array(examples, object)},
    }


def layers():
    """A Keras model, whose variables have other values each time."""
    keras = tf.keras
    model = keras.Sequential(
        [
            keras.layers.InputLayer(name="features", **{"input_shape" if IS_1 else "shape": [4]}),
            keras.layers.Dense(7, activation="relu", name="first"),
            keras.layers.BatchNormalization(name="normalization"),
            keras.layers.Dense(3, name="last"),
        ],
        name="stack",
    )
    model.compile("adam" if not IS_1 else v1.train.AdamOptimizer(0.05), "mse")
    return model


def keras_1(folder, export, kind):
    """tf.keras.experimental.export_saved_model: tags train, eval and serve, keys by objects."""
    with tf.Graph().as_default(), v1.Session().as_default():
        model = layers()
        model.fit(X, LABELS, epochs=2, verbose=0)
        tf.keras.experimental.export_saved_model(model, export)
    supervised_feeds = {"features": X, "last_target": LABELS}
    return {
        "serve serving_default": {"features": X},
        "eval eval": supervised_feeds,
        "train train": supervised_feeds,
    }


# --- TensorFlow 2 --------------------------------------------------------------------------------


class Module(tf.Module):
    """Variables, some of them in a list."""

    def __init__(self, seed):
        super().__init__()
        random = np.random.RandomState(seed)
        self.kernels = [
            tf.Variable(random.randn(4, 7).astype(np.float32), name="kernel_a"),
            tf.Variable(random.randn(7, 3).astype(np.float32), name="kernel_b"),
        ]
        self.bias = tf.Variable(random.randn(3).astype(np.float32), name="bias")
        self.unused = tf.Variable(random.randn(3), name="deep/down/double", trainable=False)

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def serve(self, x):
        """The output that the SavedModel's signature gives."""
        hidden = tf.nn.relu(tf.matmul(x, self.kernels[0]))
        return {"y": tf.matmul(hidden, self.kernels[1]) + self.bias}


class ModuleWithTable(Module):
    """The same with a table of an asset."""

    def __init__(self, path, seed):
        super().__init__(seed)
        index = tf.lookup.TextFileIndex
        initializer = tf.lookup.TextFileInitializer(
            path, tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
        )
        self.table = tf.lookup.StaticHashTable(initializer, -1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
    def look_up(self, words):
        return {"ids": self.table.lookup(words)}


def module(folder, export, kind):
    """A tf.Module, `kind` "module_asset" with a table of a file."""
    with_table = kind == "module_asset"
    made = ModuleWithTable(vocabulary(folder), 3) if with_table else Module(3)
    functions = {"serving_default": made.serve}
    feeds = {"serve serving_default": {"x": X}}
    if with_table:
        functions["look_up"] = made.look_up
        feeds["serve look_up"] = {"words": WORDS}
    tf.saved_model.save(made, export, functions)
    return feeds


def keras_2(folder, export, kind):
    """A Keras model by tf.saved_model.save, or (2.21) by its own method."""
    model = layers()
    if not IS_1:
        model.fit(X, LABELS, epochs=2, verbose=0)
    if kind == "keras_export":
        model.export(export, verbose=False)
        return {"serve serving_default": {"features": X}}
    tf.saved_model.save(model, export)
    return {"serve serving_default": {"features" if IS_1 else "inputs": X}}


IN_GRAPHS = {
    "ref": simple_save,
    "res": simple_save,
    "part": simple_save,
    "asset": simple_save_asset,
    "constant": constant,
    # TensorFlow 1.15 alone.
    "estimator": estimator,
    "estimator_all": estimator,
    "estimator_words": estimator_words,
    "keras_1": keras_1,
}
EAGER = {
    "module": module,
    "keras_2": keras_2,
    # TensorFlow 2.21 alone.
    "module_asset": module,
    "keras_export": keras_2,
}


def make(folder, kinds):
    """In 1.15 all kinds are eager, or none is: what was enabled once stays."""
    if IS_1 and kinds[0] in EAGER:
        v1.enable_eager_execution()
    for kind in kinds:
        place = os.path.join(os.path.abspath(folder), kind)
        os.makedirs(place)
        feeds = {**IN_GRAPHS, **EAGER}[kind](place, os.path.join(place, "export"), kind)
        arrays = {
            key + " " + name: np.array(value, "S") if value.dtype == object else value
            for key, feed in feeds.items()
            for name, value in feed.items()
        }
        np.savez(os.path.join(place, "feeds.npz"), **arrays)


# --- restored by TensorFlow's own means ----------------------------------------------------------


def restore(kind, prefix, result, names):
    """Into new objects, of which none may go without a value; then what they compute."""
    if kind.startswith("keras"):
        model = layers()
        variables = list(model.variables)
        if not IS_1:
            variables = [variable.value for variable in variables]
    else:
        model = Module(4)
        variables = list(model.variables)
    if names == "variable":
        by_name = {variable.name.partition(":")[0]: variable for variable in variables}
        assert len(by_name) == len(variables)
        v1.train.Saver(by_name).restore(None, prefix)
    elif kind == "keras_export":
        # The root of such an export is its archive, whose `variables` are the model's.
        status = tf.train.Checkpoint(variables=variables).read(prefix)
        status.assert_existing_objects_matched()
    elif not IS_1:
        status = tf.train.Checkpoint(model).read(prefix)
        # Keras makes the variables of its optimizer only when it trains.
        status.assert_existing_objects_matched() if kind == "keras_2" else status.assert_consumed()
    elif kind == "keras_2":
        model.load_weights(prefix).assert_existing_objects_matched()
    else:
        parts = {name: getattr(model, name) for name in ("kernels", "bias", "unused")}
        # Asserts nothing: an export has no save_counter, which this one takes for a fault.
        tf.train.Checkpoint(**parts).restore(prefix).expect_partial()
    y = model.serve(tf.constant(X))["y"] if kind == "module" else model(tf.constant(X))
    by_name = {variable.name.partition(":")[0]: variable.numpy() for variable in variables}
    np.savez(result, y=y.numpy(), **by_name)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], sys.argv[3:])
    else:
        if IS_1:
            v1.enable_eager_execution()
        for job in json.loads(sys.argv[2]):
            restore(**job)
