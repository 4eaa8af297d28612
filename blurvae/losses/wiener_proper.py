"""Our normalised variant: one covariance for the quadratic part and for the determinant (erratum E6)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

from torch import Tensor

from blurvae.blur import otf, proper_log_det, squared_gain
from blurvae.blur.kernels import check_size
from blurvae.losses.base import LOG_2PI, KernelPath, Term, check_pair, image_shape, require_kernel, weighted_energy


@dataclass(frozen=True)
class WienerProper(Term):
    """½ log|Σ| + ½ (x − x̂)ᵀ Σ⁻¹ (x − x̂) with Σ = K Kᵀ + C·I, whose spectrum is |H|² + C.

    −log N(x; x̂, Σ) without D/2·log 2π: exact, and bounded, since C ≤ |H|² + C ≤ 1 + C.

    Attributes:
        C: the floor of the covariance, > 0.
        kernel_size: K of the kernel network, odd.
        kernel_path: (a) "detached": k is data for the VAE's step; (b) "live": the gradient of both parts passes through
            k into z; (c) "elbo": the kernel network minimises this term too, instead of eq. 12.

    Raises:
        ValueError: a C that is not positive, an even kernel size, an unknown path.
    """

    name: ClassVar[str] = "wiener-proper"
    is_likelihood: ClassVar[bool] = True
    C: float = 0.025
    kernel_size: int = 11
    kernel_path: KernelPath = "live"

    def __post_init__(self) -> None:
        if not (isinstance(self.C, Real) and math.isfinite(self.C) and self.C > 0):
            raise ValueError(
                f"The floor C of a covariance is a positive number (the paper's C is 0.025), not {self.C!r}."
            )
        check_size(self.kernel_size)
        if self.kernel_path not in ("detached", "live", "elbo"):
            raise ValueError(f"kernel_path of {self.name!r} is 'detached', 'live' or 'elbo', not {self.kernel_path!r}.")

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), nats per image; it can be negative, being −log of a density."""
        check_pair(x, x_hat)
        k, shape = require_kernel(kernel, self.name, x), image_shape(x)
        variance = squared_gain(otf(k, shape)) + self.C
        return 0.5 * x.shape[1] * proper_log_det(k, shape, self.C) + 0.5 * weighted_energy(x - x_hat, 1 / variance)

    def log_normaliser(self, shape: tuple[int, int, int]) -> float:
        """D/2·log 2π; the log-determinant is in the term already, since it depends on z."""
        return math.prod(shape) / 2 * LOG_2PI
