"""Log-determinants of convolution matrices, per channel, by the DFT that diagonalises them (§3.4 of the main paper)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from blurvae.blur.fourier import Shape, check_kernel, hermitian_weights, otf
from blurvae.blur.wiener import check_C, squared_gain


def _full_sum(values: Tensor, shape: Shape) -> Tensor:
    """Σ over the full spectrum of values on the half spectrum, (…, h, w//2+1) → (…)."""
    return (values * hermitian_weights(shape, dtype=values.dtype, device=values.device)).sum((-2, -1))


def log_abs_det(kernel: Tensor, shape: Shape, epsilon: float = 0.0) -> Tensor:
    """log|det(K + εI)| = Σ_ω log|H(ω) + ε|, with K the block-circulant matrix of the kernel (§3.4).

    It costs one FFT, O(D log D), where a dense determinant costs O(D³).

    Args:
        kernel: (K, K) or (n, K, K).
        shape: (h, w) of the image.
        epsilon: ε, finite.

    Returns:
        () or (n,), nats per channel: multiply by the number of channels for a whole image. −∞ where K + εI is
        singular, which a kernel with negative H can reach (erratum E11).

    Raises:
        ValueError: an ε that is not finite, or a kernel that does not fit.

    Example:
        >>> from blurvae.blur import delta_kernel
        >>> log_abs_det(delta_kernel(3), (4, 4), epsilon=1.0)  # 16 log 2
        tensor(11.0904)
    """
    if not math.isfinite(epsilon):
        raise ValueError(f"ε must be a finite number (the paper's likelihood table takes 0.5), not {epsilon}.")
    return _full_sum(0.5 * torch.log(squared_gain(otf(kernel, shape) + epsilon)), shape)


def proper_log_det(kernel: Tensor, shape: Shape, C: float) -> Tensor:
    """Log det(K Kᵀ + C·I) = Σ_ω log(|H|² + C): exact, and bounded below by h·w·log C.

    Args:
        kernel: (K, K) or (n, K, K).
        shape: (h, w) of the image.
        C: > 0.

    Returns:
        () or (n,), nats per channel.

    Raises:
        ValueError: a C that is not positive, or a kernel that does not fit.
    """
    check_C(C)
    if C == 0:
        raise ValueError("K Kᵀ + C·I is a proper covariance only for C > 0: the paper takes 0.025.")
    return _full_sum(torch.log(squared_gain(otf(kernel, shape)) + C), shape)


def wiener_log_det(kernel: Tensor, shape: Shape, C: float) -> Tensor:
    """log|Σ_k| of the covariance that the paper's quadratic term really has, Σ_k = (WᵀW)⁻¹: −2 Σ_ω log|W|.

    Unbounded as H → 0, where W → 0 and the error is ignored (erratum E5).

    Args:
        kernel: (K, K) or (n, K, K).
        shape: (h, w) of the image.
        C: ≥ 0.

    Returns:
        () or (n,), nats per channel. Where H is 0 at some frequency +∞, or −∞ for C = 0.

    Raises:
        ValueError: a C that is negative or not finite, or a kernel that does not fit.
    """
    check_C(C)
    power = squared_gain(otf(kernel, shape))
    if C == 0:  # Σ_k = K Kᵀ, without ∞ − ∞ where H is 0
        return _full_sum(torch.log(power), shape)
    return _full_sum(2 * torch.log(power + C) - torch.log(power), shape)


def block_circulant(kernel: Tensor, shape: Shape) -> Tensor:
    """The dense matrix K with vec(x * k) = K vec(x): the reference for tests and for seeing the structure.

    Args:
        kernel: (K, K).
        shape: (h, w) of the image; the matrix has (h·w)² entries, so keep it small.

    Returns:
        (h·w, h·w), rows and columns in row-major order of the pixels.

    Raises:
        ValueError: more than one kernel, or one that does not fit.
    """
    check_kernel(kernel, shape)
    if kernel.ndim != 2:
        raise ValueError(f"A dense matrix belongs to one kernel of shape (K, K), not {tuple(kernel.shape)}.")
    (h, w), size = shape, kernel.shape[-1]
    taps = torch.roll(F.pad(kernel, (0, w - size, 0, h - size)), (-(size // 2), -(size // 2)), (-2, -1))
    i, j = torch.arange(h, device=kernel.device), torch.arange(w, device=kernel.device)
    di, dj = (i[:, None] - i) % h, (j[:, None] - j) % w
    return taps[di[:, None, :, None], dj[None, :, None, :]].reshape(h * w, h * w)
