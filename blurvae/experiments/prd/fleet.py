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
DIGITS = (1, 2, 4, 7, 10)
NOISE = {"weak": 0.05, "middle": 0.15, "strong": 0.4}  # σ
BLUR = {"weak": 0.5, "middle": 1.0, "strong": 4.0}  # variance, px²
RUNS = 3


def members(pools: list[Tensor], n: int, seed: int) -> Iterator[tuple[str, Tensor]]:
    """The sets by name, (n, 1, 28, 28) on [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, 1, 28, 28, generator=generator)
    order = torch.randperm(n, generator=generator)
    for digits in DIGITS:
        per = -(-n // digits)
        clean = torch.cat([pool[:per] for pool in pools[:digits]])[:n]
        yield f"{digits} digits", clean
        for level, sigma in NOISE.items():
            yield f"{digits} digits, {level} noise", (clean + sigma * noise).clamp(0, 1)
        for level, variance in BLUR.items():
            kernel = gaussian_kernel(11, variance)
            yield f"{digits} digits, {level} blur", circular_convolve(clean, kernel).clamp(0, 1)
        yield f"{digits} digits, 20 images repeated", clean[order[:20]].repeat(-(-n // 20), 1, 1, 1)[:n]
        other = clean[order]
        yield (
            f"{digits} digits, upper half of one on lower half of another",
            torch.cat([clean[..., :14, :], other[..., 14:, :]], -2),
        )


def ranks(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Spearman's rank correlations of precision and recall with the two entropies."""
    return {
        f"{side}, entropy of {of}": float(spearmanr([row[side] for row in rows], [row[key] for row in rows]).statistic)
        for side in ("precision", "recall")
        for of, key in (("an image", "of_image"), ("the set", "of_set"))
    }


def record(seeds: tuple[int, ...] = sets.SEEDS, n: int = N) -> dict[str, Any]:
    """The pair and the entropies of every set, and the rank correlations of Fig. 5.8 over the sets of a seed.

    "mild" leaves out what is strongly spoilt: there a classifier is sure of one class, whatever it sees.
    """
    rows, correlations = [], []
    for seed in seeds:
        real = metrics.embed(sets.joined(sets.by_class("mnist", "test", n // 10, seed), n), FEATURES)
        own: list[dict[str, Any]] = []
        for name, images in members(sets.by_class("mnist", "train", n, seed), n, seed):
            found = sets.measured(real, metrics.embed(images, FEATURES), runs=RUNS, seed=seed)
            del found["curve"]
            own.append({"set": name, "seed": seed} | found | sets.classes_of(sets.probabilities(images, "mnist")))
        rows += own
        mild = [row for row in own if "strong" not in row["set"]]
        correlations += [{"seed": seed, "sets": name} | ranks(few) for name, few in (("all", own), ("mild", mild))]
    head = {"data": "mnist", "features": FEATURES, "n": n, "seeds": list(seeds)}
    return head | {"correlations": correlations, "rows": rows}
