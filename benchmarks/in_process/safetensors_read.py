"""The same by safetensors, which has no checksums: `python safetensors_read.py FILE COUNT`."""

import sys

import numpy as np  # noqa: F401 - what safe_open imports, which is not to be counted
import safetensors
from timing import expect, timed


def work(path):
    with safetensors.safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


tensors = timed(work, sys.argv[1])
expect(len(tensors), int(sys.argv[2]))
