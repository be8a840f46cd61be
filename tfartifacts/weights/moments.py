"""Least, greatest, mean, spread and odd ones of many numbers, in one pass, in any parts.

Sums are float64. The squares of a block's deviations are those of its elements less those of its
mean, unless that would leave too few digits: then of what is left of the mean, so that 1e8 + noise
keeps the noise. Parts are put together by Chan's formula (Chan, Golub, LeVeque 1983).
"""

from __future__ import annotations

from math import inf, isfinite, nan, sqrt
from typing import Any

from tfartifacts.records import dataclass

# Of the sum of squares what must be left of it without those of the mean: costs four digits of 16.
_ENOUGH = 1e-4


@dataclass(frozen=True, slots=True)
class Moments:
    """What numbers come to. Sums are of the finite ones; `squares` are those of the deviations.

    `min` and `max` are of the finite elements, None where there are none; an int for integers.
    """

    num_finite: int = 0
    num_nan: int = 0
    num_infinite: int = 0
    num_zeros: int = 0
    min: float | int | None = None
    max: float | int | None = None
    average: float = 0.0
    squares: float = 0.0
    sum_of_squares: float = 0.0

    @property
    def mean(self) -> float | None:
        """Of the finite elements; None where there are none."""
        return self.average if self.num_finite else None

    @property
    def std(self) -> float | None:
        """The standard deviation of the finite elements as a population (NumPy's ddof=0)."""
        if not self.num_finite:
            return None
        variance = self.squares / self.num_finite
        return sqrt(variance) if variance >= 0 else nan

    @property
    def l2(self) -> float:
        """The Euclidean norm of the finite elements."""
        return sqrt(self.sum_of_squares) if self.sum_of_squares >= 0 else nan

    def __add__(self, other: Moments) -> Moments:
        """The moments of both together."""
        count = self.num_finite + other.num_finite
        average, squares = self.average, self.squares
        if not self.num_finite:
            average, squares = other.average, other.squares
        elif other.num_finite:
            step = other.average - self.average
            share = other.num_finite / count
            # Of equal infinities nothing would be left but NaN.
            average = self.average + step * share if isfinite(step) else step
            squares = self.squares + other.squares + step * step * self.num_finite * share
        least = [part for part in (self.min, other.min) if part is not None]
        greatest = [part for part in (self.max, other.max) if part is not None]
        return Moments(
            count,
            self.num_nan + other.num_nan,
            self.num_infinite + other.num_infinite,
            self.num_zeros + other.num_zeros,
            min(least, default=None),
            max(greatest, default=None),
            average,
            squares,
            self.sum_of_squares + other.sum_of_squares,
        )

    def times(self, count: int) -> Moments:
        """The moments of that many repetitions."""
        return Moments(
            self.num_finite * count,
            self.num_nan * count,
            self.num_infinite * count,
            self.num_zeros * count,
            self.min,
            self.max,
            self.average,
            self.squares * count,
            self.sum_of_squares * count,
        )


def moments_of_counts(values: Any, counts: Any) -> Moments:
    """The moments of float64 values, each of which is there `counts` times."""
    import numpy as np

    finite = np.isfinite(values)
    num_nan = int(counts[np.isnan(values)].sum())
    num_infinite = int(counts[~finite].sum()) - num_nan
    values, counts = values[finite], counts[finite]
    count = int(counts.sum())
    if not count:
        return Moments(0, num_nan, num_infinite)
    average = float((values * counts).sum()) / count
    return Moments(
        count,
        num_nan,
        num_infinite,
        int(counts[values == 0].sum()),
        float(values.min()),
        float(values.max()),
        average,
        float((np.square(values - average) * counts).sum()),
        float((np.square(values) * counts).sum()),
    )


class Summing:
    """Moments of numbers block by block: of floats or integers, of complex ones the magnitudes."""

    def __init__(self, most: int) -> None:
        import numpy as np

        self._scratch = np.empty(most, np.float64)
        self.moments = Moments()

    def add(self, block: Any) -> Any:
        """Count in a block of at most `most` elements; gives those that are finite."""
        import numpy as np

        num_nan = num_infinite = 0
        least, greatest = block.min(), block.max()
        if block.dtype.kind == "f" and not (np.isfinite(least) and np.isfinite(greatest)):
            num_nan = int(np.count_nonzero(np.isnan(block)))
            finite = block[np.isfinite(block)]
            num_infinite = block.size - finite.size - num_nan
            block = finite
            if not block.size:
                self.moments += Moments(0, num_nan, num_infinite)
                return block
            least, greatest = block.min(), block.max()
        count = block.size
        numbers = self._scratch[:count]
        np.copyto(numbers, block, casting="same_kind")
        average = float(numbers.sum()) / count
        np.square(numbers, out=numbers)
        sum_of_squares = float(numbers.sum())
        squares = sum_of_squares - count * _square(average)
        if not squares > _ENOUGH * sum_of_squares:
            np.copyto(numbers, block, casting="same_kind")
            np.subtract(numbers, average, out=numbers)
            np.square(numbers, out=numbers)
            squares = float(numbers.sum())
        self.moments += Moments(
            count,
            num_nan,
            num_infinite,
            int(np.count_nonzero(block == 0)),
            least.item(),
            greatest.item(),
            average,
            squares,
            sum_of_squares,
        )
        return block


def _square(number: float) -> float:
    return number * number if abs(number) < 1e154 else inf
