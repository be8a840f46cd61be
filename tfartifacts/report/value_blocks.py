"""Values of variables as blocks, and the picture of an array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tfartifacts.report.blocks import Block, Values
from tfartifacts.report.layout import Layout
from tfartifacts.report.units import count, shape
from tfartifacts.report.view import Document

if TYPE_CHECKING:
    from tfartifacts.model.values import Array

_MOST_ELEMENTS = 200  # of more, the ends of each dimension are shown


def value_blocks(values: Sequence[Document], layout: Layout) -> Iterator[Block]:
    """Type, shape, range and elements of each; all elements where the layout wants them."""
    for value in values:
        about = (value["dtype"], shape(value["shape"]))
        if "error" in value:
            remark = f"not readable: {value['error']['message']}"
            yield Values(value["name"], about, (remark,), ())
            continue
        remarks = tuple(_statistics(value["statistics"]))
        lines = array_text(value["values"], layout).split("\n")
        yield Values(value["name"], about, remarks, lines)


def _statistics(statistics: Document | None) -> Iterator[str]:
    if statistics is None:
        return
    odd = count(statistics["num_not_finite"])
    if statistics["min"] is None:
        yield f"all {odd} elements are not finite"
        return
    yield (
        f"min {statistics['min']:.8g}, max {statistics['max']:.8g}, mean {statistics['mean']:.8g}"
        + (f", {odd} not finite" if statistics["num_not_finite"] else "")
    )


def array_text(array: Array, layout: Layout) -> str:
    """NumPy's picture of an array; strings as text, with what cannot be shown as escapes."""
    import numpy as np

    if array.size == 0:
        return "(no elements)"
    width = (layout.width or 100) - 2
    threshold = _MOST_ELEMENTS if is_shortened(array, layout) else array.size + 1
    if array.dtype == object:
        return np.array2string(
            array,
            max_line_width=width,
            threshold=threshold,
            formatter={"object": lambda value: _quoted(value, layout)},
        )
    if array.dtype.kind not in "biufc":
        # ml_dtypes: integers of 2 and 4 bits, floats of at most 16.
        is_integer = array.dtype.name in ("int4", "uint4", "int2", "uint2")
        array = array.astype(np.int64 if is_integer else np.float64)
    return np.array2string(
        array,
        max_line_width=width,
        threshold=threshold,
    )


def is_shortened(array: Array, layout: Layout) -> bool:
    """Whether array_text shows the ends of an array alone."""
    return array.size > _MOST_ELEMENTS and not layout.all_values


def _quoted(value: object, layout: Layout) -> str:
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
    return '"' + layout.safe(text) + '"'
