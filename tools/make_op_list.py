"""Prints the ops a TensorFlow has, a line each: its name, its attributes' names, their defaults.

`python make_op_list.py > tfartifacts/graphs/op_lists/tensorflow-1.15.txt`, with that TensorFlow.
"""

import json
import sys

from tensorflow.core.framework import op_def_pb2

try:
    from tensorflow.python.client import pywrap_tf_session as c_api
except ImportError:
    from tensorflow.python import pywrap_tensorflow as c_api


def attribute(attr):
    """`name`, or `name=default` where the default is simple: as JSON, bytes in Latin-1."""
    value = attr.default_value
    kind = value.WhichOneof("value")
    if kind in ("b", "i", "f"):
        default = getattr(value, kind)
    elif kind == "s":
        default = value.s.decode("latin-1")
    elif kind == "type":
        default = [value.type]
    elif kind == "list" and not value.list.ByteSize():
        default = []
    else:
        return attr.name
    return attr.name + "=" + json.dumps(default).replace(" ", "\\u0020")


def main():
    """Write the list to standard output, sorted."""
    import tensorflow as tf

    ops = op_def_pb2.OpList()
    ops.ParseFromString(c_api.TF_GetBuffer(c_api.TF_GetAllOpList()))
    version = ".".join(tf.__version__.split(".")[:2])
    lines = [
        " ".join([op.name, *sorted(map(attribute, op.attr))])
        for op in sorted(ops.op, key=lambda op: op.name)
    ]
    sys.stdout.write(f"# TensorFlow {version}: op, attributes\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
