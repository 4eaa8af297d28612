"""Two methods compared at equal rate: the area between their curves of quality over rate.

After G. Bjøntegaard, "Calculation of average PSNR differences between RD-curves", ITU-T VCEG-M33, 2001, who fits one
cubic polynomial; here, as in later standards, a piecewise cubic one that keeps to the measured points.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Curve(NamedTuple):
    """What a method reaches at several settings, in any order.

    Attributes:
        rate: (p,), p ≥ 2 different values, e.g. the KL term in nats per image.
        quality: (p,), e.g. PSNR.
    """

    rate: ArrayLike
    quality: ArrayLike


def mean_difference(a: Curve, b: Curve, *, log_rate: bool = True) -> float:
    """How much higher curve b runs than curve a on average over the rates that both cover.

    Each curve is interpolated by a monotone piecewise cubic polynomial (PCHIP, Fritsch and Butland 1984), which
    overshoots no measured point, and integrated exactly; nothing is extrapolated.

    Args:
        a: the reference.
        b: what is compared to it.
        log_rate: measure along log rate, as Bjøntegaard does, where doubling counts the same at any rate.

    Returns:
        In the unit of quality; positive where b lies above a.

    Raises:
        ValueError: fewer than two points, equal rates, values that are not finite, rates that are not positive where
            their logarithm is taken, or curves without a common range of rates.

    Example:
        >>> a = Curve([10, 100], [20, 24])
        >>> round(mean_difference(a, Curve([10, 100], [21, 25])), 12)
        1.0
    """
    from scipy.interpolate import PchipInterpolator

    (rate_a, quality_a), (rate_b, quality_b) = (_sorted(curve, log_rate) for curve in (a, b))
    low, high = max(rate_a[0], rate_b[0]), min(rate_a[-1], rate_b[-1])
    if not low < high:
        spans = [f"{np.min(c.rate):.4g} to {np.max(c.rate):.4g}" for c in (a, b)]
        raise ValueError(f"The curves share no range of rates ({spans[0]}, {spans[1]}): measure settings in between.")
    area_a, area_b = (
        PchipInterpolator(rate, quality).integrate(low, high)
        for rate, quality in ((rate_a, quality_a), (rate_b, quality_b))
    )
    return float((area_b - area_a) / (high - low))


def _sorted(curve: Curve, log_rate: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(log) rates in ascending order and their qualities."""
    rate, quality = (np.asarray(values, dtype=np.float64) for values in curve)
    if rate.ndim != 1 or rate.shape != quality.shape or len(rate) < 2:
        raise ValueError(
            f"A curve has one quality for each of at least two rates, not the shapes {rate.shape}, {quality.shape}."
        )
    if not (np.isfinite(rate).all() and np.isfinite(quality).all()):
        raise ValueError("A curve holds values that are not finite: leave those settings out.")
    if log_rate and rate.min() <= 0:
        raise ValueError(f"A rate of {rate.min():.4g} has no logarithm: leave it out, or pass log_rate=False.")
    order = np.argsort(rate)
    rate, quality = rate[order], quality[order]
    if (np.diff(rate) == 0).any():
        raise ValueError("A curve has two points at one rate: average them, or leave one out.")
    return (np.log(rate) if log_rate else rate), quality
