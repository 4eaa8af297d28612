"""What squared error says of an answer that is not unique: the mean of all is best, one of them costs 3.01 dB.

EN-C1, behind Fig. 2.2 of Sajjadi (2024). Given the small picture y, let the large one x be any of several answers with
p(x|y). The estimate x̂ has the error E‖x − x̂‖² = Var(x|y) + ‖x̂ − E[x|y]‖². The mean has the variance alone. A draw from
the posterior, independent of the truth, is as far from the mean as the truth is, and has twice the variance: 10·log₁₀ 2
= 3.01 dB less, however sharp and right it looks.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

GAP = 10 * math.log10(2)  # dB


class Guesses(NamedTuple):
    """Two ways to answer.

    Attributes:
        mean: of the mean of all answers.
        sample: of one answer drawn from p(x|y), in expectation.
    """

    mean: float
    sample: float


def expected_errors(answers: Tensor, weights: Tensor | None = None) -> Guesses:
    """The expected mean squared error per pixel of the mean answer and of a drawn one, exactly.

    Args:
        answers: (k, …) on [0, 1], all that the small picture may stand for.
        weights: (k,), their probabilities; all alike where None.

    Raises:
        ValueError: weights that are no probabilities of these answers.

    Example:
        >>> expected_errors(torch.tensor([[0.0], [1.0]]))
        Guesses(mean=0.25, sample=0.5)
    """
    x = answers.flatten(1).double()
    p = torch.full((len(x),), 1 / len(x), dtype=x.dtype) if weights is None else weights.double()
    if p.shape != (len(x),) or (p < 0).any() or abs(p.sum().item() - 1) > 1e-6:
        raise ValueError(f"{len(x)} answers take {len(x)} probabilities of sum 1, not {tuple(p.tolist())}.")
    apart = (x[:, None] - x[None]).square().mean(2)  # (k, k), truth and guess
    from_mean = (x - p @ x).square().mean(1)
    return Guesses((p @ from_mean).item(), (p @ apart @ p).item())


def expected_psnr(answers: Tensor, weights: Tensor | None = None) -> Guesses:
    """PSNR, dB, of the expected errors; arguments as `expected_errors` takes them."""
    errors = expected_errors(answers, weights)
    return Guesses(*(-10 * math.log10(error) if error else math.inf for error in errors))
