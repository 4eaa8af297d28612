"""EN-C1 asked of random posteriors and of the bars, exactly: which answer is nearest, and what a draw costs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from blurvae.datasets.bars import PLACEMENTS
from blurvae.metrics.posterior import GAP, expected_errors, expected_psnr

POSTERIORS = 1000
CANDIDATES = 20  # other answers that each posterior is asked about, beside its own pictures and their medians
ROUNDING = 1e-9  # relative, and dB
NEAREST, COST = "the mean is nearest", "a draw costs 3.01 dB"


def posteriors(count: int = POSTERIORS, seed: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """Two to eight random pictures (k, d) of up to sixteen pixels on [0, 1], and their probabilities (k,)."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        k, d = rng.integers(2, 9), rng.integers(1, 17)
        yield torch.from_numpy(rng.random((k, d))), torch.from_numpy(rng.dirichlet(np.full(k, 0.7)))


def contradictions(count: int = POSTERIORS, seed: int = 0) -> dict[str, int]:
    """How many random posteriors contradict each part of the claim, by its words; none, if the chapter is right."""
    rng, found = np.random.default_rng(seed), dict.fromkeys((NEAREST, COST), 0)
    for pictures, p in posteriors(count, seed):
        mean = p @ pictures
        nearby = mean + torch.from_numpy(rng.normal(0, 0.01, (CANDIDATES, len(mean))))
        others = torch.cat([pictures, pictures.median(0, keepdim=True).values, nearby])
        error = (others[:, None] - pictures[None]).square().mean(2) @ p
        least, draw = expected_errors(pictures, p)
        found[NEAREST] += bool((error < least * (1 - ROUNDING)).any())
        found[COST] += not np.isclose(10 * np.log10(draw / least), GAP, rtol=0, atol=ROUNDING)
    return found


def bar() -> float:
    """PSNR of a drawn bar minus that of the mean of all four, dB."""
    mean, draw = expected_psnr(torch.tensor(PLACEMENTS))
    return draw - mean
