"""Checkpoints of graphs with state that no saver restores: `python state.py FOLDER KIND...`.

Tables, files they read, iterators, variables that are left out. Runs with TensorFlow 1.15 and 2.21,
and leaves what sources.py leaves: a folder with `model.meta`, the checkpoint and `source.npz`.
"""

# mypy: ignore-errors

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import lookup_ops
from tensorflow.python.training import saver

v1 = tf.compat.v1
v1.disable_v2_behavior()
v1.disable_resource_variables()
v1.logging.set_verbosity(v1.logging.ERROR)

KINDS = {}
# For initialisers.
INITIAL_FEED = {}
# Ops to run before saving.
AFTER_INIT = []
# What else is to be done once a checkpoint is written: functions of its prefix.
AFTER = []
WORDS = np.array([b"b", b"x"])


def kind(build):
    """A function (folder) -> feeds, y, variables to save, registered by its name.

    None saves all; a saver may be given, too.
    """
    KINDS[build.__name__] = build
    return build


def vocabulary(folder, name="vocab.txt", words="a\nb\nc\n"):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(words)
    return path


def lookup(path, words):
    index = tf.lookup.TextFileIndex
    initializer = tf.lookup.TextFileInitializer(
        path, tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
    )
    return tf.lookup.StaticHashTable(initializer, -1).lookup(words)


def words():
    return v1.placeholder(tf.string, [None], "s")


def numbers():
    return v1.placeholder(tf.float32, [None, 2], "x")


def variable(name, value, **arguments):
    return v1.get_variable(name, initializer=np.array(value, np.float32), **arguments)


FED_WORDS = {"s:0": WORDS}
FED_NUMBERS = {"x:0": np.ones((2, 2), np.float32)}


@kind
def two_tensors_one_file(folder):
    """Each table has a constant of its own with the path."""
    path, s = vocabulary(folder), words()
    return FED_WORDS, lookup(path, s) * 10 + lookup(path, s), None


@kind
def two_files_one_name(folder):
    one, two = vocabulary(folder, "one/vocab.txt"), vocabulary(folder, "two/vocab.txt", "b\na\n")
    s = words()
    return FED_WORDS, lookup(one, s) * 10 + lookup(two, s), None


@kind
def placeholder_with_default(folder):
    """The path is a default, which a loader feeds as well."""
    path = v1.placeholder_with_default(vocabulary(folder), [], name="path")
    v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, path)
    return FED_WORDS, lookup(path, words()), None


@kind
def key_value(folder):
    initializer = tf.lookup.KeyValueTensorInitializer([b"a", b"b"], [1.5, 2.5])
    table = tf.lookup.StaticHashTable(initializer, -1.0)
    return FED_WORDS, table.lookup(words()) * variable("w", 3), None


@kind
def index_table(folder):
    """Words to numbers with buckets for unknown ones, and back."""
    path = vocabulary(folder)
    table = lookup_ops.index_table_from_file(path, num_oov_buckets=2)
    back = lookup_ops.index_to_string_table_from_file(path, default_value="?")
    found = table.lookup(words())
    return FED_WORDS, tf.strings.join([tf.strings.as_string(found), back.lookup(found)]), None


@kind
def init_op_there(folder):
    """The collection names an init op that does it all."""
    found = lookup(vocabulary(folder), words())
    v1.add_to_collection("saved_model_main_op", v1.tables_initializer("mine"))
    return FED_WORDS, found, None


@kind
def half_an_init_op(folder):
    """The init op there is fills one table of two."""
    s = words()
    first = lookup(vocabulary(folder), s)
    v1.add_to_collection("legacy_init_op", v1.tables_initializer("mine"))
    return FED_WORDS, first * 10 + lookup(vocabulary(folder, "two.txt", "b\n"), s), None


@kind
def iterator(folder):
    """The outputs read a data set, which begins with every session."""
    data = v1.data.Dataset.from_tensor_slices(np.arange(6, dtype=np.float32).reshape(3, 2))
    read = v1.data.make_initializable_iterator(data.batch(2).map(lambda x: x + 1))
    v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, read.initializer)
    return {}, read.get_next() * variable("w", [3, 4]), None


@kind
def batch_of_an_iterator(folder):
    """Fed is what an iterator would give; that the iterator needs feeding does not matter."""
    data = v1.data.Dataset.from_tensor_slices(numbers())
    batch = tf.identity(v1.data.make_initializable_iterator(data.batch(2)).get_next(), "batch")
    return {"batch:0": FED_NUMBERS["x:0"]}, batch * variable("w", [3, 4]), None


@kind
def one_shot_iterator(folder):
    data = v1.data.Dataset.range(5)
    return {}, v1.data.make_one_shot_iterator(data).get_next() * 2, None


@kind
def queue(folder):
    q = tf.queue.FIFOQueue(3, [tf.float32], [[2]])
    batch = tf.identity(q.dequeue(), "batch")
    return {"batch:0": np.ones(2, np.float32)}, batch * variable("w", [3, 4]), None


@kind
def local_variables(folder):
    """One of them random: it is told what it is, and starts anew in every session."""
    local = {"collections": [v1.GraphKeys.LOCAL_VARIABLES], "trainable": False}
    noise = v1.get_variable("noise", [2], initializer=v1.random_normal_initializer(), **local)
    y = numbers() * variable("factor", [2, 3], **local) * variable("w", [3, 4]) + 0 * noise
    return FED_NUMBERS, y, None


@kind
def unsaved_constant(folder):
    """As embeddings that are trained elsewhere are kept out of every checkpoint."""
    w = variable("w", [3, 4])
    return FED_NUMBERS, numbers() * variable("fixed", [5, 6], trainable=False) * w, [w]


@kind
def unsaved_trainable(folder):
    w = variable("w", [3, 4])
    return FED_NUMBERS, numbers() * variable("lost", [5, 6]) * w, [w]


@kind
def unsaved_random(folder):
    w = variable("w", [3, 4])
    initializer = v1.random_normal_initializer()
    lost = v1.get_variable("lost", [2], initializer=initializer, trainable=False)
    return FED_NUMBERS, numbers() * lost * w, [w]


@kind
def needs_feeding(folder):
    """A local variable whose initialiser takes a placeholder."""
    size = v1.placeholder(tf.float32, [2], "size")
    local = v1.get_variable(
        "sized", initializer=size, trainable=False, collections=[v1.GraphKeys.LOCAL_VARIABLES]
    )
    INITIAL_FEED[size] = [1, 2]
    return FED_NUMBERS, numbers() * local * variable("w", [3, 4]), None


@kind
def is_initialized(folder):
    """Variables of both kinds that are asked whether they have a value."""
    a, b = variable("a", [5, 6]), variable("b", [7, 8], use_resource=True)
    y = numbers() * tf.cond(v1.is_variable_initialized(a), a.read_value, lambda: a.initial_value)
    return FED_NUMBERS, y * tf.cond(b.is_initialized(), b.read_value, lambda: b.initial_value), None


LOCAL = {"collections": [v1.GraphKeys.LOCAL_VARIABLES], "trainable": False}


@kind
def local_resources(folder):
    """One of them read nowhere but in a branch, one only by the initialiser of another."""
    w = variable("w", [3, 4])
    one, two, three = (variable(n, [5, 6], use_resource=True, **LOCAL) for n in ("a", "b", "c"))
    four = v1.Variable(lambda: three * 2, use_resource=True, name="d", **LOCAL)
    x = numbers()
    return (
        FED_NUMBERS,
        tf.cond(tf.reduce_sum(x) > 0, lambda: x * two, lambda: x) * one * w * four,
        [w],
    )


@kind
def state_of_state(folder):
    """A table of a local variable of a variable that is restored; every link is served as well."""
    w = v1.get_variable("w", initializer=np.array([5, 6, 7], np.int64))
    first = v1.Variable(w.initialized_value() * 10, name="first", **LOCAL)
    second = v1.Variable(first.initialized_value() + first, name="second", **LOCAL)
    initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(["a", "b", "c"]), second + first)
    found = tf.lookup.StaticHashTable(initializer, -1).lookup(words())
    return FED_WORDS, found + tf.reduce_sum(first + second), [w]


@kind
def one_name_two_kinds(folder):
    """A table and a variable: of two kinds, though their names are the same."""
    w = variable("same", 3, use_resource=True)
    table = tf.raw_ops.HashTableV2(
        key_dtype=tf.string, value_dtype=tf.float32, shared_name="same", name="table"
    )
    fill = tf.raw_ops.InitializeTableV2(table_handle=table, keys=["b"], values=[2.0])
    v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, fill)
    found = tf.raw_ops.LookupTableFindV2(table_handle=table, keys=words(), default_value=-1.0)
    return FED_WORDS, found * w, None


class _Halves(saver.BaseSaverBuilder.SaveableObject):
    """A variable in two tensors of the checkpoint, with one added to the second as it is saved."""

    def __init__(self, part):
        first, second = tf.split(part, 2)
        specs = [
            saver.BaseSaverBuilder.SaveSpec(value, "", f"{part.op.name}/{name}")
            for name, value in (("first", first), ("second", second + 1))
        ]
        super().__init__(part, specs, part.op.name)

    def restore(self, restored_tensors, restored_shapes):
        first, second = restored_tensors
        assigned = v1.assign(self.op, tf.concat([first, second], 0))
        with tf.control_dependencies([assigned]):
            return v1.scatter_sub(self.op, [2, 3], tf.ones_like(second))


@kind
def restored_in_parts(folder):
    w, parts = variable("w", 2), variable("parts", [1, 2, 3, 4], trainable=False)
    # Not what the initialiser makes of it.
    AFTER_INIT.append(v1.assign(parts, [5, 6, 7, 8]))
    return (
        FED_NUMBERS,
        numbers() * w * tf.reshape(parts, [2, 2]),
        v1.train.Saver([w, _Halves(parts)]),
    )


@kind
def reshaped(folder):
    """The checkpoint has another shape, as Saver(reshape=True) allows."""
    w = variable("w", [[0, 1], [2, 3], [4, 5]])
    bias = variable("bias", [7, 8], use_resource=True)

    def overwrite(prefix):
        with tf.Graph().as_default(), v1.Session() as session:
            variables = [variable("w", [[0, 1, 2], [3, 4, 5]]), variable("bias", [[7], [8]])]
            session.run([each.initializer for each in variables])
            v1.train.Saver(variables).save(session, prefix, write_meta_graph=False)

    AFTER.append(overwrite)
    y = tf.reduce_sum(numbers()) + tf.cumsum(w) * bias
    return FED_NUMBERS, y, v1.train.Saver(reshape=True)


@kind
def unsaved_statistics(folder):
    """The classic mistake: what batch normalisation has learnt is in no checkpoint."""
    w = variable("w", [3, 4])
    mean, variance = (
        variable(name, value, trainable=False, use_resource=name == "bn/moving_variance")
        for name, value in (("bn/mean", [0, 0]), ("bn/moving_variance", [1, 1]))
    )
    v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, v1.assign_sub(mean, [1, 1]))
    return FED_NUMBERS, (numbers() - mean) * tf.math.rsqrt(variance) * w, [w]


@kind
def unsaved_changed(folder):
    w = variable("w", [3, 4])
    lost = variable("lost", [0, 0], trainable=False, use_resource=True)
    lost.assign([7, 8])
    # A saver besides is no training.
    v1.train.Saver()
    return FED_NUMBERS, numbers() * lost * w, [w]


@kind
def unsaved_constant_of_another_saver(folder):
    w, fixed = variable("w", [3, 4]), variable("fixed", [5, 6], trainable=False)
    v1.train.Saver()
    return FED_NUMBERS, numbers() * fixed * w, v1.train.Saver([w])


def make(folder, build):
    """Save one kind."""
    folder = os.path.abspath(folder)
    os.makedirs(folder)
    v1.reset_default_graph()
    for left in (INITIAL_FEED, AFTER_INIT, AFTER):
        left.clear()
    feeds, y, saved = build(folder)
    y = tf.identity(y, "y")
    v1.get_variable("step", [], initializer=v1.zeros_initializer(), trainable=False)
    with v1.Session() as session:
        # One after the other: what one initialises another may need.
        session.run(v1.global_variables_initializer())
        for local in v1.local_variables():
            session.run(local.initializer, INITIAL_FEED)
        session.run(v1.tables_initializer())
        session.run(AFTER_INIT)
        writer = saved if isinstance(saved, v1.train.Saver) else v1.train.Saver(saved)
        writer.save(session, os.path.join(folder, "model"))
        result = session.run(y, feeds)
    if result.dtype == object:
        result = result.astype("S")
    for after in AFTER:
        after(os.path.join(folder, "model"))
    arrays = {"feed " + name: value for name, value in feeds.items()}
    np.savez(os.path.join(folder, "source.npz"), **arrays, **{"fetch y": result})


if __name__ == "__main__":
    for name in sys.argv[2:]:
        make(os.path.join(sys.argv[1], name), KINDS[name])
