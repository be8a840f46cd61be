"""The same by import_meta_graph: `python tensorflow_import.py META COUNT`."""

import sys

import tensorflow as tf
from timing import SMALL_META, expect, timed

v1 = tf.compat.v1


def work(path):
    with tf.Graph().as_default() as graph:
        v1.train.import_meta_graph(path)
        return [(operation.name, operation.type) for operation in graph.get_operations()]


work(SMALL_META)
nodes = timed(work, sys.argv[1])
expect(len(nodes), int(sys.argv[2]))
