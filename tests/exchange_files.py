"""What tests of export and import share: checkpoints of every type, written and read back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import tfartifacts as tfa
from tests import strategies
from tests.judges.client import sha256
from tfartifacts.dtypes import DType
from tfartifacts.formats.tensor_data import object_array

# What a format has no type for.
REFUSED = {
    "safetensors": {"complex128", "float8_e4m3b11fnuz", "float4_e2m1fn", "string"},
    "npz": set[str](),
    "npy": set[str](),
}
FORMATS = tuple(REFUSED)
PATHS = {"safetensors": "m.safetensors", "npz": "m.npz", "npy": "m/"}
STRINGS = [b"", b"a\0b\0", "größe".encode(), b"x" * 127, b"\0", b"z" * 20000]


def every_array(dtypes: tuple[DType, ...]) -> tuple[dict[str, Any], dict[str, str]]:
    """Arrays of each type in several shapes; the types that NumPy cannot tell."""
    arrays: dict[str, Any] = {}
    for dtype in dtypes:
        if dtype.itemsize is None:
            arrays |= {
                "string/matrix": object_array(STRINGS, (3, 2)),
                "string/padded": object_array([b"abc", b"", b"de"], (3,)),
                "string/scalar": object_array([b"a\0"], ()),
                "string/empty": np.empty((2, 0), object),
                "string/of nothing": object_array([b"", b""], (2,)),
            }
            continue
        # All bytes that there are, signalling NaN among them.
        data = bytes(range(256)) * dtype.itemsize
        matrix = strategies.array_of(dtype, (16, 16), data)
        arrays |= {
            f"{dtype}/matrix": matrix,
            f"{dtype}/scalar": matrix[1, 2],
            f"{dtype}/empty": matrix[:0],
            f"{dtype}/cube": matrix.reshape(2, 8, 16),
        }
    told = {name: name.split("/")[0] for name in arrays if name.startswith(("q", "quint"))}
    return arrays, told


def checkpoint_of(arrays: Mapping[str, Any], **options: Any) -> tfa.Checkpoint:
    return tfa.Checkpoint.from_arrays(arrays, **options)


def facts(checkpoint: tfa.Checkpoint) -> dict[str, tuple[str, tuple[int, ...], str]]:
    """Type, shape and digest of each variable."""
    return {
        name: (str(variable.dtype), variable.shape, sha256(variable.read()))
        for name, variable in checkpoint.variables.items()
    }


def opened(path: Path) -> tfa.Checkpoint:
    found = tfa.open(path)
    assert isinstance(found, tfa.Checkpoint)
    return found


def left_in(folder: Path) -> list[str]:
    """What is in a folder, temporary things too."""
    return sorted(path.name for path in folder.iterdir())
