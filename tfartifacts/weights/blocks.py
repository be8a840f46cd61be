"""Elements in blocks, in constant memory: what comparing, counting and averaging go through.

Blocks are flat arrays of `value.dtype.to_numpy()`, in native byte order, read-only, and valid until
the next one is asked for. All but the last have exactly `most` elements, so that two variables of
the same shape can be gone through side by side, however they are stored:

    for ours, theirs in zip(variable_blocks(a), variable_blocks(b), strict=True): ...

Checksums are compared where a value, or a slice, ends: ask until the end, or what was read so far
was not checked. (`zip` without `strict` does not ask the second one again.)
"""

from __future__ import annotations

from math import prod

from tfartifacts.model.row_major import BLOCK, Blocks, cut, fixed_size, stored_row_major
from tfartifacts.model.values import TensorValue
from tfartifacts.model.variables import Variable


def blocks(value: TensorValue, most: int = BLOCK) -> Blocks:
    """The elements of a value of a fixed-size type in row-major order; reads its file when asked.

    Memory: a block and a piece of the file (the whole value where it lies in a V1 checkpoint, or
    in a bundle of a big-endian machine). An empty value has no block.

    Raises UnsupportedError for strings and variants, at once; ChecksumError for damage, behind the
    last block; FormatError for a data file that is too short.
    """
    fixed_size(value.dtype)
    return cut(value.stored(), value.dtype, prod(value.shape), most)


def variable_blocks(variable: Variable, most: int = BLOCK) -> Blocks:
    """The elements of a variable, those of a partitioned one in the row-major order of the whole.

    Where slices cut the first axis only, as TensorFlow's partitioners do unless told otherwise,
    they are read one after the other. Otherwise the slices that meet in a row are open at once,
    and a piece of each (1 MiB) is held.

    Raises as `blocks` does, and FormatError where slices are missing.
    """
    fixed_size(variable.dtype)
    return cut(stored_row_major(variable), variable.dtype, variable.num_elements, most)
