"""Train a classifier with BERT's nodes for a few steps, and save it as training does.

    python examples/bert_style.py FOLDER [--layers 2] [--hidden 64] [--vocabulary 1000] ...

Two thirds of its variables are what Adam remembers, and most of its nodes are for training. What a
server needs of it, in one command:

    tfartifacts convert FOLDER SERVABLE --inputs input_ids,input_mask,segment_ids \\
        --outputs probabilities=loss/Softmax --set is_training=false

Needs TensorFlow alone, 1.15 or 2. `expected.npz` holds a batch and its probabilities. Names are
those of https://github.com/google-research/bert.
"""

# TensorFlow has no types that mypy finds.
# mypy: disable-error-code="import-untyped, import-not-found"

from __future__ import annotations

import argparse
import os
from functools import partial
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

SIZES = {"layers": 2, "hidden": 64, "heads": 2, "vocabulary": 1000, "length": 32, "steps": 3}
BATCH_SIZE = 8


def variable(name: str, shape: Any, value: float | None = None, trainable: bool = True) -> Any:
    small = tf.truncated_normal_initializer(stddev=0.02)
    initializer = small if value is None else tf.constant_initializer(value)
    return tf.get_variable(name, shape, initializer=initializer, trainable=trainable)


def dense(x: Any, size: int, name: str, activation: Any = tf.identity) -> Any:
    with tf.variable_scope(name):
        y = tf.matmul(x, variable("kernel", [int(x.shape[-1]), size]))
        return activation(tf.nn.bias_add(y, variable("bias", [size], 0.0)))


def normalized(x: Any) -> Any:
    with tf.variable_scope("LayerNorm"):
        size = int(x.shape[-1])
        mean, variance = tf.nn.moments(x, [-1], keep_dims=True)
        beta, gamma = variable("beta", [size], 0.0), variable("gamma", [size], 1.0)
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-12)


def encoder_layer(x: Any, far: Any, dropout: Any, heads: int) -> Any:
    """Attention, and two dense layers. `far` is added to how much one word heeds another."""
    length, hidden = int(far.shape[-1]), int(x.shape[1])

    def split(y: Any) -> Any:
        return tf.transpose(tf.reshape(y, [-1, length, heads, hidden // heads]), [0, 2, 1, 3])

    with tf.variable_scope("attention"):
        with tf.variable_scope("self"):
            query, key, value = (split(dense(x, hidden, n)) for n in ("query", "key", "value"))
            scores = tf.matmul(query, key, transpose_b=True) * (heads / hidden) ** 0.5
            context = tf.matmul(tf.nn.softmax(scores + far), value)
            context = tf.reshape(tf.transpose(context, [0, 2, 1, 3]), [-1, hidden])
        with tf.variable_scope("output"):
            x = normalized(x + dense(context, hidden, "dense"))
    with tf.variable_scope("intermediate"):
        between = dense(x, 4 * hidden, "dense", lambda y: y * 0.5 * (1.0 + tf.erf(y / 2**0.5)))
    with tf.variable_scope("output"):
        return normalized(x + dropout(dense(between, hidden, "dense")))


def build(sizes: argparse.Namespace) -> tuple[Any, Any]:
    """Add the network to the default graph; its probabilities, and the op that trains it once."""
    length, hidden = sizes.length, sizes.hidden
    names = ("input_ids", "input_mask", "segment_ids")
    ids, mask, segments = (tf.placeholder(tf.int32, [None, length], name) for name in names)
    labels = tf.placeholder(tf.int32, [None], "label_ids")
    rate = tf.where(tf.placeholder(tf.bool, [], "is_training"), 0.1, 0.0)
    dropout = partial(tf.nn.dropout, rate=rate)
    with tf.variable_scope("bert"):
        with tf.variable_scope("embeddings"):
            x = tf.nn.embedding_lookup(variable("word_embeddings", [sizes.vocabulary, hidden]), ids)
            x += tf.nn.embedding_lookup(variable("token_type_embeddings", [2, hidden]), segments)
            x += variable("position_embeddings", [length, hidden])
            x = dropout(normalized(tf.reshape(x, [-1, hidden])))
        with tf.variable_scope("encoder"):
            far = (1.0 - tf.cast(mask[:, None, None, :], tf.float32)) * -10000.0
            for layer in range(sizes.layers):
                with tf.variable_scope(f"layer_{layer}"):
                    x = encoder_layer(x, far, dropout, sizes.heads)
        with tf.variable_scope("pooler"):
            x = dense(tf.reshape(x, [-1, length, hidden])[:, 0], hidden, "dense", tf.tanh)
    weights, bias = variable("output_weights", [2, hidden]), variable("output_bias", [2], 0.0)
    with tf.variable_scope("loss"):
        logits = tf.nn.bias_add(tf.matmul(dropout(x), weights, transpose_b=True), bias)
        probabilities = tf.nn.softmax(logits)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    return probabilities, adam(tf.reduce_mean(loss))


def adam(loss: Any) -> Any:
    """The op that trains once. As BERT's own, it calls its averages adam_m and adam_v."""
    step = tf.train.get_or_create_global_step()
    updates = [step.assign(step + 1)]
    # No power of beta: BERT does not correct the averages of the first steps.
    rates = {"beta1_power": 0.0, "beta2_power": 0.0, "lr": 1e-3, "beta1": 0.9, "beta2": 0.999}
    trained = tf.trainable_variables()
    for parameter, gradient in zip(trained, tf.gradients(loss, trained)):  # noqa: B905 - Python 3.7
        names = (f"{parameter.op.name}/{slot}" for slot in ("adam_m", "adam_v"))
        m, v = (variable(name, parameter.shape, 0.0, trainable=False)._ref() for name in names)
        update = {"var": parameter._ref(), "m": m, "v": v, "grad": gradient, "epsilon": 1e-6}
        updates.append(tf.raw_ops.ApplyAdam(**update, **rates))
    return tf.group(*updates)


def batch(sizes: argparse.Namespace, random: Any) -> dict[str, Any]:
    """Words at random, in two segments; the first word tells the label."""
    ids = random.randint(0, sizes.vocabulary, (BATCH_SIZE, sizes.length))
    ends = random.randint(sizes.length // 2, sizes.length + 1, (BATCH_SIZE, 1))
    mask, segments = np.arange(sizes.length) < ends, np.arange(sizes.length) >= ends // 2
    labels = ids[:, 0] * 2 // sizes.vocabulary
    found = {"input_ids": ids, "input_mask": mask, "segment_ids": segments, "label_ids": labels}
    return {name: value.astype(np.int32) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder")
    for name, size in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    sizes = parser.parse_args()
    tf.disable_v2_behavior()
    tf.set_random_seed(1)
    random = np.random.RandomState(1)
    probabilities, train = build(sizes)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(sizes.steps):
            feeds = {f"{name}:0": value for name, value in batch(sizes, random).items()}
            session.run(train, {"is_training:0": True, **feeds})
        os.makedirs(sizes.folder, exist_ok=True)
        prefix = os.path.join(sizes.folder, "model.ckpt")
        tf.train.Saver(max_to_keep=1).save(session, prefix, tf.train.get_global_step())
        arrays = batch(sizes, random)
        feeds = {f"{name}:0": value for name, value in arrays.items()}
        arrays["probabilities"] = session.run(probabilities, {"is_training:0": False, **feeds})
    np.savez(os.path.join(sizes.folder, "expected.npz"), **arrays)


if __name__ == "__main__":
    main()
