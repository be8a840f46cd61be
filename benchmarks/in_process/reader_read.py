"""The same by tensorflow-checkpoint-reader, which maps and does not check.

`python reader_read.py PREFIX COUNT`. It reads no more than the first block of an index: some
thousand variables.
"""

import sys

from tensorflow_checkpoint_reader.py_checkpoint_reader import NewCheckpointReader
from timing import SMALL_CHECKPOINT, expect, timed


def work(prefix):
    return dict(NewCheckpointReader(prefix)._reader._tensors)


work(SMALL_CHECKPOINT)
tensors = timed(work, sys.argv[1])
expect(len(tensors), int(sys.argv[2]))
