"""Checkpoints of one small network in every manner of saving: `python sources.py FOLDER KIND...`.

Runs with TensorFlow 1.15 and 2.21, Python 3.7 and later. Each kind gets a folder with `model.meta`
and the checkpoint, and `source.npz`: feeds by tensor name, and what each output was. A feed of a
placeholder that a conversion is to fix is there as `set NAME`.
"""

# mypy: ignore-errors

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import function
from tensorflow.python.ops import lookup_ops

v1 = tf.compat.v1
v1.disable_v2_behavior()
v1.disable_resource_variables()
v1.logging.set_verbosity(v1.logging.ERROR)


class Source:
    """What a kind adds to `x` and `y`: feeds, outputs, how it is saved."""

    def __init__(self, folder):
        self.folder = folder
        self.random = np.random.RandomState(0)
        self.feeds = {"x:0": self.random.randn(32, 4).astype(np.float32)}
        self.outputs = ["y"]
        # Fed here, fixed by the conversion.
        self.set = {}
        # Run before the first step, after all initialisers.
        self.fill = []
        self.saver = {}
        self.scaffold = False
        self.averages = False
        self.train_on = None


KINDS = {}


def kind(build):
    """A function (source, x) -> y, registered by its name."""
    KINDS[build.__name__] = build
    return build


def placeholder():
    return v1.placeholder(tf.float32, [None, 4], name="x")


def normal(name, shape, **arguments):
    initializer = v1.random_normal_initializer(dtype=arguments.get("dtype", tf.float32))
    return v1.get_variable(name, shape, initializer=initializer, **arguments)


def network(x, places=(None, None, None), partitioners=(None, None), use_resource=False):
    """The hidden layer and the last one."""
    with v1.variable_scope("net", use_resource=use_resource):
        with tf.device(places[0]):
            w1 = normal("w1", [4, 7], partitioner=partitioners[0])
        with tf.device(places[1]):
            b1 = normal("b1", [7])
        with tf.device(places[2]):
            w2 = normal("w2", [7, 3], partitioner=partitioners[1])
    hidden = tf.nn.relu(tf.matmul(x, w1) + b1, name="hidden")
    return hidden, w2


def plain(x, **arguments):
    hidden, w2 = network(x, **arguments)
    return tf.matmul(hidden, w2)


# ---------------------------------------------------------------- manners of saving


@kind
def ref(source):
    return plain(placeholder())


@kind
def res(source):
    return plain(placeholder(), use_resource=True)


@kind
def part(source):
    """Cut along the first axis."""
    return plain(placeholder(), partitioners=[v1.fixed_size_partitioner(3)] * 2)


@kind
def part1(source):
    """Resource variables, one cut along the second axis, one along the first."""
    partitioners = [v1.fixed_size_partitioner(3, axis=1), v1.fixed_size_partitioner(2)]
    return plain(placeholder(), partitioners=partitioners, use_resource=True)


@kind
def sharded1(source):
    """As an Estimator saves."""
    source.saver["sharded"] = True
    return plain(placeholder())


@kind
def sharded3(source):
    source.saver["sharded"] = True
    source.train_on = "/cpu:0"
    return plain(placeholder(), places=["/cpu:0", "/cpu:1", "/cpu:2"])


@kind
def gpu(source):
    """On a device that is not there, in a function too."""

    @tf.function(autograph=False)
    def twice(value):
        with tf.device("/device:GPU:0"):
            return value * 2.0

    return twice(plain(placeholder(), places=[None, "/device:GPU:0", "/device:GPU:0"]))


@kind
def v1_format(source):
    source.saver["write_version"] = v1.train.SaverDef.V1
    return plain(placeholder())


@kind
def v1_part(source):
    source.saver["write_version"] = v1.train.SaverDef.V1
    return plain(placeholder(), partitioners=[v1.fixed_size_partitioner(3)] * 2)


@kind
def ema(source):
    """A saver that renames, batch normalisation, a while loop, a local variable."""
    source.averages = True
    hidden, w2 = network(placeholder())
    scale = normal("bn/gamma", [7])
    offset = v1.get_variable("bn/beta", [7], initializer=v1.zeros_initializer())
    mean = v1.get_variable("bn/mean", [7], initializer=v1.zeros_initializer(), trainable=False)
    variance = v1.get_variable("bn/var", [7], initializer=v1.ones_initializer(), trainable=False)
    hidden = tf.nn.batch_normalization(hidden, mean, variance, offset, scale, 1e-3)
    factor = v1.get_variable(
        "factor",
        [],
        initializer=v1.constant_initializer(1.5),
        trainable=False,
        collections=[v1.GraphKeys.LOCAL_VARIABLES],
    )
    keep_prob = v1.placeholder_with_default(1.0, [], name="keep_prob")
    rate = v1.placeholder(tf.float32, [], name="rate")
    source.feeds["rate:0"] = np.float32(0.25)
    _, hidden = v1.while_loop(
        lambda i, h: i < 3, lambda i, h: (i + 1, h * factor + rate), [tf.constant(0), hidden]
    )
    return tf.matmul(hidden * keep_prob, w2)


@kind
def estimator(source):
    """As an Estimator leaves it: a Scaffold, input from a dataset that is cut off."""
    source.scaffold = True
    examples = source.random.randn(64, 4).astype(np.float32)
    dataset = tf.data.Dataset.from_tensor_slices(examples).map(lambda row: row * 2.0)
    iterator = v1.data.make_initializable_iterator(dataset.batch(32).repeat())
    v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    source.feeds = {"IteratorGetNext:0": source.feeds["x:0"]}
    return plain(iterator.get_next())


@kind
def dtypes(source):
    """Variables of many types that outputs need, as references and as resources."""
    values = {
        "int64": [1 << 40, -1],
        "bool": [True, False],
        "string": [b"a", b"longer than a short string, which is 22 bytes"],
        "half": [0.5, -2.0],
        "bfloat16": [0.5, -3.0],
        # No zero: TensorFlow makes 2 * x of x + x, unless x is a constant, and its sign changes.
        "complex64": [1 + 2j, 3 - 1j],
        "double": [0.1, 0.2],
        "uint8": [255, 0],
        "int32": [],
    }
    for use_resource in (False, True):
        for name, value in values.items():
            dtype = tf.as_dtype(name)
            constant = np.array(value, object if dtype == tf.string else dtype.as_numpy_dtype)
            variable = v1.get_variable(
                f"{name}_{use_resource:d}",
                initializer=tf.constant(constant, dtype),
                use_resource=use_resource,
                trainable=False,
            )
            key = f"{name}_{use_resource:d}_out"
            if name in ("bool", "string"):
                tf.identity(variable, name=key)
            else:
                # NumPy has no bfloat16 to save an expected value in.
                total = variable + variable
                tf.identity(tf.cast(total, tf.float32) if name == "bfloat16" else total, name=key)
            source.outputs.append(key)
    return plain(placeholder())


# ---------------------------------------------------------------- lookups, functions, control flow


@kind
def table(source):
    """A table read from a file, a function of the library, a conditional."""
    y = plain(placeholder())
    path = os.path.join(source.folder, "vocab.txt")
    with open(path, "w") as file:
        file.write("a\nb\nc\n")
    asset = tf.constant(path, name="vocab_path")
    v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, asset)
    index = tf.lookup.TextFileIndex
    words = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            asset, tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
        ),
        -1,
    )
    strings = v1.placeholder(tf.string, [None], name="s")
    source.feeds["s:0"] = np.array([b"a", b"c", b"zz"])
    tf.identity(words.lookup(strings), name="idx")

    @function.Defun(tf.float32)
    def square(value):
        return tf.square(value)

    z = tf.identity(square(y), name="z")
    conditional = v1.cond(tf.reduce_sum(z) > 10.0, lambda: z * 2.0, lambda: z - 1.0)
    tf.identity(conditional, name="c")
    source.outputs += ["idx", "c"]
    return y


@kind
def mutable(source):
    """Two tables that the saver saves."""
    words = lookup_ops.MutableHashTable(tf.string, tf.int64, -1, name="words")
    dense = lookup_ops.DenseHashTable(tf.int64, tf.float32, -1.0, 0, -2, name="words-dense")
    numbers = tf.constant([1, 2], tf.int64)
    source.fill = [words.insert(tf.constant(["a", "b"]), numbers)]
    source.fill.append(dense.insert(numbers, tf.constant([0.5, 0.25])))
    strings = v1.placeholder(tf.string, [None], name="s")
    source.feeds["s:0"] = np.array([b"b", b"zz"])
    found = tf.identity(words.lookup(strings), name="idx")
    tf.identity(dense.lookup(tf.abs(found)), name="number")
    source.outputs += ["idx", "number"]
    return plain(placeholder())


@kind
def embedding(source):
    """Rows of a resource variable, whole and in parts, by both strategies; the shape of one."""
    x = placeholder()
    y = plain(x)
    ids = tf.cast(tf.abs(x[:, 0] * 10), tf.int32) % 7
    for name, partitioner in (("whole", None), ("parts", v1.fixed_size_partitioner(3))):
        for strategy in ("mod", "div"):
            rows = normal(f"{name}_{strategy}", [7, 3], partitioner=partitioner, use_resource=True)
            y = y + v1.nn.embedding_lookup(rows, ids, partition_strategy=strategy)
    with v1.variable_scope("shape"):
        matrix = normal("matrix", [2, 3], use_resource=True)
        corners = tf.stack([ids % 2, ids % 3], axis=1)
        y = y + tf.gather_nd(matrix, corners)[:, None]
        return y * tf.cast(tf.shape(matrix)[1], tf.float32)


@kind
def control(source):
    """Variables of both kinds, inside loops and conditionals that are nodes (Enter, Switch)."""
    y = plain(placeholder())
    for use_resource in (False, True):
        with v1.variable_scope(f"inside{use_resource:d}", use_resource=use_resource):
            step = normal("step", [3])
            other = normal("other", [3])
        y = v1.while_loop(lambda i, h: i < 3, lambda i, h, s=step: (i + 1, h + s), [0, y])[1]
        y = v1.cond(tf.reduce_sum(y) > 1.0, lambda h=y, o=other: h * o, lambda h=y: h)
    return y


@kind
def references(source):
    """A reference, not the value read of it, inside a loop and a conditional: RefEnter, RefSwitch.

    The loader of TensorFlow 2 cannot always: in what order it copies nodes is left to chance.
    """
    y = plain(placeholder())
    step = normal("step", [3], trainable=False)._ref()
    y = v1.while_loop(lambda i, h: i < 2, lambda i, h: (i + 1, h + tf.identity(step)), [0, y])[1]
    return v1.cond(tf.reduce_sum(y) > 1.0, lambda: y + tf.identity(step), lambda: y)


@kind
def values(source):
    """Functions that are given values alone: While, If, PartitionedCall, a table's handle."""
    y = plain(placeholder())
    words = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([1, 2], tf.int64)), -1
    )
    strings = v1.placeholder(tf.string, [None], name="s")
    source.feeds["s:0"] = np.array([b"b", b"zz"])
    source.outputs.append("idx")

    @tf.function(autograph=False)
    def look_up(strings):
        return words.lookup(strings) * 2

    tf.identity(look_up(strings), name="idx")
    with v1.variable_scope("inside", use_resource=True):
        step = tf.identity(normal("step", [3]))
    v1.enable_control_flow_v2()
    y = v1.while_loop(lambda i, h: i < 3, lambda i, h: (i + 1, h + step), [0, y])[1]
    y = v1.cond(tf.reduce_sum(y) > 1.0, lambda: y * step, lambda: y)
    v1.disable_control_flow_v2()

    @tf.function(autograph=False)
    def twice(value):
        return value * 2.0

    return twice(y)


@kind
def functional(source):
    """Functions that are given the handle of a variable: While, If, StatefulPartitionedCall."""
    y = plain(placeholder())
    with v1.variable_scope("inside", use_resource=True):
        step = normal("step", [3])
    v1.enable_control_flow_v2()
    y = v1.while_loop(lambda i, h: i < 3, lambda i, h: (i + 1, h + step), [0, y])[1]
    y = v1.cond(tf.reduce_sum(y) > 1.0, lambda: y * step, lambda: y)
    v1.disable_control_flow_v2()

    @tf.function(autograph=False)
    def moved(value):
        return value + step

    return moved(y)


@kind
def batch_norm(source):
    """Layers that behave otherwise in training, by placeholders that a conversion fixes."""
    is_training = v1.placeholder(tf.bool, [], name="is_training")
    keep_prob = v1.placeholder(tf.float32, name="keep_prob")
    source.set = {"is_training": np.bool_(False), "keep_prob": np.float32(1.0)}
    hidden, w2 = network(placeholder())
    scale, offset = normal("bn/gamma", [7]), normal("bn/beta", [7])
    mean = v1.get_variable("bn/mean", [7], initializer=v1.zeros_initializer(), trainable=False)
    variance = v1.get_variable("bn/var", [7], initializer=v1.ones_initializer(), trainable=False)

    def batch():
        moments = tf.nn.moments(hidden, [0])
        for moving, now in zip((mean, variance), moments):  # noqa: B905 - Python 3.7
            update = v1.assign_sub(moving, 0.1 * (moving - now))
            v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update)
        return moments

    with v1.name_scope("bn"):
        moments = v1.cond(is_training, batch, lambda: (mean.value(), variance.value()))
        hidden = tf.nn.batch_normalization(hidden, *moments, offset, scale, 1e-3)
    return tf.matmul(v1.nn.dropout(hidden, keep_prob), w2)


# ---------------------------------------------------------------- train, save


def make(folder, build):
    """Train and save one kind."""
    folder = os.path.abspath(folder)
    os.makedirs(folder)
    v1.reset_default_graph()
    v1.set_random_seed(1)
    source = Source(folder)
    y = tf.identity(build(source), name="y")
    labels = v1.placeholder(tf.float32, [None, 3], name="y_")
    loss = tf.reduce_mean(tf.square(y - labels), name="loss")
    step = v1.train.get_or_create_global_step()
    with tf.device(source.train_on):
        train = v1.train.AdamOptimizer(0.01).minimize(loss, step)
    names = None
    if source.averages:
        averages = tf.train.ExponentialMovingAverage(0.5)
        with tf.control_dependencies([train]):
            train = averages.apply(v1.trainable_variables())
        # As an evaluation restores: shadows in place of the variables.
        names = averages.variables_to_restore()
    initial = [
        v1.global_variables_initializer(),
        v1.local_variables_initializer(),
        v1.tables_initializer(),
    ]
    if source.scaffold:
        scaffold = v1.train.Scaffold()
        scaffold.finalize()
        saver = scaffold.saver
    else:
        saver = v1.train.Saver(**source.saver)
    feeds = {**source.feeds, **{f"{name}:0": value for name, value in source.set.items()}}
    config = v1.ConfigProto(allow_soft_placement=True, device_count={"CPU": 3})
    prefix = os.path.join(folder, "model")
    with v1.Session(config=config) as session:
        session.run(initial)
        session.run(source.fill)
        for _ in range(3):
            session.run(train, {**feeds, labels: source.random.randn(32, 3)})
        saver.save(session, prefix)
        if names is not None:
            # The .meta of a saver that renames; the values in the checkpoint stay.
            renaming = v1.train.Saver(names)
            renaming.restore(session, prefix)
            renaming.export_meta_graph(prefix + ".meta", clear_devices=False)
        expected = session.run({key: f"{key}:0" for key in source.outputs}, feeds)
    saved = {"feed " + name: value for name, value in source.feeds.items()}
    saved.update({"set " + name: value for name, value in source.set.items()})
    for name, value in expected.items():
        saved["fetch " + name] = value.astype("S") if value.dtype == object else value
    np.savez(os.path.join(folder, "source.npz"), **saved)


if __name__ == "__main__":
    for name_ in sys.argv[2:]:
        make(os.path.join(sys.argv[1], name_), KINDS[name_])
