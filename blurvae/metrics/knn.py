"""Precision, recall, density and coverage of generated samples by the nearest neighbours of their features.

Kynkäänniemi, Karras, Laine, Lehtinen and Aila, "Improved precision and recall metric for assessing generative models",
NeurIPS 2019; Naeem, Oh, Uh, Choi and Yoo, "Reliable fidelity and diversity metrics for generative models", ICML 2020.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from blurvae.metrics import _check

NEIGHBOURS = 5
CHUNK = 2**22  # distances that are held at a time: 32 MB
TIE = 1e-12  # of the largest squared norm: the rounding of a squared distance, below which two are one


class Neighbours(NamedTuple):
    """How two sets of features lie among one another, each in the balls around the other's points.

    Attributes:
        precision: the share of generated points in the ball of any real point.
        recall: the share of real points in the ball of any generated point.
        density: the mean number of real balls around a generated point, divided by k; it may exceed 1.
        coverage: the share of real balls that hold a generated point.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def knn_precision_recall(*, real: Tensor, generated: Tensor, k: int = NEIGHBOURS) -> Neighbours:
    """Shares of points in balls that reach from each point to its k-th nearest neighbour in its own set.

    The ball is closed, as Kynkäänniemi et al. write it, so that a copy of a real image is always within it. The `prdc`
    package of Naeem et al. has it open, which differs only where two distances are equal, that is for copies: a point
    that its set holds more than k times has a ball of radius 0, which holds its copies here and nothing at all in
    `prdc`, and a copy of the k-th neighbour counts for the density here and not there.

    Memory is bounded: 32 MB of distances beside the features, whatever n is; time is 3n²d multiplications.

    Args:
        real: (n, d), features of real images.
        generated: (n, d), features of as many generated ones.
        k: neighbours, 1 ≤ k < n.

    Raises:
        ValueError: sets of two sizes or of other shapes, values that are not finite, k outside its range.
    """
    _check.vectors(real, generated)
    n = len(real)
    if not 1 <= k < n:
        raise ValueError(f"A point in a set of {n} has 1 to {n - 1} neighbours, not k = {k}.")
    centre = torch.cat([real, generated]).double().mean(0)  # large common values would cost digits
    p, q = real.double() - centre, generated.double() - centre
    tie = TIE * torch.maximum(p.square().sum(1).max(), q.square().sum(1).max())
    # The nearest of a point's own set is the point itself.
    radius_p, radius_q = (
        torch.cat([d.topk(k + 1, largest=False).values[:, -1] for d in _squared(s, s)]) for s in (p, q)
    )
    around = torch.zeros(n, dtype=torch.int64, device=p.device)  # real balls around each generated point
    recalled = covered = start = 0
    for distance in _squared(p, q):
        rows = slice(start, start := start + len(distance))
        within = distance <= radius_p[rows, None] + tie
        around += within.sum(0)
        covered += int(within.any(1).sum())
        recalled += int((distance <= radius_q + tie).any(1).sum())
    return Neighbours((around > 0).double().mean().item(), recalled / n, around.sum().item() / (k * n), covered / n)


def _squared(a: Tensor, b: Tensor) -> Iterator[Tensor]:
    """The squared distances of the points of a, some at a time, from those of b: (≤ n, m)."""
    length = b.square().sum(1)
    for some in a.split(max(1, CHUNK // len(b))):
        yield torch.addmm(length, some, b.T, alpha=-2) + some.square().sum(1, keepdim=True)
