"""A checkpoint as a SavedModel through a session, as everybody wrote it: PREFIX EXPORT.

A whole process, not timed inside: imports and all are what it costs.
"""

import sys

import tensorflow as tf

v1 = tf.compat.v1
v1.disable_v2_behavior()
prefix, export = sys.argv[1:]
inputs = ("input_ids", "input_mask", "segment_ids")
with tf.Graph().as_default() as graph, v1.Session() as session:
    v1.train.import_meta_graph(f"{prefix}.meta").restore(session, prefix)
    v1.saved_model.simple_save(
        session,
        export,
        {name: graph.get_tensor_by_name(f"{name}:0") for name in inputs},
        {"probabilities": graph.get_tensor_by_name("probabilities:0")},
    )
