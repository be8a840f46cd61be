"""Statistics of all variables: `python ours_statistics.py PREFIX COUNT [quantiles]`."""

import sys

import numpy as np  # noqa: F401 - is not to be counted
from timing import SMALL_CHECKPOINT, expect, timed

import tfartifacts as tfa


def work(prefix, quantiles):
    return tfa.statistics(tfa.open(prefix), quantiles=quantiles)


quantiles = sys.argv[3:] == ["quantiles"]
work(SMALL_CHECKPOINT, quantiles)
found = timed(work, sys.argv[1], quantiles)
expect(len(found.variables), int(sys.argv[2]))
