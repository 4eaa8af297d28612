"""Focal frequency loss (Jiang et al. 2021)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

from torch import Tensor

from blurvae.blur import fourier, hermitian_weights, squared_gain
from blurvae.losses.base import Term, check_pair, image_shape, per_image, unit_range


@dataclass(frozen=True)
class FocalFrequency(Term):
    """½ Σ_ω w(ω) |F(t)(ω) − F(t̂)(ω)|², w = |F(t) − F(t̂)|^α scaled to a maximum of 1 per image and channel, no gradient.

    On [0, 1]. It equals D/2 times the value of the authors' package (patch factor 1, no logarithm, no averaging), so
    that its scale is that of ½ times a squared error. It is not a likelihood: the weight depends on the error.

    Attributes:
        alpha: exponent of the weight, ≥ 0; at 0 the term is ½ times the squared error on [0, 1].

    Raises:
        ValueError: an exponent that is negative or not finite.
    """

    name: ClassVar[str] = "ffl"
    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not (isinstance(self.alpha, Real) and math.isfinite(self.alpha) and self.alpha >= 0):
            raise ValueError(f"The exponent alpha of {self.name!r} is a finite number ≥ 0, not {self.alpha!r}.")

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), in the scale of nats per image."""
        check_pair(x, x_hat)
        energy = squared_gain(fourier(unit_range(x) - unit_range(x_hat)))  # (n, c, h, w//2+1)
        weight = energy.detach() ** (self.alpha / 2)
        # Equal images have a maximum of 0: the floor gives them weight 0 instead of 0/0, without a look at the values.
        weight = weight / weight.amax((-2, -1), keepdim=True).clamp(min=1e-30)
        return 0.5 * per_image(hermitian_weights(image_shape(x), dtype=x.dtype, device=x.device) * weight * energy)
