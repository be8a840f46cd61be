"""The same by tf.train.load_checkpoint, which checks: `python tensorflow_read.py PREFIX COUNT`."""

import sys

import tensorflow as tf
from timing import SMALL_CHECKPOINT, expect, timed


def work(prefix):
    reader = tf.train.load_checkpoint(prefix)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


work(SMALL_CHECKPOINT)
tensors = timed(work, sys.argv[1])
expect(len(tensors), int(sys.argv[2]))
