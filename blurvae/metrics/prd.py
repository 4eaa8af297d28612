"""Precision and recall of generated samples by clusters of their features.

Sajjadi, Bachem, Lucic, Bousquet and Gelly, "Assessing generative models via precision and recall", NeurIPS 2018,
section 4 (section 5.4 of the thesis): the union of real and generated features is clustered by mini-batch k-means with
k = 20, the two histograms over the clusters are compared as discrete distributions, and the curves of several
clusterings are averaged. The text states neither the number of runs nor sizes; 10 runs of 10 starts, 1001 angles and
sets of equal size are those of the authors' released code.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from blurvae.metrics import _check
from blurvae.metrics.prd_curve import ANGLES, PRDCurve, f_pair, mean_curve, prd_curve
from blurvae.models import weights

CLUSTERS, RUNS = 20, 10


@dataclass(frozen=True)
class PRD:
    """Precision and recall of a generated set, and what two real sets reach under the same protocol.

    Attributes:
        curve: the average over the clusterings. No pair of distributions need have it: the curves of the runs do.
        runs: one curve a clustering.
        floor: the average curve of real against real: what a perfect model can be expected to reach.
        n: features in each set.
        n_floor: features in each of the two real sets.
        clusters: k.
        seed: of the clusterings.
    """

    curve: PRDCurve
    runs: tuple[PRDCurve, ...]
    floor: PRDCurve
    n: int
    n_floor: int
    clusters: int
    seed: int

    @property
    def precision(self) -> float:
        """F_1/8 of the average curve."""
        return f_pair(self.curve)[0]

    @property
    def recall(self) -> float:
        """F_8 of the average curve."""
        return f_pair(self.curve)[1]


def prd(
    *,
    real: Tensor,
    generated: Tensor,
    reference: Tensor | None = None,
    clusters: int = CLUSTERS,
    runs: int = RUNS,
    angles: int = ANGLES,
    seed: int = 0,
) -> PRD:
    """The curve of precision and recall of a generated set with respect to a real one.

    The sets have one size, since the larger one would draw the clusters to itself. Finite sets cost even a perfect
    model something, the more the fewer there are: with 20 equal clusters of 1000 samples from one distribution in each
    set, α(1) is .92, though the pair is still .99. The floor shows this cost. Without a `reference` it is measured on
    two disjoint random halves of the real set, and being of half the size lies somewhat below that of the whole.

    A k below the number of modes cannot see that one of them is missing; a large k raises the cost. Repeated points do
    no harm: they share a cluster.

    Args:
        real: (n, d), features of real images.
        generated: (n, d), features of as many generated ones.
        reference: (n, d), features of a second set of real images, none of the first; None: see above.
        clusters: k.
        runs: clusterings.
        angles: see `slopes`.
        seed: the clusterings have the seeds that follow from it; the same arguments give the same answer.

    Returns:
        The curves, with the pair (F_1/8, F_8) as precision and recall.

    Raises:
        ValueError: sets of two sizes or of other shapes, values that are not finite, fewer features in the smaller
            union than clusters, no run.
    """
    _check.vectors(real, generated)
    if reference is not None:
        _check.vectors(real, reference, ("real", "reference"))
    if reference is None:
        order = torch.randperm(len(real), generator=torch.Generator().manual_seed(seed)).to(real.device)
        half = len(real) // 2
        first, second = real[order[:half]], real[order[half : 2 * half]]
    else:
        first, second = real, reference
    how = {"clusters": clusters, "runs": runs, "angles": angles, "seed": seed}
    floor = mean_curve(curves(real=first, generated=second, **how))
    found = curves(real=real, generated=generated, **how)
    return PRD(mean_curve(found), found, floor, len(real), len(first), clusters, seed)


def curves(
    *,
    real: Tensor,
    generated: Tensor,
    clusters: int = CLUSTERS,
    runs: int = RUNS,
    angles: int = ANGLES,
    seed: int = 0,
) -> tuple[PRDCurve, ...]:
    """The curves of several clusterings, without a floor; arguments and errors as in `prd`."""
    _check.vectors(real, generated)
    if runs < 1:
        raise ValueError(f"The curve is an average over at least one clustering, not {runs}.")
    if not 1 <= clusters <= 2 * len(real):
        raise ValueError(
            f"{clusters} clusters cannot be made of {2 * len(real)} features: ask for fewer, or bring more images."
        )
    found = []
    for one in np.random.default_rng(seed).integers(2**31, size=runs):
        sides = cluster(real=real, generated=generated, clusters=clusters, seed=int(one))
        p, q = (np.bincount(labels, minlength=clusters) / len(labels) for labels in sides)
        found.append(prd_curve(real=p, generated=q, angles=angles))
    return tuple(found)


def cluster(
    *, real: Tensor, generated: Tensor, clusters: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The clusters of one clustering of the union of two sets, by mini-batch k-means with 10 starts.

    Args:
        real: (n, d).
        generated: (m, d).
        clusters: k.
        seed: of scikit-learn's generator.

    Returns:
        (n,) and (m,), numbers from 0 to k − 1.

    Raises:
        MissingNetwork: scikit-learn is not installed.
    """
    MiniBatchKMeans = weights.package("sklearn.cluster", "precision and recall").MiniBatchKMeans
    ConvergenceWarning = weights.package("sklearn.exceptions", "precision and recall").ConvergenceWarning
    # In float64: sums of squares in float32 cancel where features lie far from the origin.
    union = torch.cat([real, generated]).detach().cpu().double().numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different points than clusters: some stay empty
        found = MiniBatchKMeans(clusters, n_init=10, random_state=seed).fit(union - union.mean(0)).labels_
    labels = found.astype(np.int64)
    return labels[: len(real)], labels[len(real) :]
