"""How often the rule errs, and how often it decides: trainings that are drawn from a known truth, judged many times."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from blurvae.claims.inference import ALPHA


class Rates(NamedTuple):
    """What part of the pieces of evidence that the rule judges comes out how.

    Attributes:
        claimed: has a comparison that is called "for".
        denied: has one that is called "against".
        holds: holds, all of them being for it.
        each: is the mean part of single comparisons that are called "for".
    """

    claimed: float
    denied: float
    holds: float
    each: float


def simulate(
    comparisons: int,
    seeds: int,
    effect: float = 0.0,
    correlation: float = 0.0,
    pieces: int = 20_000,
    seed: int = 0,
) -> Rates:
    """Judges pieces whose comparisons have one true effect, over seeds whose values are normal.

    Args:
        comparisons: m in a piece, all in one direction.
        seeds: n values of each.
        effect: the true mean, in standard deviations.
        correlation: of any two comparisons' values of one seed: rivals meet the same runs of a method.
        pieces: how many are drawn.
        seed: of the draws.
    """
    from scipy.stats import t

    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((pieces, 1, seeds)) * correlation**0.5
    values = effect + shared + rng.standard_normal((pieces, comparisons, seeds)) * (1 - correlation) ** 0.5
    statistic = values.mean(2) / values.std(2, ddof=1) * seeds**0.5
    decided = rejected(2 * t.sf(np.abs(statistic), seeds - 1))
    claimed, denied = decided & (statistic > 0), decided & (statistic < 0)
    return Rates(
        claimed.any(1).mean().item(), denied.any(1).mean().item(), claimed.all(1).mean().item(), claimed.mean().item()
    )


def rejected(ps: NDArray[np.float64], alpha: float = ALPHA) -> NDArray[np.bool_]:
    """Holm's procedure over the rows of p values, (pieces, m): `inference.holm` for many pieces at once."""
    order = np.argsort(ps, 1)
    levels = alpha / np.arange(ps.shape[1], 0, -1)
    passed = np.logical_and.accumulate(np.take_along_axis(ps, order, 1) <= levels, 1)
    found = np.empty_like(passed)
    np.put_along_axis(found, order, passed, 1)
    return found
