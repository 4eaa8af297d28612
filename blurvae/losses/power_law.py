"""The weight that is best for the mean code of images with a power law: w ∝ λ^(−1/2) (chapter 18)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import torch
from torch import Tensor

from blurvae.blur import hermitian_weights, radial_frequency
from blurvae.losses.base import LOG_2PI, Term, check_pair, image_shape, weighted_energy


@dataclass(frozen=True)
class PowerLaw(Term):
    """½ Σ_ω w(ω) |F(x)(ω) − F(x̂)(ω)|² with w ∝ |ω|^(α/2), which is λ^(−1/2) where the power of images is λ ∝ 1/|ω|^α.

    In the linear model of chapter 18 this weight has the least error from z = μ at a given rate. The same in all
    channels; its geometric mean over the spectrum is 1, so that the covariance has the determinant of L2's. The mean of
    the image has the weight of the lowest frequency.

    Attributes:
        alpha: α of the images, about 2 for photographs; at 0 the term is L2.

    Raises:
        ValueError: an exponent that is not finite.
    """

    name: ClassVar[str] = "power-law"
    is_likelihood: ClassVar[bool] = True
    alpha: float = 2.0

    def __post_init__(self) -> None:
        if not (isinstance(self.alpha, Real) and math.isfinite(self.alpha)):
            raise ValueError(f"The exponent alpha of {self.name!r} is a finite number, not {self.alpha!r}.")

    def weight(self, shape: tuple[int, int], like: Tensor) -> Tensor:
        """W on the half spectrum, (h, w//2+1), of the type and on the device of a tensor."""
        log_frequency = radial_frequency(shape, dtype=like.dtype, device=like.device).clamp(min=1 / max(shape)).log()
        counted = hermitian_weights(shape, dtype=like.dtype, device=like.device)
        return torch.exp(self.alpha / 2 * (log_frequency - (counted * log_frequency).sum() / math.prod(shape)))

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), nats per image."""
        check_pair(x, x_hat)
        return 0.5 * weighted_energy(x - x_hat, self.weight(image_shape(x), x))

    def log_normaliser(self, shape: tuple[int, int, int]) -> float:
        """D/2·log 2π, as that of L2."""
        return math.prod(shape) / 2 * LOG_2PI
