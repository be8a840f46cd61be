"""The same by TensorFlow's protocol buffers: `python tensorflow_nodes.py META COUNT`."""

import sys

from tensorflow.core.protobuf import meta_graph_pb2
from timing import SMALL_META, expect, timed


def work(path):
    meta_graph = meta_graph_pb2.MetaGraphDef()
    with open(path, "rb") as file:
        meta_graph.ParseFromString(file.read())
    return [(node.name, node.op) for node in meta_graph.graph_def.node]


work(SMALL_META)
nodes = timed(work, sys.argv[1])
expect(len(nodes), int(sys.argv[2]))
