"""Recall within one class (Fig. 5.7): a set of upright ones beside a set of all ones, tilted ones among them.

Fig. 5.7 shows two GANs that draw nothing but ones. To a classifier both are the same. The slant of a digit is measured
by its second moments: the angle by which its rows are sheared against one another.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from blurvae import metrics
from blurvae.experiments.prd import sets

FEATURES = ("classifier-mnist", "squeeze", "pixels")
N = 1000
RUNS = 5
SHARE = 3  # the upright set is chosen among the third of all ones that is nearest to the median slant


def slant(images: Tensor) -> Tensor:
    """The slant of digits (n, 1, h, w), (n,): how far a row lies to the left of the row below it, px a px."""
    x = images[:, 0].double()
    h, w = x.shape[-2:]
    y = torch.arange(h, dtype=torch.float64)[:, None]
    z = torch.arange(w, dtype=torch.float64)
    mass = x.sum((1, 2))
    dy = y - ((x * y).sum((1, 2)) / mass)[:, None, None]
    dz = z - ((x * z).sum((1, 2)) / mass)[:, None, None]
    covariance: Tensor = (x * dy * dz).sum((1, 2)) / (x * dy * dy).sum((1, 2))
    return covariance


def record(seeds: tuple[int, ...] = sets.SEEDS, n: int = N) -> dict[str, Any]:
    """The pair of either set against the ones of the test images, in several features, with the classifier's view."""
    rows = []
    for seed in seeds:
        real = sets.by_class("mnist", "test", n, seed)[1]
        ones = sets.by_class("mnist", "train", 10_000, seed)[1]
        tilt = (slant(ones) - slant(ones).median()).abs()
        upright = ones[tilt <= tilt.quantile(1 / SHARE)][:n]
        for features in FEATURES:
            p = metrics.embed(real, features)
            for name, images in (("upright ones", upright), ("all ones", ones[:n])):
                found = sets.measured(p, metrics.embed(images, features), runs=RUNS, seed=seed)
                del found["curve"]
                own = {"features": features, "set": name, "seed": seed, "slant sd": slant(images).std().item()}
                rows.append(own | found | sets.classes_of(sets.probabilities(images, "mnist")))
    return {"data": "mnist", "n": n, "seeds": list(seeds), "rows": rows}
