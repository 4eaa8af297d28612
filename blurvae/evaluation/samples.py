"""Precision and recall of what a model draws, for every evaluation that draws something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial

from torch import Tensor

from blurvae import metrics
from blurvae.metrics.knn import NEIGHBOURS, Neighbours
from blurvae.metrics.prd import CLUSTERS, PRD, curves
from blurvae.metrics.prd import RUNS as ALL_RUNS
from blurvae.metrics.prd_curve import f_pair, mean_curve

RUNS = 5  # clusterings; half of the published protocol's, for the sake of time
FEWEST = 100  # images of a set, 5 a cluster: below, the pair says nothing
SIDES = ("precision", "recall")  # in the order of `f_pair`


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
    def found(name: str) -> tuple[int, tuple[float, float]]:
        n = min(len(real), len(sets[name]))
        generated = metrics.embed(sets[name][:n], features)
        return n, f_pair(mean_curve(curves(real=known()[:n], generated=generated, runs=RUNS, seed=seed)))

    def row(name: str, side: int) -> metrics.Entry:
        n, pair = found(name)
        return {"value": pair[side], "n": n}

    return {
        f"{side}-{features} ({name})": metrics.attempt(partial(row, name, i))
        for name, images in sets.items()
        if min(len(real), len(images)) >= FEWEST
        for i, side in enumerate(SIDES)
    }


@dataclass(frozen=True)
class Comparison:
    """Two sets of images of one size, seen through one kind of features.

    Attributes:
        features: their name.
        values: d, the length of a feature vector.
        clusters: precision and recall by clusters, with those of real against real.
        neighbours: those by nearest neighbours.
        k: neighbours.
    """

    features: str
    values: int
    clusters: PRD
    neighbours: Neighbours
    k: int


def compare(
    *,
    real: Tensor,
    generated: Tensor,
    features: str = "squeeze",
    clusters: int = CLUSTERS,
    runs: int = ALL_RUNS,
    k: int = NEIGHBOURS,
    seed: int = 0,
) -> Comparison:
    """Everything that this package says of the precision and recall of a set of images.

    Args:
        real: (n, c, h, w) on [0, 1].
        generated: (n, c, h, w), as many.
        features: see `metrics.embed_pair`.
        clusters: see `metrics.prd`.
        runs: likewise.
        k: see `metrics.knn_precision_recall`.
        seed: of the clusterings and the halves of the real set.

    Raises:
        ValueError: sets of two sizes, images of two shapes, too few images, unknown features.
        MissingWeights: the features' network is absent.
    """
    a, b = metrics.embed_pair(real=real, generated=generated, features=features)
    by_clusters = metrics.prd(real=a, generated=b, clusters=clusters, runs=runs, seed=seed)
    return Comparison(features, a.shape[1], by_clusters, metrics.knn_precision_recall(real=a, generated=b, k=k), k)
