"""BERT's variables, by their names and shapes in Google's checkpoints, with random values.

BERT-large has 24 layers of 1024, an intermediate size of 4096 and 30,522 words: 398 variables,
1.34 GB; three times that with Adam's `adam_m` and `adam_v`, named as in BERT's `optimization.py`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.data.place import Dataset, NotMadeError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Block = npt.NDArray[np.float32]

_BLOCK = 1 << 20  # elements
_SEED = 20181011
_GRAPH = Path(__file__).with_name("bert_graph.py")

PREFIX = "bert_model.ckpt"
SAFETENSORS = "model.safetensors"
ADAM_PREFIX = "model.ckpt-7"

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Size:
    layers: int
    hidden: int
    intermediate: int
    words: int = 30_522
    positions: int = 512


LARGE = Size(24, 1024, 4096)
NARROW = Size(24, 64, 256, 1000, 128)  # as many variables and nodes as LARGE, in 5 MB
TINY = Size(2, 128, 512, 3000, 128)  # 3.4 MB


def shapes(size: Size) -> Shapes:
    """Variables in the order in which BERT's code makes them."""
    hidden, wide = size.hidden, size.intermediate
    found: Shapes = {}

    def norm(scope: str) -> None:
        found[f"{scope}/LayerNorm/beta"] = (hidden,)
        found[f"{scope}/LayerNorm/gamma"] = (hidden,)

    def dense(scope: str, inputs: int, outputs: int) -> None:
        found[f"{scope}/kernel"] = (inputs, outputs)
        found[f"{scope}/bias"] = (outputs,)

    found["bert/embeddings/word_embeddings"] = (size.words, hidden)
    found["bert/embeddings/token_type_embeddings"] = (2, hidden)
    found["bert/embeddings/position_embeddings"] = (size.positions, hidden)
    norm("bert/embeddings")
    for number in range(size.layers):
        layer = f"bert/encoder/layer_{number}"
        for part in ("query", "key", "value"):
            dense(f"{layer}/attention/self/{part}", hidden, hidden)
        dense(f"{layer}/attention/output/dense", hidden, hidden)
        norm(f"{layer}/attention/output")
        dense(f"{layer}/intermediate/dense", hidden, wide)
        dense(f"{layer}/output/dense", wide, hidden)
        norm(f"{layer}/output")
    dense("bert/pooler/dense", hidden, hidden)
    dense("cls/predictions/transform/dense", hidden, hidden)
    norm("cls/predictions/transform")
    found["cls/predictions/output_bias"] = (size.words,)
    found["cls/seq_relationship/output_weights"] = (2, hidden)
    found["cls/seq_relationship/output_bias"] = (2,)
    return found


def num_bytes(size: Size) -> int:
    return sum(4 * prod(shape) for shape in shapes(size).values())


def plain(size: Size) -> Dataset:
    """`bert_model.ckpt`: variables alone, as the published ones."""
    return Dataset(f"{_name(size)}.1", num_bytes(size), lambda folder: write(folder, size))


def with_adam(size: Size, python: str | None) -> Dataset:
    """`model.ckpt-7` with Adam's slots and a `.meta`, which TensorFlow (that Python) makes."""

    def make(folder: str) -> None:
        write_with_adam(folder, size, python or "")

    graph = 310_000 * (size.layers + 1)  # bytes of the .meta
    why = "" if python else "the graph of BERT with Adam needs TensorFlow 2.21 or 1.15"
    return Dataset(f"{_name(size)}-adam.1", 3 * num_bytes(size) + graph, make, why)


def as_safetensors(size: Size) -> Dataset:
    """`model.safetensors` with the values of `bert_model.ckpt`."""
    name = f"{_name(size)}-safetensors.1"
    return Dataset(name, num_bytes(size), lambda folder: write_safetensors(folder, size))


def _name(size: Size) -> str:
    return f"bert-{size.layers}-{size.hidden}"


def write(folder: str, size: Size) -> None:
    """Into a folder, streamed."""
    import tfartifacts as tfa

    with tfa.CheckpointWriter(f"{folder}/{PREFIX}") as writer:
        for number, (name, shape) in enumerate(shapes(size).items()):
            writer.add_blocks(name, "float32", shape, blocks(number, prod(shape), 0.02))


def write_safetensors(folder: str, size: Size) -> None:
    """header_size:u64 header:JSON values; as safetensors' README says."""
    header: dict[str, object] = {}
    offset = 0
    for name, shape in shapes(size).items():
        end = offset + 4 * prod(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(f"{folder}/{SAFETENSORS}", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for number, shape in enumerate(shapes(size).values()):
            file.writelines(block.data for block in blocks(number, prod(shape), 0.02))


def write_with_adam(folder: str, size: Size, python: str) -> None:
    """Values by our writer, and a graph that restores them by TensorFlow's Saver."""
    import numpy as np

    import tfartifacts as tfa

    prefix = f"{folder}/{ADAM_PREFIX}"
    # The step is an int64; names are the Saver's, so that it restores what is written here.
    with tfa.CheckpointWriter(prefix) as writer:
        writer.add("global_step", np.int64(7))
        for number, (name, shape) in enumerate(shapes(size).items()):
            for slot, (suffix, scale) in enumerate(
                (("", 0.02), ("/adam_m", 1e-4), ("/adam_v", 1e-8))
            ):
                values = blocks(3 * number + slot, prod(shape), scale)
                if suffix == "/adam_v":
                    values = (abs(block) for block in values)
                writer.add_blocks(name + suffix, "float32", shape, values)
    settings = [f"{key}={value}" for key, value in asdict(size).items()]
    done = subprocess.run(
        [python, str(_GRAPH), f"{prefix}.meta", *settings],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotMadeError(f"{_GRAPH.name} failed: {done.stderr[-500:]}")


def blocks(seed: int, num_elements: int, scale: float) -> Iterator[Block]:
    """Normally distributed values, some at a time."""
    import numpy as np

    random = np.random.Generator(np.random.SFC64((_SEED, seed)))
    for first in range(0, num_elements, _BLOCK):
        count = min(_BLOCK, num_elements - first)
        yield random.standard_normal(count, dtype=np.float32) * np.float32(scale)
