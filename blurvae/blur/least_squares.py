"""The kernel whose blur of one image comes closest to another: least squares, free and on the simplex."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from blurvae.blur.fourier import fourier, inverse_fourier


def normal_equations(x: Tensor, y: Tensor, size: int = 11) -> tuple[Tensor, Tensor]:
    """A and b of A k = b, whose solutions minimise ‖x ∗ k − y‖² over kernels of size K×K, one for each pair of images.

    Args:
        x: (n, c, h, w), what is blurred.
        y: (n, c, h, w), what the blur shall resemble.
        size: K, odd and ≤ min(h, w).

    Returns:
        A (n, K², K²), the correlation of x with itself at all pairs of offsets, and b (n, K²), that of x with y; both
        float64, taps row by row.

    Raises:
        ValueError: images of unequal shape, or a size that is even or larger than they are.
    """
    shape = (x.shape[-2], x.shape[-1])
    if x.shape != y.shape:
        raise ValueError(f"Both images of a pair have one shape, not {tuple(x.shape)} and {tuple(y.shape)}.")
    if size % 2 == 0 or not 1 <= size <= min(shape):
        raise ValueError(f"A kernel for {shape[0]}×{shape[1]} images has an odd size up to {min(shape)}, not {size}.")
    f_x, f_y = fourier(x.double()), fourier(y.double())
    pixels = shape[0] * shape[1]
    autocorrelation = pixels**0.5 * inverse_fourier((f_x.conj() * f_x).sum(1), shape)  # (n, h, w)
    correlation = pixels**0.5 * inverse_fourier((f_x.conj() * f_y).sum(1), shape)
    taps = torch.arange(size, device=x.device) - size // 2
    down, across = (offsets.flatten() for offsets in torch.meshgrid(taps, taps, indexing="ij"))  # (K²,) each
    # A negative index counts from the end, which is just what the periodic continuation means.
    A = autocorrelation[:, down[:, None] - down, across[:, None] - across]
    return A, correlation[:, down, across]


def simplex_kernels(x: Tensor, y: Tensor, size: int = 11) -> Tensor:
    """The kernels that minimise ‖x ∗ k − y‖² with k ≥ 0 and Σk = 1, exactly, one for each pair of images.

    Args:
        x: (n, c, h, w), what is blurred.
        y: (n, c, h, w), what the blur shall resemble.
        size: K, odd and ≤ min(h, w).

    Returns:
        (n, K, K), float32, on the CPU.

    Raises:
        ValueError: as in `normal_equations`.
    """
    from scipy.optimize import nnls

    found = []
    for A, b in zip(*(part.cpu().numpy() for part in normal_equations(x, y, size))):
        # With A = LLᵀ, kᵀAk − 2bᵀk is ‖Lᵀk − L⁻¹b‖² up to a constant: a problem of non-negative least squares.
        L = np.linalg.cholesky(A + 1e-9 * np.trace(A) * np.eye(len(A)))
        # Σk = 1 is one more equation, so heavy that nothing else can outweigh it.
        heavy = 1e3 * np.diag(L).mean()
        rows = np.vstack([L.T, np.full(len(A), heavy)])
        values = np.append(np.linalg.solve(L, b), heavy)
        found.append(nnls(rows, values)[0])
    return torch.from_numpy(np.array(found)).view(-1, size, size).float()
