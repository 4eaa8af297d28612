"""Absolute error: the Laplace likelihood with scale 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from blurvae.losses.base import Term, check_pair, per_image


@dataclass(frozen=True)
class L1(Term):
    """‖x − x̂‖₁, −log of a Laplace density of scale 1 without D·log 2."""

    name: ClassVar[str] = "l1"
    is_likelihood: ClassVar[bool] = True

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), nats per image."""
        check_pair(x, x_hat)
        return per_image((x - x_hat).abs())

    def log_normaliser(self, shape: tuple[int, int, int]) -> float:
        """D·log 2."""
        return math.prod(shape) * math.log(2)
