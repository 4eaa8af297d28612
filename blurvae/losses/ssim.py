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
    """D · (1 − SSIM) / 2 on [0, 1]: 0 for equal images, at most D. Not a likelihood."""

    name: ClassVar[str] = "ssim"

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), in the scale of nats per image."""
        check_pair(x, x_hat)
        return math.prod(x.shape[1:]) * (1 - ssim(unit_range(x), unit_range(x_hat), check_values=False)) / 2
