"""Precision and recall of what a model draws, for every evaluation that draws something."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial

from torch import Tensor

from blurvae import metrics
from blurvae.metrics.prd import curves
from blurvae.metrics.prd_curve import BETA, f_beta, mean_curve

RUNS = 5  # clusterings; half of the published protocol's, for the sake of time
FEWEST = 100  # images of a set, 5 a cluster: below, the pair says nothing
SIDES = {"precision": 1 / BETA, "recall": BETA}  # with the weight of their F-scores


def precision_recall(
    real: Tensor, sets: Mapping[str, Tensor], features: str = "squeeze", seed: int = 0
) -> dict[str, metrics.Entry]:
    """Precision and recall of sets of images with respect to real ones, by 20 clusters of their features.

    Each set is compared with the real images in equal numbers, the first of either. A set of other real images, named
    "data", shows what the same numbers are for a perfect model.

    Args:
        real: (n, c, h, w) on [0, 1].
        sets: by name, such as "samples", "GMM samples" or "data": (m, c, h, w) on [0, 1].
        features: a name of `metrics.FEATURES`.
        seed: of the clusterings.

    Returns:
        For each set of at least 100 images "precision-squeeze (samples)", F_1/8 of the average curve, and
        "recall-squeeze (samples)", F_8: {"value", "n"}, n images on each side; {"state": "needs weights", "what": …}
        where the network is not on this machine.

    Raises:
        ValueError: see `metrics.embed`.
    """
    known = cache(lambda: metrics.embed(real, features))

    @cache
    def curve(name: str) -> metrics.PRDCurve:
        n = min(len(real), len(sets[name]))
        generated = metrics.embed(sets[name][:n], features)
        return mean_curve(curves(real=known()[:n], generated=generated, runs=RUNS, seed=seed))

    def row(name: str, beta: float) -> metrics.Entry:
        return {"value": f_beta(curve(name), beta), "n": min(len(real), len(sets[name]))}

    return {
        f"{side}-{features} ({name})": metrics.attempt(partial(row, name, beta))
        for name, images in sets.items()
        if min(len(real), len(images)) >= FEWEST
        for side, beta in SIDES.items()
    }
