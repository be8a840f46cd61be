"""Saves a checkpoint again and again, as a Saver with max_to_keep=1 does, without TensorFlow.

`python -m tests.saving_loop FIXTURES FOLDER steps|same`: every value of a save is its number, and
so is the version of TensorFlow that its graph names.
The order of the calls is the Saver's: data and index under temporary names, each renamed; the
state file; the save before removed; the graph last. With `same` every save has the same prefix.

Source: tensorflow/python/training/saver.py, Saver.save; tensor_bundle.cc, BundleWriter::Finish.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import tfartifacts as tfa
from tfartifacts.formats.bundle_writing import bundle_files, write_bundle
from tfartifacts.formats.checkpoint_state import write_checkpoint_state
from tfartifacts.formats.meta_graph import encode_meta_graph
from tfartifacts.model.checkpoints import CheckpointState
from tfartifacts.model.values import Buffer, Shape
from tfartifacts.storage.writing import new_file

TEMPORARY = ".tempstate1"
PAUSE = 0.15  # seconds on average, about twice what a conversion takes


@dataclass(frozen=True)
class Full:
    """A tensor of one value."""

    dtype: tfa.DType
    shape: Shape
    value: int

    location = None

    @property
    def nbytes(self) -> int:
        return len(self.read().tobytes())

    def read(self) -> Any:
        return np.full(self.shape, self.value, self.dtype.to_numpy())

    def stored(self) -> Iterator[Buffer]:
        yield self.read().tobytes()


def filled(checkpoint: tfa.Checkpoint, value: int) -> tfa.Checkpoint:
    variables = {
        name: replace(variable, value=Full(variable.dtype, variable.shape, value))
        for name, variable in checkpoint.variables.items()
    }
    return replace(checkpoint, variables=variables)


def put(path: Path, data: bytes) -> None:
    """Write a file under another name, then give it its own."""
    temporary = Path(f"{path}{TEMPORARY}")
    temporary.write_bytes(data)
    os.replace(temporary, path)


def marked(meta_graph: tfa.MetaGraph, number: int) -> bytes:
    info = replace(meta_graph.info, tensorflow_git_version=str(number))
    return b"".join(encode_meta_graph(replace(meta_graph, info=info)))


def save(checkpoint: tfa.Checkpoint, graph: bytes, folder: Path, name: str, old: str) -> None:
    prefix = str(folder / name)
    write_bundle(checkpoint, prefix, lambda path: new_file(path + TEMPORARY))
    for file in bundle_files(checkpoint, prefix):
        os.replace(file + TEMPORARY, file)
    put(folder / "checkpoint", write_checkpoint_state(CheckpointState(name, (name,))))
    if old not in ("", name):
        for file in (*bundle_files(checkpoint, str(folder / old)), str(folder / f"{old}.meta")):
            os.unlink(file)
    put(folder / f"{name}.meta", graph)


def main(fixtures: Path, folder: Path, names: str) -> None:
    os.fsync = lambda fd: None  # how durable these are does not matter
    prefix = fixtures / "tensorflow-1.15" / "ref" / "model.ckpt-5"
    source = tfa.open(prefix)
    assert isinstance(source, tfa.Checkpoint)
    assert source.meta_graph is not None
    number, old = 0, ""
    while True:
        number += 1
        name = "model" if names == "same" else f"model-{number}"
        save(filled(source, number), marked(source.meta_graph, number), folder, name, old)
        if number == 1:
            print("ready", flush=True)  # noqa: T201
        old = name
        time.sleep(random.expovariate(1 / PAUSE))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
