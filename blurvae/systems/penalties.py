"""What holds a deterministic autoencoder: gradients and weights of its decoder, and the discrepancy of its codes.

Ghosh, Sajjadi, Vergari, Black and Schölkopf, "From variational to deterministic autoencoders", ICLR 2020; chapter 6 of
Sajjadi (2024). The discrepancy is that of Tolstikhin, Bousquet, Gelly and Schölkopf, "Wasserstein auto-encoders", ICLR
2018.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Penalty = Literal["hutchinson", "sum", "squares"]
SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # of the kernel's width, as both papers' code has them


def gradient_penalty(z: Tensor, x_hat: Tensor, kind: Penalty, u: Tensor | None = None) -> Tensor:
    """‖∇ D(z)‖² of eq. 6.17, which has three readings for an image (erratum RA-E6).

    Args:
        z: (n, d), requires a gradient.
        x_hat: (n, c, h, w), D(z), in [−1, 1].
        kind: "hutchinson" estimates the squared Frobenius norm of the Jacobian without bias, ‖J‖² = E‖Jᵀv‖² with
            v = ±1; "sum" is ‖∇ Σ x̂‖² = ‖Jᵀ1‖², what a framework returns that is asked for the gradient of an image;
            "squares" is ‖∇ Σ ((x̂ + 1)/2)²‖², what the authors' code computes.
        u: (n, c, h, w), uniform on [0, 1), for "hutchinson".

    Returns:
        (n,), with a history of operations.

    Raises:
        ValueError: "hutchinson" without u.
    """
    if kind == "hutchinson":
        if u is None:
            raise ValueError("Hutchinson's estimate takes random signs: pass u, uniform on [0, 1).")
        scalar = (x_hat * torch.where(u < 0.5, -1.0, 1.0).to(x_hat)).sum()
    else:
        scalar = x_hat.sum() if kind == "sum" else ((x_hat + 1) / 2).square().sum()
    (slope,) = torch.autograd.grad(scalar, z, create_graph=True)
    return slope.square().sum(1)


def squared_norm(network: nn.Module) -> Tensor:
    """‖θ‖² of all weights of a network, () (eq. 6.16)."""
    return torch.stack([p.square().sum() for p in network.parameters()]).sum()


def imq_mmd(z: Tensor, prior: Tensor) -> Tensor:
    """The squared maximum mean discrepancy of codes and prior, summed over seven inverse multiquadratic kernels.

    k(a, b) = C/(C + ‖a − b‖²) with C = 2ds, which is the mean squared distance of two draws from N(0, I) times s ∈
    {0.1, …, 10}. Without bias, so that it can be negative: a set's points are not compared with themselves.

    Args:
        z: (n, d), n ≥ 2.
        prior: (n, d), draws from N(0, I).

    Returns:
        ().
    """
    n, d = z.shape
    pairs = 1 - torch.eye(n, dtype=z.dtype, device=z.device)
    own, other, between = (_squared_distances(a, b) for a, b in ((z, z), (prior, prior), (z, prior)))
    total = torch.zeros((), dtype=z.dtype, device=z.device)
    for scale in SCALES:
        c = 2 * d * scale
        within = (pairs * (c / (c + own) + c / (c + other))).sum() / (n * (n - 1))
        total = total + within - 2 * (c / (c + between)).mean()
    return total


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """(n, m), by differences: the expansion in products would cancel, and the root of cdist has no slope at 0."""
    return (a[:, None] - b[None]).square().sum(2)
