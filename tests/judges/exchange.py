"""Arrays of every dtype TensorFlow knows, in a file that any NumPy reads.

    manifest : uint8[n]   JSON, [[name, dtype, shape], ...]; dtype is TensorFlow's name ("bfloat16")
    0, 1 ... : uint8[n]   the values of manifest entry 0, 1 ..., row-major, little-endian;
                          a string tensor: for each element its length (u64) and its bytes

An `.npz` of plain bytes, because NumPy 1.18 cannot read the object arrays NumPy 2 pickles, nor any
NumPy the dtypes of ml_dtypes. The bytes of one entry are what `sha256` means in `expected.json`.

Runs in Python 3.7 and later: TensorFlow 1.15 has nothing newer.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# NumPy's arrays, and TensorFlow's before NumPy had types for them.
Array = Any

QUANTIZED_STORAGE = {
    "qint8": "int8",
    "quint8": "uint8",
    "qint16": "int16",
    "quint16": "uint16",
    "qint32": "int32",
}


@dataclass(frozen=True)
class Tensor:
    """The values of one tensor as bytes: `data` as the module's head lays it out."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes

    def sha256(self) -> str:
        """The hex digest that oracles and `expected.json` hold for these values."""
        return hashlib.sha256(self.data).hexdigest()


def dtype_name(array: Array) -> str:
    """TensorFlow's name for the dtype of a NumPy array."""
    if array.dtype.kind in "OSU":
        return "string"
    if array.dtype.names:  # TensorFlow's quantized types: one field, named like the type
        return str(array.dtype.names[0])
    return str(array.dtype.name)


def encode(array: Array, dtype: str | None = None) -> Tensor:
    """The tensor a NumPy array holds; `dtype` where NumPy has no type of that name (qint8)."""
    # NumPy would make a fixed-width string of a scalar `bytes`, and lose zero bytes at its end.
    array = np.array(array, dtype=object if isinstance(array, (bytes, str)) else None)
    name = dtype or dtype_name(array)
    shape = tuple(int(size) for size in array.shape)
    if name == "string":
        parts: list[bytes] = []
        for element in array.reshape(-1).tolist():
            value = element.encode("utf-8") if isinstance(element, str) else bytes(element)
            parts.append(struct.pack("<Q", len(value)) + value)
        return Tensor(name, shape, b"".join(parts))
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    return Tensor(name, shape, array.tobytes())


def decode(tensor: Tensor, numpy_dtype: Callable[[str], Any]) -> Array:
    """The NumPy array of a tensor; strings as an object array of bytes.

    `numpy_dtype` gives NumPy's type for a name: who reads knows ml_dtypes, or TensorFlow's own.
    """
    if tensor.dtype != "string":
        flat = np.frombuffer(tensor.data, dtype=numpy_dtype(tensor.dtype))
        return flat.reshape(tensor.shape).copy()
    num_elements = 1
    for size in tensor.shape:
        num_elements *= size
    strings = np.empty(num_elements, dtype=object)
    offset = 0
    for index in range(num_elements):
        (length,) = struct.unpack_from("<Q", tensor.data, offset)
        strings[index] = tensor.data[offset + 8 : offset + 8 + length]
        offset += 8 + length
    return strings.reshape(tensor.shape)


def write(path: str, tensors: Mapping[str, Tensor]) -> None:
    """Write `tensors` to `path`, an `.npz`."""
    manifest = [[name, tensor.dtype, list(tensor.shape)] for name, tensor in tensors.items()]
    members: dict[str, Any] = {
        str(index): np.frombuffer(tensor.data, dtype=np.uint8)
        for index, tensor in enumerate(tensors.values())
    }
    members["manifest"] = np.frombuffer(json.dumps(manifest).encode("utf-8"), dtype=np.uint8)
    np.savez(path, **members)


def read(path: str) -> dict[str, Tensor]:
    """The tensors of a file that `write` wrote, in their order."""
    with np.load(path, allow_pickle=False) as members:
        manifest: Sequence[tuple[str, str, list[int]]] = json.loads(
            members["manifest"].tobytes().decode("utf-8")
        )
        return {
            name: Tensor(dtype, tuple(shape), members[str(index)].tobytes())
            for index, (name, dtype, shape) in enumerate(manifest)
        }
