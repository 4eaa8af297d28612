"""The main paper's term: the squared error weighted by Wiener's filter of the estimated blur (eq. 7, 8 and 11)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

from torch import Tensor

from blurvae.blur import log_abs_det, otf, squared_gain
from blurvae.blur.kernels import check_size
from blurvae.blur.wiener import check_C, nowhere_zero
from blurvae.losses.base import KernelPath, Term, check_pair, image_shape, require_kernel, weighted_energy


def wiener_precision(kernel: Tensor, shape: tuple[int, int], C: float) -> Tensor:
    """|W|² = |H|² / (|H|² + C)², the spectrum of Σ_k⁻¹ = WᵀW (§3.2), (…, h, w//2+1)."""
    power = squared_gain(otf(kernel, shape))
    return power / nowhere_zero((power + C).square())


@dataclass(frozen=True)
class Wiener(Term):
    """½ ‖W·(F(x) − F(x̂))‖² [+ log|K + εI|], W = H*/(|H|² + C), H the transfer function of k = G_γ(z).

    The quadratic part and the determinant belong to two different covariances (erratum E5), so the sum is no
    likelihood. With "ε large", the paper's main setting, the determinant is taken as constant and left out.

    Attributes:
        C: Wiener's constant; |W|² is at most 1/(4C).
        epsilon: ε of the log-determinant; None for "ε large".
        kernel_size: K of the kernel network, odd.
        kernel_path: "live" lets the gradient pass through k into z, "detached" does not; None takes "live" with a
            log-determinant and "detached" without. It decides: a detached log-determinant has no gradient at all.

    Raises:
        ValueError: a negative C, an ε that is negative or not finite, an even kernel size, an unknown path.
    """

    name: ClassVar[str] = "wiener"
    C: float = 0.025
    epsilon: float | None = None
    kernel_size: int = 11
    kernel_path: KernelPath | None = None

    def __post_init__(self) -> None:
        check_C(self.C)
        check_size(self.kernel_size)
        if self.epsilon is not None and not (isinstance(self.epsilon, Real) and 0 <= self.epsilon < math.inf):
            raise ValueError(
                f"ε is a finite number ≥ 0, or None for the paper's large ε, not {self.epsilon!r}: below 0, "
                "log|K + εI| falls without bound wherever a kernel reaches H = −ε."
            )
        if self.kernel_path is None:
            object.__setattr__(self, "kernel_path", "detached" if self.epsilon is None else "live")
        if self.kernel_path not in ("detached", "live"):
            raise ValueError(f"kernel_path of {self.name!r} is 'detached' or 'live', not {self.kernel_path!r}.")

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), nats per image."""
        check_pair(x, x_hat)
        k, shape = require_kernel(kernel, self.name, x), image_shape(x)
        term = 0.5 * weighted_energy(x - x_hat, wiener_precision(k, shape, self.C))
        if self.epsilon is not None:
            term = term + x.shape[1] * log_abs_det(k, shape, self.epsilon)
        return term
