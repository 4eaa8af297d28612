"""Two sets at one Fréchet distance from the real digits, one sharp with few digits, one of all digits and noisy.

Figs 5.1 and 5.6 show such pairs of GANs. Here the one set holds real training images of the first digits alone, the
other all digits with as much Gaussian noise as brings it to the same distance.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from blurvae import metrics
from blurvae.experiments.prd import sets

DIGITS = (4, 8)  # how many of the ten the sharp set has
FEATURES = ("classifier-mnist", "squeeze")
N = 1200
STEPS = 13  # of the bisection


def record(features: str, seeds: tuple[int, ...] = sets.SEEDS, n: int = N) -> dict[str, Any]:
    """Both sets for each number of digits: noise, distance, pair, curve and classes.

    Args:
        features: a name of `metrics.FEATURES`.
        seeds: of the choice of images, of the noise and of the clusterings.
        n: images of a set, divisible by the numbers of digits.
    """
    rows = []
    for seed in seeds:
        real = metrics.embed(sets.joined(sets.by_class("mnist", "test", n // 10, seed), n), features)
        pools = sets.by_class("mnist", "train", n, seed)
        whole = sets.joined(pools, n)
        noise = torch.randn(whole.shape, generator=torch.Generator().manual_seed(seed))
        for digits in DIGITS:
            few = sets.joined(pools[:digits], n)
            sharp = metrics.embed(few, features)
            sigma, noisy = _as_far(sets.distance(real, sharp), real, whole, noise, features)
            for name, vectors, images in (("few digits", sharp, few), ("all, noisy", *noisy)):
                found = sets.measured(real, vectors, seed=seed)
                if seed != seeds[0]:
                    found.pop("curve")
                own = {"digits": digits, "set": name, "sigma": sigma, "seed": seed}
                rows.append(own | found | sets.classes_of(sets.probabilities(images, "mnist")))
    return {"data": "mnist", "features": features, "n": n, "seeds": list(seeds), "rows": rows}


def _as_far(
    target: float, real: Tensor, whole: Tensor, noise: Tensor, features: str
) -> tuple[float, tuple[Tensor, Tensor]]:
    """The noise that brings a set to a distance, and the set's features and images.

    Raises:
        ValueError: no noise up to σ = 0.5 does.
    """
    low, high = 0.0, 0.5

    def at(sigma: float) -> tuple[Tensor, Tensor]:
        images = (whole + sigma * noise).clamp(0, 1)
        return metrics.embed(images, features), images

    if sets.distance(real, at(high)[0]) < target:
        raise ValueError(f"No noise up to σ = {high} brings all digits to the distance {target:.4g}.")
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if sets.distance(real, at(middle)[0]) < target else (low, middle)
    return high, at(high)
