"""Many sets of digits, dropped, imbalanced, repeated and degraded: the pair beside the entropies of a classifier.

Fig. 5.8 correlates them over GANs and VAEs. These are no models but what models go wrong by, in all combinations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor

from blurvae import metrics
from blurvae.blur import circular_convolve, gaussian_kernel
from blurvae.experiments.prd import sets

FEATURES = "squeeze"
N = 1000
DIGITS = (1, 2, 4, 6, 8, 10)
RUNS = 5


def members(pools: list[Tensor], n: int, seed: int) -> Iterator[tuple[str, Tensor]]:
    """The sets by name, (n, 1, 28, 28) on [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, 1, 28, 28, generator=generator)
    order = torch.randperm(n, generator=generator)
    for digits in DIGITS:
        per = -(-n // digits)
        clean = torch.cat([pool[:per] for pool in pools[:digits]])[:n]
        yield f"{digits} digits", clean
        for sigma in (0.15, 0.4, 0.8):
            yield f"{digits} digits, noise {sigma}", (clean + sigma * noise).clamp(0, 1)
        for variance in (1.0, 4.0):
            kernel = gaussian_kernel(11, variance)
            yield f"{digits} digits, blur {variance:g}", circular_convolve(clean, kernel).clamp(0, 1)
        yield f"{digits} digits, 20 images repeated", clean[order[:20]].repeat(-(-n // 20), 1, 1, 1)[:n]
        other = clean[order]
        yield (
            f"{digits} digits, upper half of one on lower half of another",
            torch.cat([clean[..., :14, :], other[..., 14:, :]], -2),
        )
        yield f"{digits} digits, means of two", (clean + other) / 2


def record(seeds: tuple[int, ...] = (0, 1, 2), n: int = N) -> dict[str, Any]:
    """The pair and the entropies of every set, and the rank correlations of Fig. 5.8 over the sets of a seed."""
    rows, correlations = [], []
    for seed in seeds:
        real = metrics.embed(sets.joined(sets.by_class("mnist", "test", n // 10, seed), n), FEATURES)
        own = []
        for name, images in members(sets.by_class("mnist", "train", n, seed), n, seed):
            found = sets.measured(real, metrics.embed(images, FEATURES), runs=RUNS, seed=seed)
            del found["curve"]
            own.append({"set": name, "seed": seed} | found | sets.classes_of(images, "mnist"))
        rows += own

        def rank(a: str, b: str, own: list[dict[str, Any]] = own) -> float:
            return float(spearmanr([row[a] for row in own], [row[b] for row in own]).statistic)

        correlations.append(
            {
                "seed": seed,
                "precision, entropy of an image": rank("precision", "of_image"),
                "recall, entropy of the set": rank("recall", "of_set"),
                "precision, entropy of the set": rank("precision", "of_set"),
                "recall, entropy of an image": rank("recall", "of_image"),
            }
        )
    head = {"data": "mnist", "features": FEATURES, "n": n, "seeds": list(seeds)}
    return head | {"correlations": correlations, "rows": rows}
