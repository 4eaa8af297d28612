"""What a few seeds say of a mean: Student's interval, of numbers and of ratios that are paired by seed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from typing import NamedTuple

LEVEL = 0.95


class Interval(NamedTuple):
    """A mean and the interval around it.

    Attributes:
        mean: of the values.
        low: NaN where there are fewer than two values, which say nothing of their spread.
        high: as low.

    Example:
        >>> f"{student([1, 2, 3]):+.2f} dB"
        '+2.00 (−0.48 to +4.48) dB'
    """

    mean: float
    low: float
    high: float

    def __format__(self, form: str) -> str:
        """The mean and, where there is one, the interval in brackets, each number in this form."""
        mean, low, high = (format(number, form).replace("-", "−") for number in self)
        return f"{mean} ({low} to {high})" if self.low == self.low else mean


def student(values: Iterable[float], level: float = LEVEL) -> Interval:
    """Student's interval of the mean of normal values (1908).

    Args:
        values: at least one, such as one a seed.
        level: of confidence, in (0, 1).

    Raises:
        ValueError: no values.

    Example:
        >>> [round(number, 2) for number in student([1, 2, 3])]
        [2.0, -0.48, 4.48]
    """
    from scipy.stats import t

    found = [float(value) for value in values]
    if not found:
        raise ValueError("An interval needs values: no seed is recorded.")
    mean = statistics.fmean(found)
    if len(found) < 2:
        return Interval(mean, math.nan, math.nan)
    half = float(t.ppf((1 + level) / 2, len(found) - 1)) * statistics.stdev(found) / math.sqrt(len(found))
    return Interval(mean, mean - half, mean + half)


def geometric(values: Iterable[float], level: float = LEVEL) -> Interval:
    """Geometric mean of positive values, and Student's interval of their logarithms, brought back.

    Args:
        values: at least one, positive, such as distances.
        level: of confidence, in (0, 1).

    Raises:
        ValueError: no values, or one that is not positive.

    Example:
        >>> [round(number, 2) for number in geometric([1, 2, 4])]
        [2.0, 0.36, 11.19]
    """
    found = [float(value) for value in values]
    if any(value <= 0 for value in found):
        raise ValueError(f"A geometric mean takes positive numbers, not {min(found):g}.")
    return Interval(*(math.exp(number) for number in student(map(math.log, found), level)))


def ratio(own: Mapping[int, float], other: Mapping[int, float], level: float = LEVEL) -> Interval:
    """One number over another, for the seeds that have both: `geometric` of the ratios.

    Args:
        own: by seed.
        other: by seed.
        level: of confidence, in (0, 1).

    Raises:
        ValueError: no seed has both, or a number is not positive.
    """
    return geometric((own[seed] / other[seed] for seed in sorted(own.keys() & other.keys())), level)
