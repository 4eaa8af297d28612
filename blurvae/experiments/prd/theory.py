"""The theorems of chapter 5 on random pairs of distributions, and its toys, exact.

Theorem 1 has six properties, Theorem 2 gives the curve, and section 5.3.4 its total variation. Each is asked of random
pairs on six states, many of which have no mass, by the scalar test of Lemma 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurvae.metrics import attainable, f_beta, f_pair, prd_curve
from blurvae.metrics.prd_curve import slopes

PAIRS, STATES = 1000, 6
# The six cases of Figs 5.2 and 5.3 as P and Q; the masses of (e) and (f) are ours, the figure's are not printed.
TOYS = {
    "a": ([0.5, 0.5], [1.0, 0.0]),
    "b": ([1.0, 0.0], [0.5, 0.5]),
    "c": ([0.5, 0.5], [0.5, 0.5]),
    "d": ([1.0, 0.0], [0.0, 1.0]),
    "e": ([0.5, 0.5], [0.98, 0.02]),
    "f": ([0.98, 0.02], [0.5, 0.5]),
}


def pairs(count: int = PAIRS, states: int = STATES, seed: int = 0) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Random pairs (P, Q), each state without mass with probability 0.3."""
    rng = np.random.default_rng(seed)
    while count:
        p, q = (rng.dirichlet(np.full(states, 0.7)) * (rng.random(states) < 0.7) for _ in range(2))
        if p.sum() > 0 and q.sum() > 0:
            count -= 1
            yield p / p.sum(), q / q.sum()


def violations(p: NDArray[Any], q: NDArray[Any], rng: np.random.Generator) -> dict[str, bool]:
    """Which statement a pair contradicts, by its number in the chapter; none, if the chapter is right."""

    def holds(precision: float, recall: float) -> bool:
        return attainable(real=p, generated=q, precision=min(1.0, precision), recall=min(1.0, recall))

    both = (p > 0) & (q > 0)
    alpha, beta = float(q[both].sum()), float(p[both].sum())
    curve, back = prd_curve(real=p, generated=q), prd_curve(real=q, generated=p)
    a, b = rng.random(2)
    middle = len(slopes()) // 2
    least = float((p[both] * alpha / q[both]).min()) if both.any() else 0.0
    other = float((q[both] * beta / p[both]).min()) if both.any() else 0.0
    edge = [(x, y) for x, y in zip(*(v[::250] for v in curve)) if x > 0]
    return {
        "(i)": not attainable(real=p, generated=p, precision=1, recall=1) or holds(1, 1) != np.allclose(p, q),
        "(ii)": both.any() != bool(curve.precision.any()),
        "(iii)": both.any() and not (holds(alpha, least) and (alpha > 0.999 or not holds(alpha + 1e-6, 1e-9))),
        "(iv)": both.any() and not (holds(other, beta) and (beta > 0.999 or not holds(1e-9, beta + 1e-6))),
        "(v)": holds(a, b) and not holds(a * rng.random(), b * rng.random()) and a * b > 0,
        "(vi)": holds(a, b) != attainable(real=q, generated=p, precision=b, recall=a)
        or not np.allclose(curve.precision, back.recall[::-1], atol=1e-12),
        "theorem 2": not all(holds(x, y) and (max(x, y) > 0.999 or not holds(1.0001 * x, 1.0001 * y)) for x, y in edge),
        "total variation": abs(curve.precision[middle] - 1 + np.abs(p - q).sum() / 2) > 1e-12,
    }


def record(count: int = PAIRS) -> dict[str, Any]:
    """How many pairs contradict each statement, and what the toys have."""
    found = [violations(p, q, np.random.default_rng(i)) for i, (p, q) in enumerate(pairs(count))]
    gap = 0.0
    for p, q in pairs(count, seed=1):
        gap = max(gap, abs(f_beta(prd_curve(real=p, generated=q), 1) - 1 + np.abs(p - q).sum() / 2))
    toys = {}
    for name, (real, generated) in TOYS.items():
        curve = prd_curve(real=real, generated=generated)
        greatest = {"greatest precision": float(curve.precision.max()), "greatest recall": float(curve.recall.max())}
        toys[name] = greatest | dict(zip(("precision", "recall"), f_pair(curve)))
    return {
        "pairs": count,
        "violations": {name: sum(bool(one[name]) for one in found) for name in found[0]},
        "largest difference of F_1 and 1 − total variation": gap,
        "toys": toys,
    }
