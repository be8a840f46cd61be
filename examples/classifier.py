"""The network of both examples, in TensorFlow 1's manner: a graph whose nodes have names.

myInput:0          float32[?, 28, 28, 1]   images
myOutput:0         float32[?, 10]          the digit on each, one-hot
myPrediction:0     float32[?, 10]          how likely each digit is
myAccuracy/Mean:0  float32                 the part of images whose likeliest digit is right
"""

# TensorFlow has no types that mypy finds.
# mypy: disable-error-code="import-untyped, import-not-found"

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow.compat.v1 as tf
from digits import Digits

# Most of what the examples show is deprecated, and would be told so line by line.
tf.logging.set_verbosity(tf.logging.ERROR)

NUM_DIGITS = 10
BATCH_SIZE = 100
# The same before and after: a batch of another size may add in another order.
PREDICTION_BATCH_SIZE = 500

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Predictions = npt.NDArray[np.float32]
# From images to predictions, with whatever was loaded.
Predict = Callable[[Images], Predictions]


def build() -> tuple[Any, Any]:
    """Add the network to the default graph; the op that trains it once, and the global step."""
    tf.set_random_seed(1)
    images = tf.placeholder(tf.float32, [None, 28, 28, 1], name="myInput")
    labels = tf.placeholder(tf.float32, [None, NUM_DIGITS], name="myOutput")
    features = convolution(images, 8, size=3, name="conv2d")
    features = convolution(features, 16, size=3, name="conv2d_1")
    features = convolution(features, 4, size=1, name="conv2d_2")
    features = tf.reshape(features, [-1, 3 * 3 * 4], name="flatten")
    features = tf.nn.relu(dense(features, 32, name="dense"))
    logits = dense(features, NUM_DIGITS, name="dense_1")
    prediction = tf.nn.softmax(logits, name="myPrediction")
    with tf.name_scope("myAccuracy"):
        is_right = tf.equal(tf.argmax(prediction, 1), tf.argmax(labels, 1))
        tf.reduce_mean(tf.cast(is_right, tf.float32), name="Mean")
    loss = tf.losses.softmax_cross_entropy(labels, logits)
    global_step = tf.train.get_or_create_global_step()
    return tf.train.AdamOptimizer(0.003).minimize(loss, global_step), global_step


def convolution(images: Any, num_filters: int, *, size: int, name: str) -> Any:
    """A convolution with bias and ReLU, then the greatest of each 2x2 pixels."""
    with tf.variable_scope(name):
        kernel = tf.get_variable("kernel", [size, size, images.shape[-1], num_filters])
        bias = tf.get_variable("bias", [num_filters], initializer=tf.zeros_initializer())
        convolved = tf.nn.conv2d(images, kernel, strides=1, padding="SAME")
        return tf.nn.max_pool2d(tf.nn.relu(convolved + bias), 2, strides=2, padding="VALID")


def dense(features: Any, num_features: int, *, name: str) -> Any:
    """A matrix product with bias."""
    with tf.variable_scope(name):
        kernel = tf.get_variable("kernel", [features.shape[-1], num_features])
        bias = tf.get_variable("bias", [num_features], initializer=tf.zeros_initializer())
        return tf.matmul(features, kernel) + bias


def batches(digits: Digits, num_steps: int) -> Iterator[dict[str, Any]]:
    """What to feed in each step of training: digits drawn at random, the same in every run."""
    random = np.random.default_rng(1)
    for _ in range(num_steps):
        chosen = random.integers(len(digits.train_labels), size=BATCH_SIZE)
        yield {
            "myInput:0": digits.train_images[chosen],
            "myOutput:0": np.eye(NUM_DIGITS, dtype=np.float32)[digits.train_labels[chosen]],
        }


def train_batch(session: Any, train_op: Any, feeds: dict[str, Any]) -> float:
    """Train once; the accuracy on that batch, before."""
    batch_accuracy, _ = session.run(["myAccuracy/Mean:0", train_op], feeds)
    return float(batch_accuracy)


def predict_by_name(session: Any) -> Predict:
    """Predict with a session, by the names of tensors."""
    return lambda images: in_batches(
        images, lambda batch: session.run("myPrediction:0", {"myInput:0": batch})
    )


def in_batches(images: Images, predict: Predict) -> Predictions:
    """The predictions for any number of images."""
    return np.concatenate(
        [
            predict(images[start : start + PREDICTION_BATCH_SIZE])
            for start in range(0, len(images), PREDICTION_BATCH_SIZE)
        ]
    )


def accuracy(predictions: Predictions, labels: Labels) -> float:
    """The part of predictions whose likeliest digit is right."""
    return float(np.mean(predictions.argmax(axis=1) == labels))
