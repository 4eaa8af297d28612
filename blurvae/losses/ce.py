"""Cross-entropy on grey values in [0, 1], with the continuous-Bernoulli constant as an option."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from blurvae.losses.base import Term, check_pair, per_image, unit_range


@dataclass(frozen=True)
class CrossEntropy(Term):
    """−Σ t log t̂ + (1−t) log(1−t̂) with t = (x+1)/2, t̂ = (x̂+1)/2.

    A likelihood for binary data only. For grey values its integral over t is not 1; the continuous Bernoulli's constant
    log(ℓ / tanh(ℓ/2)), ℓ the logit of t̂, makes it one (Loaiza-Ganem & Cunningham 2019).

    It is computed from the decoder's pre-activation a, since (1 + tanh a)/2 = σ(2a): a clamped tanh loses gradients.

    Attributes:
        continuous_bernoulli: subtract the log of that constant.
    """

    name: ClassVar[str] = "ce"
    continuous_bernoulli: bool = False

    @property
    def is_likelihood(self) -> bool:
        """True only with the continuous-Bernoulli constant, since the images are grey."""
        return self.continuous_bernoulli

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), nats per image. `logit` is a with x̂ = tanh a; where None it is recovered from x̂."""
        check_pair(x, x_hat)
        if logit is None:
            limit = 1 - torch.finfo(x_hat.dtype).eps  # a saturated tanh is exactly ±1, whose logit is infinite
            logit = torch.atanh(x_hat.clamp(-limit, limit))
        ell = 2 * logit
        term = F.binary_cross_entropy_with_logits(ell, unit_range(x), reduction="none")
        if self.continuous_bernoulli:
            term = term - _log_constant(ell)
        return per_image(term)

    def log_normaliser(self, shape: tuple[int, int, int]) -> float:
        """D·log 2: from a density over t in [0, 1] to one over x in [−1, 1]."""
        if not self.continuous_bernoulli:
            return super().log_normaliser(shape)
        return math.prod(shape) * math.log(2)


def _log_constant(ell: Tensor) -> Tensor:
    """log(ℓ / tanh(ℓ/2)); its series near 0, where the quotient is 0/0."""
    small = ell.abs() < 0.05
    safe = torch.where(small, torch.ones_like(ell), ell)
    series = math.log(2) + ell.square() / 12 - ell.square().square() * (7 / 1440)
    return torch.where(small, series, torch.log(safe / torch.tanh(safe / 2)))
