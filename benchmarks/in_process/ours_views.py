"""Hand out every tensor of a checkpoint: `python ours_views.py PREFIX COUNT [check]`.

With `check` each checksum is computed and compared, else the views are handed out unread.
"""

import sys

from timing import SMALL_CHECKPOINT, expect, timed

import tfartifacts as tfa


def work(prefix, check):
    return tfa.open(prefix).views(check=check)


check = sys.argv[3:] == ["check"]
work(SMALL_CHECKPOINT, check)
tensors = timed(work, sys.argv[1], check)
expect(len(tensors), int(sys.argv[2]))
