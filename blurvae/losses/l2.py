"""Squared error: the Gaussian likelihood with Σ = I."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from blurvae.losses.base import LOG_2PI, Term, check_pair, per_image


@dataclass(frozen=True)
class L2(Term):
    """½ ‖x − x̂‖², −log N(x; x̂, I) without D/2·log 2π (eq. 3 of the main paper with Σ = I)."""

    name: ClassVar[str] = "l2"
    is_likelihood: ClassVar[bool] = True

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), nats per image."""
        check_pair(x, x_hat)
        return 0.5 * per_image((x - x_hat).square())

    def log_normaliser(self, shape: tuple[int, int, int]) -> float:
        """D/2·log 2π."""
        return math.prod(shape) / 2 * LOG_2PI
