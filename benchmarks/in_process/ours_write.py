"""A checkpoint written in blocks: `python ours_write.py PREFIX NUM_BYTES`; a whole process."""

import sys

import numpy as np

import tfartifacts as tfa

COLUMNS = 1 << 18
NUM_VARIABLES = 16

block = np.random.default_rng(0).standard_normal(COLUMNS).astype(np.float32)
rows = max(1, int(sys.argv[2]) // (4 * COLUMNS * NUM_VARIABLES))
with tfa.CheckpointWriter(sys.argv[1]) as writer:
    for number in range(NUM_VARIABLES):
        blocks = (block for _ in range(rows))
        writer.add_blocks(f"v{number}", "float32", (rows, COLUMNS), blocks)
