"""The ablation with one Gaussian kernel for all images (Table 1 of the main paper)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from blurvae.blur import gaussian_kernel, wiener_log_det
from blurvae.blur.wiener import check_C
from blurvae.losses.base import LOG_2PI, Term, check_pair, image_shape, weighted_energy
from blurvae.losses.wiener import wiener_precision


@dataclass(frozen=True)
class WienerFixed(Term):
    """½ ‖W·(F(x) − F(x̂))‖² with W of a Gaussian of given variance: a Gaussian likelihood with a fixed covariance.

    Attributes:
        variance: of the Gaussian, px² (2 and 4 in Table 1).
        C: Wiener's constant.
        kernel_size: K, odd.
        late: whether squared error stands in for it during the warm-up, as for an estimated kernel.
    """

    name: ClassVar[str] = "wiener-fixed"
    is_likelihood: ClassVar[bool] = True
    variance: float = 2.0
    C: float = 0.025
    kernel_size: int = 11
    late: bool = False

    def __post_init__(self) -> None:
        check_C(self.C)
        gaussian_kernel(self.kernel_size, self.variance)

    @property
    def warms_up(self) -> bool:
        """See `Term.warms_up`."""
        return self.late

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), nats per image."""
        check_pair(x, x_hat)
        k = gaussian_kernel(self.kernel_size, self.variance, dtype=x.dtype, device=x.device)
        return 0.5 * weighted_energy(x - x_hat, wiener_precision(k, image_shape(x), self.C))

    def log_normaliser(self, shape: tuple[int, int, int]) -> float:
        """D/2·log 2π + ½ log|Σ_k| with the exact determinant of Σ_k = (WᵀW)⁻¹."""
        c, h, w = shape
        k = gaussian_kernel(self.kernel_size, self.variance, dtype=torch.float64)
        return math.prod(shape) / 2 * LOG_2PI + c / 2 * wiener_log_det(k, (h, w), self.C).item()
