"""Values made up for inputs that nobody gives one for: the same every time.

    float, complex   between 0 and 1        integer, bool   0 or 1: an index, if it is one
    string           b""                    unknown size    2

A sparse input gets one element; one of other parts (ragged) cannot be made up.
"""

from __future__ import annotations

from typing import Any

from tfartifacts.dtypes import dtype_from_name
from tfartifacts.errors import ConversionError
from tfartifacts.model import TensorInfo
from tfartifacts.model.values import PartialShape

UNKNOWN_SIZE = 2
_MOST_ELEMENTS = 1 << 26


def generated(info: TensorInfo, seed: int) -> Any:
    """A value of an input's type and shape. Raises ConversionError where it has no such."""
    import numpy as np

    if info.dtype is None or info.dtype.name in ("resource", "variant"):
        raise ConversionError(
            f"found {info}, for which no value can be made up, expected one: --feed KEY=VALUE"
        )
    shape = sizes(info.shape)
    if np.prod(shape, dtype=np.float64) > _MOST_ELEMENTS:
        raise ConversionError(
            f"found {info}, too large to be made up, expected a value: --feed KEY=VALUE"
        )
    random = np.random.default_rng(seed)
    if info.dtype.name == "string":
        return np.full(shape, b"", object)
    wanted = info.dtype.base.to_numpy()
    if wanted.kind in "biu" or "int" in wanted.name:
        return random.integers(0, 2, shape).astype(wanted)
    return random.random(shape).astype(wanted)


def sizes(shape: PartialShape) -> tuple[int, ...]:
    """A shape that is known, in place of one that is not; a scalar for an unknown rank."""
    return tuple(UNKNOWN_SIZE if size is None else size for size in shape or ())


def generated_sparse(info: TensorInfo, seed: int) -> dict[str, Any]:
    """The three tensors of a sparse input, which has one element, the first."""
    import numpy as np

    assert info.sparse is not None  # the caller looked
    shape = sizes((None,) if info.shape is None else info.shape)
    count = 0 if 0 in shape else 1
    return {
        info.sparse.values: generated(TensorInfo(info.sparse.values, info.dtype, (count,)), seed),
        info.sparse.indices: np.zeros((count, len(shape)), np.int64),
        info.sparse.dense_shape: np.array(shape, np.int64),
    }


def parts(info: TensorInfo) -> list[TensorInfo]:
    """The tensors that an input consists of, each with its type and shape."""
    if info.sparse is not None:
        int64 = dtype_from_name("int64")
        rank = None if info.shape is None else len(info.shape)
        return [
            TensorInfo(info.sparse.values, info.dtype, (None,)),
            TensorInfo(info.sparse.indices, int64, (None, rank)),
            TensorInfo(info.sparse.dense_shape, int64, (rank,)),
        ]
    if info.encoding == "composite":
        return [part for component in info.components for part in parts(component)]
    return [info] if info.name else []
