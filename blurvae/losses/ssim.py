"""Structural similarity as a training term (Wang et al. 2004)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from blurvae.losses.base import Term, check_pair, unit_range
from blurvae.metrics.ssim import ssim


@dataclass(frozen=True)
class SSIM(Term):
    """D · (1 − SSIM) / 2 on [0, 1]: 0 for equal images, at most D. Not a likelihood.

    Attributes:
        border: see `metrics.ssim`; D counts all pixels either way.
    """

    name: ClassVar[str] = "ssim"
    border: bool = True

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), in the scale of nats per image."""
        check_pair(x, x_hat)
        similarity = ssim(unit_range(x), unit_range(x_hat), border=self.border, check_values=False)
        return math.prod(x.shape[1:]) * (1 - similarity) / 2
