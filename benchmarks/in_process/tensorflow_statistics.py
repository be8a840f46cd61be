"""The same by TensorFlow's reader and NumPy: `python tensorflow_statistics.py PREFIX COUNT`."""

import sys

import numpy as np
import tensorflow as tf
from timing import SMALL_CHECKPOINT, expect, timed


def work(prefix):
    reader = tf.train.load_checkpoint(prefix)
    found = {}
    for name in reader.get_variable_to_shape_map():
        x = reader.get_tensor(name)
        found[name] = (
            x.min(),
            x.max(),
            x.mean(dtype=np.float64),
            x.std(dtype=np.float64),
            np.isnan(x).sum(),
            np.isinf(x).sum(),
            (x == 0).sum(),
        )
    return found


work(SMALL_CHECKPOINT)
found = timed(work, sys.argv[1])
expect(len(found), int(sys.argv[2]))
