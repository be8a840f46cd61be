"""Handwritten digits as images of 28x28x1, values 0..1, for both examples.

scikit-learn's 1,797 digits come with it and need no network; MNIST is read from a folder that
holds its four IDX files, compressed or not.

    IDX : 00 00 TYPE RANK | size:u32 for each dimension | values     all big-endian; TYPE 08: u8
"""

# scikit-learn has no types that mypy finds.
# mypy: disable-error-code="import-untyped, import-not-found"

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

NUM_TRAINING_DIGITS = 1500
MNIST_FILES = {
    "train_images": "train-images",
    "train_labels": "train-labels",
    "test_images": "t10k-images",
    "test_labels": "t10k-labels",
}


@dataclass(frozen=True)
class Digits:
    """Images, float32[n, 28, 28, 1], and the digit on each, int64[n]."""

    train_images: npt.NDArray[np.float32]
    train_labels: npt.NDArray[np.int64]
    test_images: npt.NDArray[np.float32]
    test_labels: npt.NDArray[np.int64]


def load(mnist: str | None = None) -> Digits:
    """MNIST from a folder of IDX files, else scikit-learn's digits."""
    return load_scikit_learn() if mnist is None else load_mnist(Path(mnist))


def load_scikit_learn() -> Digits:
    """The digits of 8x8 pixels, 0..16, each pixel tripled, two pixels of margin around."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    tripled = digits.images.repeat(3, axis=1).repeat(3, axis=2) / 16
    images = np.pad(tripled, [(0, 0), (2, 2), (2, 2)]).astype(np.float32)[..., np.newaxis]
    labels = digits.target.astype(np.int64)
    return Digits(
        images[:NUM_TRAINING_DIGITS],
        labels[:NUM_TRAINING_DIGITS],
        images[NUM_TRAINING_DIGITS:],
        labels[NUM_TRAINING_DIGITS:],
    )


def load_mnist(folder: Path) -> Digits:
    """The 60,000 and 10,000 digits of MNIST."""
    arrays = {}
    for name, stem in MNIST_FILES.items():
        files = sorted(folder.glob(f"{stem}[-.]idx?-ubyte*"))
        if not files:
            raise FileNotFoundError(f"{folder}: no {stem}-idx?-ubyte or .gz of it, as in MNIST")
        arrays[name] = read_idx(files[0])
    return Digits(
        (arrays["train_images"] / np.float32(255))[..., np.newaxis],
        arrays["train_labels"].astype(np.int64),
        (arrays["test_images"] / np.float32(255))[..., np.newaxis],
        arrays["test_labels"].astype(np.int64),
    )


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """The array in an IDX file of unsigned bytes."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    zeros, dtype, rank = struct.unpack_from(">HBB", content)
    if zeros != 0 or dtype != 0x08:
        raise ValueError(f"{path}: byte 0: {content[:4].hex()}, an IDX file of bytes has 000008..")
    shape = struct.unpack_from(f">{rank}I", content, 4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * rank).reshape(shape)
