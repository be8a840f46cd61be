"""BERT with Adam as a graph: `python bert_graph.py OUT.meta layers=24 hidden=1024 ...`.

Runs with TensorFlow 1.15 and 2.21, Python 3.7 and later. No session, no values: names, shapes, a
loss, its gradients, Adam's slots with what assigns them, and a Saver. Feeds: input_ids, input_mask,
segment_ids, labels; output: `probabilities`.
"""

# mypy: ignore-errors

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import tensorflow as tf

v1 = tf.compat.v1
LENGTH = 128
HEAD = 64


def zeros(name, shape, trainable=True):
    return v1.get_variable(name, shape, initializer=v1.zeros_initializer(), trainable=trainable)


def dense(x, scope, inputs, outputs, activation=None):
    with v1.variable_scope(scope):
        kernel = v1.get_variable(
            "kernel", [inputs, outputs], initializer=v1.truncated_normal_initializer(stddev=0.02)
        )
        y = tf.nn.bias_add(tf.matmul(x, kernel), zeros("bias", [outputs]))
        return y if activation is None else activation(y)


def norm(x, hidden):
    with v1.variable_scope("LayerNorm"):
        beta = zeros("beta", [hidden])
        gamma = v1.get_variable("gamma", [hidden], initializer=v1.ones_initializer())
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-12)


def gelu(x):
    return x * 0.5 * (1.0 + tf.math.erf(x / 1.4142135))


def heads(x, size):
    number = max(1, size["hidden"] // HEAD)
    x = tf.reshape(x, [-1, LENGTH, number, size["hidden"] // number])
    return tf.transpose(x, [0, 2, 1, 3])


def layer(x, mask, size):
    hidden = size["hidden"]
    with v1.variable_scope("attention"):
        with v1.variable_scope("self"):
            query, key, value = (
                heads(dense(x, part, hidden, hidden), size) for part in ("query", "key", "value")
            )
            scores = tf.matmul(query, key, transpose_b=True) * (HEAD**-0.5) + mask
            context = tf.matmul(tf.nn.softmax(scores), value)
            context = tf.reshape(tf.transpose(context, [0, 2, 1, 3]), [-1, hidden])
        with v1.variable_scope("output"):
            attended = norm(dense(context, "dense", hidden, hidden) + x, hidden)
    with v1.variable_scope("intermediate"):
        wide = dense(attended, "dense", hidden, size["intermediate"], gelu)
    with v1.variable_scope("output"):
        return norm(dense(wide, "dense", size["intermediate"], hidden) + attended, hidden)


def model(size):
    """The variables in BERT's order; gives the loss."""
    hidden = size["hidden"]
    ids, given_mask, segments = (
        v1.placeholder(tf.int32, [None, LENGTH], name=name)
        for name in ("input_ids", "input_mask", "segment_ids")
    )
    labels = v1.placeholder(tf.int32, [None], name="labels")
    normal = v1.truncated_normal_initializer(stddev=0.02)
    with v1.variable_scope("bert"):
        with v1.variable_scope("embeddings"):
            words = v1.get_variable("word_embeddings", [size["words"], hidden], initializer=normal)
            kinds = v1.get_variable("token_type_embeddings", [2, hidden], initializer=normal)
            places = v1.get_variable(
                "position_embeddings", [size["positions"], hidden], initializer=normal
            )
            x = tf.gather(words, ids) + tf.gather(kinds, segments)
            x = norm(x + tf.slice(places, [0, 0], [LENGTH, -1]), hidden)
            x = tf.reshape(x, [-1, hidden])
        with v1.variable_scope("encoder"):
            mask = (1.0 - tf.cast(given_mask[:, tf.newaxis, tf.newaxis, :], tf.float32)) * -1e4
            for number in range(size["layers"]):
                with v1.variable_scope(f"layer_{number}"):
                    x = layer(x, mask, size)
        with v1.variable_scope("pooler"):
            first = tf.reshape(x, [-1, LENGTH, hidden])[:, 0]
            pooled = dense(first, "dense", hidden, hidden, tf.tanh)
    with v1.variable_scope("cls"):
        with v1.variable_scope("predictions"):
            with v1.variable_scope("transform"):
                y = norm(dense(x, "dense", hidden, hidden, gelu), hidden)
            words_of = tf.nn.bias_add(
                tf.matmul(y, words, transpose_b=True), zeros("output_bias", [size["words"]])
            )
        with v1.variable_scope("seq_relationship"):
            weights = v1.get_variable("output_weights", [2, hidden], initializer=normal)
            bias = zeros("output_bias", [2])
            logits = tf.nn.bias_add(tf.matmul(pooled, weights, transpose_b=True), bias)
    # Both heads, so that a model with this output needs every variable but Adam's.
    tf.concat(
        [
            tf.nn.softmax(logits),
            tf.reduce_max(tf.reshape(words_of, [-1, LENGTH, size["words"]]), 1),
        ],
        1,
        name="probabilities",
    )
    sparse = tf.nn.sparse_softmax_cross_entropy_with_logits
    masked = sparse(labels=tf.reshape(ids, [-1]), logits=words_of)
    return tf.reduce_mean(sparse(labels=labels, logits=logits)) + tf.reduce_mean(masked)


def adam(loss, step):
    """AdamWeightDecayOptimizer of BERT's optimization.py: slots as plain variables."""
    variables = v1.trainable_variables()
    gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), 1.0)
    rate = v1.train.polynomial_decay(1e-4, step, 10000, end_learning_rate=0.0)
    updates = []
    for variable, gradient in zip(variables, gradients):  # noqa: B905 - Python 3.7
        name = variable.op.name
        m = zeros(name + "/adam_m", variable.shape, trainable=False)
        v = zeros(name + "/adam_v", variable.shape, trainable=False)
        dense_gradient = tf.convert_to_tensor(gradient)
        next_m = 0.9 * m + 0.1 * dense_gradient
        next_v = 0.999 * v + 0.001 * tf.square(dense_gradient)
        update = next_m / (tf.sqrt(next_v) + 1e-6)
        if not name.endswith(("beta", "gamma", "bias")):
            update += 0.01 * variable
        updates += [variable.assign(variable - rate * update), m.assign(next_m), v.assign(next_v)]
    updates.append(v1.assign_add(step, 1))
    return tf.group(*updates, name="train")


def main(path, size):
    v1.disable_v2_behavior()
    v1.disable_resource_variables()
    v1.set_random_seed(1)
    adam(model(size), v1.train.get_or_create_global_step())
    v1.global_variables_initializer()
    saver = v1.train.Saver()
    saver.export_meta_graph(path)


if __name__ == "__main__":
    main(sys.argv[1], {key: int(value) for key, value in (s.split("=") for s in sys.argv[2:])})
