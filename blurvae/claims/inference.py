"""What numbers over seeds decide: t tests, Holm's correction over those of a piece, and the seeds that would decide.

Student's t is exact for normal values; Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
Journal of Statistics 6 (1979), bounds the probability of any error in a family, however its tests depend on each other.
Equivalence is tested by two one-sided tests (Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from blurvae.experiments import intervals

ALPHA = 0.05  # the probability with which a piece may err
POWER = 0.8  # with which seeds that are asked for would decide
MOST = 1000  # seeds; beyond, no number is named


class Sides(NamedTuple):
    """One-sided p values.

    Attributes:
        claimed: of the hypothesis that the mean is not on the claim's side.
        denied: of the hypothesis that it is not on the other.
    """

    claimed: float
    denied: float

    @property
    def p(self) -> float:
        """The p value of the test that may go either way."""
        return min(1.0, 2 * min(self))


def sides(margins: Sequence[float], near: float = 0.0) -> Sides:
    """Tests whether the mean of some numbers is above 0; or, with a margin, whether it lies within ±near.

    Args:
        margins: the numbers, two at least, or one that is no sample and decides by itself.
        near: of the claim that the mean is nearly 0; 0 for the claim that it is above 0.

    Returns:
        p values; 0 and 1 where the numbers do not vary.
    """
    from scipy.stats import t

    mean, spread = float(np.mean(margins)), standard_error(margins)
    if not spread:
        yes, no = (abs(mean) < near, abs(mean) > near) if near else (mean > 0, mean < 0)
        return Sides(float(not yes), float(not no))
    free = len(margins) - 1
    if not near:
        return Sides(float(t.sf(mean / spread, free)), float(t.cdf(mean / spread, free)))
    above, below = (mean - near) / spread, (mean + near) / spread
    return Sides(
        max(float(t.cdf(above, free)), float(t.sf(below, free))),
        min(float(t.sf(above, free)), float(t.cdf(below, free))),
    )


def standard_error(values: Sequence[float]) -> float:
    """That of the mean; 0 of a single value."""
    return float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def holm(ps: Sequence[float], alpha: float = ALPHA) -> list[tuple[bool, int]]:
    """Holm's step-down procedure.

    Args:
        ps: p values of a family, m of them.
        alpha: the probability of any false rejection, at most.

    Returns:
        For each whether it is rejected, and k: it is where p ≤ α/k, with k = m for the smallest p, m − 1 for the next,
        and so on until the first that is not rejected, whose k the rest share.
    """
    found, stopped = [(False, 1)] * len(ps), False
    k = len(ps)
    for i in sorted(range(len(ps)), key=lambda i: ps[i]):
        stopped = stopped or ps[i] > alpha / k
        found[i] = (not stopped, k)
        k -= not stopped
    return found


def interval(values: Sequence[float], alpha: float = ALPHA) -> tuple[float, float]:
    """The t interval of level 1 − α for the mean; a point for a single value."""
    mean, low, high = intervals.student(values, 1 - alpha)
    return (low, high) if len(values) > 1 else (mean, mean)


def power(effect: float, seeds: int, alpha: float = ALPHA) -> float:
    """How often a two-sided t test of level α finds an effect on its side.

    Args:
        effect: of the true mean, in standard deviations, ≥ 0.
        seeds: n ≥ 2.
        alpha: its level.
    """
    from scipy.stats import nct, t

    return float(nct.sf(t.isf(alpha / 2, seeds - 1), seeds - 1, effect * math.sqrt(seeds)))


def seeds_needed(effect: float, alpha: float = ALPHA, wanted: float = POWER) -> int | None:
    """The least number of seeds with which a test of level α finds an effect with the power that is wanted.

    Args:
        effect: see `power`.
        alpha: likewise.
        wanted: the power.

    Returns:
        Seeds, from 2 on; None where it would be more than a thousand.
    """
    if power(effect, MOST, alpha) < wanted:
        return None
    low, high = 1, MOST  # too few, enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, middle, alpha) >= wanted else (middle, high)
    return high
