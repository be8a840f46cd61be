"""List names and shapes of a checkpoint's variables: `python ours_list.py PREFIX COUNT`."""

import sys

from timing import SMALL_CHECKPOINT, expect, timed

import tfartifacts as tfa


def work(prefix):
    return [(name, variable.shape) for name, variable in tfa.open(prefix).variables.items()]


work(SMALL_CHECKPOINT)
listed = timed(work, sys.argv[1])
expect(len(listed), int(sys.argv[2]))
