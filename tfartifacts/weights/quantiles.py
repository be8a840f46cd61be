"""Where elements lie: quantiles and a histogram, exact or from counts of nearly equal ones.

    of 2 bytes at most   exact: every bit pattern is counted
    up to MOST_SORTED    exact: sorted
    otherwise            counted by the upper 16 bits of the element as a float32: sign, exponent,
                         7 bits of the fraction. An element so found is off by at most 2^-8 (0.4 %)
                         of itself; below 1e-40 by 1e-40.

Quantiles are NumPy's (method "linear"), between two elements so found. Finite elements alone count.
"""

from __future__ import annotations

from math import floor
from typing import Any

from tfartifacts.records import dataclass

QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
NUM_BINS = 12
MOST_SORTED = 1 << 17  # elements
ESTIMATE_ERROR = 2.0**-8

_NUM_PATTERNS = 1 << 16
_INFINITE = 0x7F80  # of the upper half of a float32


@dataclass(frozen=True, slots=True)
class Distribution:
    """Where the finite elements lie.

    `quantiles` are those of QUANTILES. An estimate differs from the element at that place by at
    most `quantile_error` of it: 0 for exact ones, None where the bound does not hold (64-bit
    floats beyond a float32's range). `histogram` counts in NUM_BINS equal steps from min to max,
    all in the first where these are equal; estimated too where quantiles are.
    """

    quantiles: tuple[float, ...]
    quantile_error: float | None
    histogram: tuple[int, ...]


def of_sorted(values: Any) -> Distribution:
    """Of finite numbers in order, at least one."""
    return _distribution(values, None, 0.0)


def of_counts(values: Any, counts: Any) -> Distribution:
    """Of float64 values, each of which is there `counts` times; at least one is finite."""
    import numpy as np

    there = (counts > 0) & np.isfinite(values)
    order = np.argsort(values[there], kind="stable")
    return _distribution(values[there][order], counts[there][order], 0.0)


class Sketch:
    """Counts of elements that are equal in the upper 16 bits of a float32."""

    def __init__(self, most: int) -> None:
        import numpy as np

        self._positions = np.empty(most, np.intp)
        self._counts = np.zeros(_NUM_PATTERNS, np.int64)

    def add(self, block: Any) -> None:
        """Count a block of finite numbers, not empty."""
        import sys

        import numpy as np

        if block.dtype != np.float32:
            block = block.astype(np.float32)
        upper = block.view(np.uint16)[1 if sys.byteorder == "little" else 0 :: 2]
        positions = self._positions[: block.size]
        np.copyto(positions, upper)
        counts = np.bincount(positions)
        self._counts[: counts.size] += counts

    def distribution(self, least: float, greatest: float) -> Distribution:
        """Of the finite numbers that were counted; `least` and `greatest` are known exactly."""
        import numpy as np

        patterns = np.flatnonzero(self._counts)
        # The middle of what has that upper half; 0 for both of 0 and next to it.
        middle = (patterns.astype(np.uint32) << 16) | 0x8000
        magnitudes = patterns & 0x7FFF
        middle[magnitudes == 0] = 0
        beyond = magnitudes == _INFINITE
        middle[beyond] &= 0xFFFF0000
        values = np.clip(middle.view(np.float32).astype(np.float64), least, greatest)
        order = np.argsort(values, kind="stable")
        error = None if beyond.any() else ESTIMATE_ERROR
        return _distribution(values[order], self._counts[patterns[order]], error)


def _distribution(values: Any, counts: Any, error: float | None) -> Distribution:
    import numpy as np

    ends = np.arange(1, len(values) + 1) if counts is None else np.cumsum(counts)
    total = int(ends[-1])

    def at(rank: int) -> float:
        return float(values[int(np.searchsorted(ends, rank, side="right"))])

    quantiles = []
    for quantile in QUANTILES:
        place = quantile * (total - 1)
        rank = floor(place)
        low, high = at(rank), at(min(rank + 1, total - 1))
        quantiles.append(low if low == high else _between(low, high, place - rank))
    return Distribution(tuple(quantiles), error, _histogram(values, counts))


def _between(low: float, high: float, share: float) -> float:
    # Without overflow for any two.
    return low * (1 - share) + high * share


def _histogram(values: Any, counts: Any) -> tuple[int, ...]:
    import numpy as np

    # Halves do not overflow, and NaN does not arise.
    halves = values.astype(np.float64) / 2
    width = halves[-1] - halves[0]
    if not width:
        total = len(values) if counts is None else int(counts.sum())
        return (total, *(0 for _ in range(NUM_BINS - 1)))
    steps = ((halves - halves[0]) / width * NUM_BINS).astype(np.intp)
    np.minimum(steps, NUM_BINS - 1, out=steps)
    bins = np.bincount(steps, counts, NUM_BINS)
    return tuple(int(number) for number in bins)
