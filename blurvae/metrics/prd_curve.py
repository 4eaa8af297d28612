"""Precision and recall of one discrete distribution with respect to another, as a curve.

Sajjadi, Bachem, Lucic, Bousquet and Gelly, "Assessing generative models via precision and recall", NeurIPS 2018; here
after Sajjadi, "Enhancement and evaluation of deep generative networks", PhD thesis, Tübingen 2024, chapter 5, whose
numbers the equations bear. P is the real distribution, Q the generated one, both on the same finite states. Q has
precision α at recall β where P = βμ + (1 − β)ν_P and Q = αμ + (1 − α)ν_Q for a common part μ (5.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

ANGLES = 1001  # odd, so that λ = 1 is among them
BETA = 8.0  # of the pair of F-scores


class PRDCurve(NamedTuple):
    """The outer edge of the attainable pairs, λ ascending: precision grows, recall falls.

    Attributes:
        precision: (m,), α(λ) in [0, 1].
        recall: (m,), β(λ) = α(λ)/λ in [0, 1].
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]


def slopes(angles: int = ANGLES) -> NDArray[np.float64]:
    """The slopes λ = tan(i/(m + 1) · π/2), i = 1…m, of the rays α = λβ on which a curve is computed (5.3.3).

    Args:
        angles: m, odd.

    Returns:
        (m,), ascending, with λ = 1 in the middle and 1/λ in the mirrored place.

    Raises:
        ValueError: an even or no positive number of angles.
    """
    if angles < 1 or angles % 2 == 0:
        raise ValueError(f"A curve has an odd number of angles, so that λ = 1 is among them, not {angles}.")
    half = np.tan(np.arange(1, (angles + 1) // 2) / (angles + 1) * np.pi / 2)
    return np.concatenate([half, [1.0], 1 / half[::-1]])


def prd_curve(*, real: ArrayLike, generated: ArrayLike, angles: int = ANGLES) -> PRDCurve:
    """α(λ) = Σ min(λP, Q) and β(λ) = Σ min(P, Q/λ) (5.10), exact on each ray.

    The least and the greatest slope are 1.6e-3 and 638 for 1001 angles: where the ratio Q/P stays between them on the
    common states, the ends of the curve are the greatest recall P(supp Q) and the greatest precision Q(supp P). At
    λ = 1 both are 1 − δ(P, Q), δ the total variation distance.

    Args:
        real: (s,), P, non-negative with sum 1.
        generated: (s,), Q, likewise.
        angles: see `slopes`.

    Returns:
        The curve.

    Raises:
        ValueError: distributions on different numbers of states, negative or not of sum 1; an even number of angles.

    Example:
        >>> curve = prd_curve(real=[0.5, 0.5], generated=[1.0, 0.0])
        >>> curve.precision.max().item(), curve.recall.max().item()
        (1.0, 0.5)
    """
    p, q = _distributions(real, generated)
    grid = slopes(angles)[:, None]
    # The smaller of two numbers, not one sum divided by λ: both ends keep all their digits.
    precision = np.minimum(grid * p, q).sum(1)
    recall = np.minimum(p, q / grid).sum(1)
    return PRDCurve(precision.clip(0, 1), recall.clip(0, 1))


def attainable(*, real: ArrayLike, generated: ArrayLike, precision: float, recall: float) -> bool:
    """Whether Q has a precision α at a recall β with respect to P: Σ min(P/β, Q/α) ≥ 1.

    By Lemma 1 this asks for a distribution μ ≤ min(P/β, Q/α), which exists where that bound has a sum of at least 1. It
    needs no ν_P and ν_Q, which (5.7) leaves undefined at α = 1 or β = 1.

    Args:
        real: (s,), P.
        generated: (s,), Q.
        precision: α in [0, 1].
        recall: β in [0, 1].

    Raises:
        ValueError: see `prd_curve`; or a precision or recall outside [0, 1].
    """
    p, q = _distributions(real, generated)
    if not (0 <= precision <= 1 and 0 <= recall <= 1):
        raise ValueError(f"Precision and recall lie in [0, 1], not at {precision:.4g} and {recall:.4g}.")
    if precision == 0 or recall == 0:
        return precision == recall
    return bool(np.minimum(p / recall, q / precision).sum() >= 1 - 1e-12)


def mean_curve(curves: Sequence[PRDCurve]) -> PRDCurve:
    """The average of curves on one grid, ray by ray. It need not be the curve of any pair of distributions."""
    return PRDCurve(*(np.mean(values, axis=0) for values in zip(*curves, strict=True)))


def f_beta(curve: PRDCurve, beta: float) -> float:
    """The greatest F_β = (1 + β²)αr/(β²α + r) on a curve (5.18), α precision and r recall; above 1, β favours recall.

    Args:
        curve: of `prd_curve`; the maximum is over its rays only.
        beta: β > 0.

    Returns:
        In [0, 1]; 0 where nothing is shared. F_1 is not 1 − δ(P, Q).

    Raises:
        ValueError: β is not positive.
    """
    if not beta > 0:
        raise ValueError(f"The weight β of an F-score is positive, not {beta}.")
    alpha, recall = curve
    below = beta**2 * alpha + recall
    scores = np.divide((1 + beta**2) * alpha * recall, below, out=np.zeros_like(below), where=below > 0)
    return float(scores.max())


def f_pair(curve: PRDCurve) -> tuple[float, float]:
    """The two numbers that stand for a curve: its greatest F_1/8, for precision, and F_8, for recall (5.4.3)."""
    return f_beta(curve, 1 / BETA), f_beta(curve, BETA)


def _distributions(real: ArrayLike, generated: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    p, q = (np.asarray(values, dtype=np.float64) for values in (real, generated))
    if p.ndim != 1 or p.shape != q.shape or not p.size:
        raise ValueError(
            f"Two distributions have one probability for each state of the same list, not the shapes {p.shape} (real) "
            f"and {q.shape} (generated)."
        )
    for values, name in ((p, "real"), (q, "generated")):
        if not (np.isfinite(values).all() and values.min() >= 0 and abs(values.sum() - 1) < 1e-6):
            raise ValueError(
                f"{name} is no distribution: its probabilities must be ≥ 0 with sum 1, but lie between "
                f"{values.min():.4g} and {values.max():.4g} with sum {values.sum():.6g}. Divide counts by their sum."
            )
    return p, q
