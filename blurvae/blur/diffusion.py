"""Blur of a given amount, as the heat equation has it: of an image, or of the density that points are drawn from.

The grey values of an image diffuse by convolution with a Gaussian. Points have none: what diffuses is their density,
which is convolved with the same Gaussian where independent noise of its variance is added to each. The variance is a
tensor, so that it can fall while a training goes on, and at 0 nothing changes, bit for bit.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

WIDE = 3.0  # standard deviations of a kernel to each side


def taps(sigma: float) -> int:
    """The odd number of taps that holds three standard deviations of a Gaussian to each side.

    Example:
        >>> taps(2.0), taps(0.0)
        (13, 1)
    """
    return 2 * math.ceil(WIDE * sigma) + 1


def diffused(x: Tensor, variance: Tensor, size: int) -> Tensor:
    """Images convolved with a sampled Gaussian, each channel by itself; beyond the edge the edge goes on.

    Args:
        x: (n, c, h, w), on any range.
        variance: (), σ² in px², ≥ 0; at 0 the images come back as they are.
        size: odd number of taps, see `taps`; those of `gaussian_kernel(size, σ²)`.

    Returns:
        (n, c, h, w), differentiable in x.

    Raises:
        ValueError: an even size, or one below 1.
    """
    if size < 1 or size % 2 != 1:
        raise ValueError(f"A kernel has an odd number of taps, 1 at least, not {size!r}: see taps(sigma).")
    c, half = x.shape[1], size // 2
    r = torch.arange(size, dtype=x.dtype, device=x.device) - half
    # The floor is so low that at σ² = 0 the softmax is exactly 1 at the centre and exactly 0 elsewhere.
    k = torch.softmax(-r.square() / (2 * variance.to(x.dtype).clamp_min(1e-9)), 0)
    padded = pad(x, (half, half, half, half), mode="replicate")
    rows = conv2d(padded, k.view(1, 1, size, 1).expand(c, 1, size, 1), groups=c)
    return conv2d(rows, k.view(1, 1, 1, size).expand(c, 1, 1, size), groups=c)


def scattered(x: Tensor, variance: Tensor, noise: Tensor) -> Tensor:
    """Points moved by Gaussian noise: x + σ n.

    Args:
        x: (n, …), the points.
        variance: (), σ² in the unit of the points, squared, ≥ 0.
        noise: draws from N(0, 1), of the same shape.

    Returns:
        (n, …).
    """
    return x + variance.to(x.dtype).sqrt() * noise
