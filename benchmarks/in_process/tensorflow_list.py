"""The same by tf.train.list_variables: `python tensorflow_list.py PREFIX COUNT`."""

import sys

import tensorflow as tf
from timing import SMALL_CHECKPOINT, expect, timed

tf.train.list_variables(SMALL_CHECKPOINT)
listed = timed(tf.train.list_variables, sys.argv[1])
expect(len(listed), int(sys.argv[2]))
