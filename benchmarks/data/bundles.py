"""Checkpoints of many variables, of many shards, of a variable in many slices; by our writer.

Shapes and types differ as those of real checkpoints do, so that no entry is a copy of the one
before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmarks.data.bert import blocks
from benchmarks.data.place import Dataset

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.generic]

PREFIX = "model.ckpt-1"
_SHAPES = ((), (1,), (2,), (3,), (4,), (2, 2), (2, 3), (3, 2), (1, 4), (1, 1, 2, 3))
PER_SHARD = 4
_SLICE_ROWS = 16


def variables(count: int) -> Dataset:
    """So many variables of 0 to 6 elements in one shard; about 75 bytes each."""

    def make(folder: str) -> None:
        import tfartifacts as tfa

        with tfa.CheckpointWriter(f"{folder}/{PREFIX}") as writer:
            for name, array in tiny(count):
                writer.add(name, array)

    return Dataset(f"variables-{count}.1", 75 * count, make)


def tiny(count: int) -> Iterator[tuple[str, Array]]:
    """Names as layers have them, and small arrays: the numbers of their places."""
    import numpy as np

    step = np.dtype(np.int64)
    values = np.dtype(np.float32)
    for number in range(count):
        layer, part = divmod(number, 10)
        name = f"model/layer_{layer:05d}/block/dense_{part}/kernel"
        shape = _SHAPES[number * 7 % 10]
        yield name, np.full(shape, number, step if part == 9 else values)


def shards(count: int) -> Dataset:
    """So many data files, four variables of 4 KiB in each."""

    def make(folder: str) -> None:
        import numpy as np

        import tfartifacts as tfa

        with tfa.CheckpointWriter(f"{folder}/{PREFIX}", shards=count) as writer:
            for number in range(PER_SHARD * count):
                value = np.full((32, 32), number, np.float32)
                writer.add(f"model/table_{number:05d}", value)

    return Dataset(f"shards-{count}.1", 4096 * PER_SHARD * count + 4096 * count, make)


def weights(num_bytes: int) -> Dataset:
    """64 variables of equal size, that many bytes together."""

    def make(folder: str) -> None:
        import tfartifacts as tfa

        each = num_bytes // 256
        with tfa.CheckpointWriter(f"{folder}/{PREFIX}") as writer:
            for number in range(64):
                writer.add_blocks(
                    f"model/table_{number:02d}", "float32", (each,), blocks(number, each, 0.02)
                )

    return Dataset(f"weights-{num_bytes}.1", num_bytes, make)


def slices(count: int) -> Dataset:
    """A variable in so many slices along its first axis, 4 KiB each, as partitioners make them."""

    def make(folder: str) -> None:
        import numpy as np

        import tfartifacts as tfa
        from tfartifacts.dtypes import dtype_from_name
        from tfartifacts.formats.tensor_data import ArrayTensor
        from tfartifacts.model.variables import Extent, VariableSlice

        float32 = dtype_from_name("float32")
        rows, width = _SLICE_ROWS, 64
        parts = tuple(
            VariableSlice(
                (Extent(rows * number, rows), Extent()),
                ArrayTensor(float32, (rows, width), np.full((rows, width), number, np.float32)),
            )
            for number in range(count)
        )
        table = tfa.Variable("model/table", float32, (rows * count, width), None, parts)
        tfa.save(tfa.Checkpoint("", "V2", 1, {table.name: table}), f"{folder}/{PREFIX}")

    return Dataset(f"slices-{count}.1", 4096 * count + 100 * count, make)
