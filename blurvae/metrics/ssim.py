"""Structural similarity.

Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural similarity", IEEE
Transactions on Image Processing 13 (2004).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from blurvae.metrics import _check

SIZE, SIGMA = 11, 1.5  # px, the window
C1, C2 = 0.01**2, 0.03**2  # for the range 1


def window_mean(maps: Tensor) -> Tensor:
    """The Gaussian-weighted mean around every pixel that SSIM takes, (n, m, h, w), reflected at the border."""
    m = maps.shape[1]
    tap = torch.arange(SIZE, dtype=maps.dtype, device=maps.device) - SIZE // 2
    window = torch.softmax(-tap.square() / (2 * SIGMA**2), 0)
    # One group a map: several times faster on a CPU with channels last; on a GPU only the contiguous layout is sure to
    # use the kernel that keeps float32, where TensorFloat-32 would drown the variances below in rounding.
    layout = torch.channels_last if maps.device.type == "cpu" else torch.contiguous_format
    maps = F.pad(maps.contiguous(memory_format=layout), [SIZE // 2] * 4, mode="reflect")
    maps = F.conv2d(maps, window.view(1, 1, -1, 1).repeat(m, 1, 1, 1), groups=m)
    return F.conv2d(maps, window.view(1, 1, 1, -1).repeat(m, 1, 1, 1), groups=m)


def ssim(x: Tensor, y: Tensor, *, border: bool = True, check_values: bool = True) -> Tensor:  # (n,)
    """Structural similarity of each image: the mean over its pixels and channels, grey images and RGB alike.

    The window is an 11×11 Gaussian of standard deviation 1.5 px, the range 1, K₁ = .01, K₂ = .03, with biased
    variances, and the border is reflected and counted, as in torchmetrics; or it is left out.

    Differentiable, so that a training loss can use it.

    Args:
        x: (n, c, h, w), on [0, 1], at least 6×6 px, or 11×11 px without border.
        y: (n, c, h, w), on [0, 1].
        border: False takes the mean over the pixels whose window lies within the image, as the original code and
            TensorFlow do: 5 px fewer on each side.
        check_values: False leaves out the look for NaN and values outside [0, 1], for which each step of a training
            loop would wait for the GPU.

    Returns:
        (n,), at most 1, which equal images reach.

    Raises:
        ValueError: shapes that differ, too small images, values outside [0, 1], NaN.

    Example:
        >>> x = torch.arange(64.0).reshape(1, 1, 8, 8) / 63
        >>> ssim(x, x)
        tensor([1.])
        >>> ssim(x, 1 - x) < 0
        tensor([True])
    """
    _check.pair(x, y, values=check_values)
    if min(x.shape[-2:]) <= SIZE // 2:
        raise ValueError(
            f"SSIM reflects {SIZE // 2} px at the border, so images need at least {SIZE // 2 + 1}×{SIZE // 2 + 1} px, "
            f"not {x.shape[-2]}×{x.shape[-1]}."
        )
    if not border and min(x.shape[-2:]) < SIZE:
        raise ValueError(
            f"SSIM without border needs images of at least {SIZE}×{SIZE} px, its window, not "
            f"{x.shape[-2]}×{x.shape[-1]}."
        )
    out = 0 if border else SIZE // 2  # px a side
    with torch.autocast(x.device.type, enabled=False):
        return ssim_map(x, y)[..., out : x.shape[-2] - out, out : x.shape[-1] - out].flatten(1).mean(1)


def ssim_map(x: Tensor, y: Tensor, c1: float = C1, c2: float = C2) -> Tensor:
    """The similarity at each pixel, whose mean is SSIM.

    Args:
        x: (n, c, h, w), on [0, 1], at least 6×6 px.
        y: (n, c, h, w), on [0, 1].
        c1: constant of the means; the default is SSIM's.
        c2: constant of the variances.

    Returns:
        (n, c, h, w).
    """
    # With s = x + y and d = x − y, σx² + σy² = (σs² + σd²)/2 and 2σxy = (σs² − σd²)/2: four maps to filter instead
    # of five, and d = 0 gives exactly 1. Taking the middle of the range from s before squaring costs no more and
    # spares bits when its mean is subtracted again.
    s, d = x + y - 1, x - y
    mean_s, mean_d, square_s, square_d = window_mean(torch.cat([s, d, s * s, d * d], 1)).chunk(4, 1)
    variance_s = (square_s - mean_s.square()).clamp(min=0)
    variance_d = (square_d - mean_d.square()).clamp(min=0)
    mean_s2, mean_d2 = (mean_s + 1).square(), mean_d.square()
    similarity = (mean_s2 - mean_d2 + 2 * c1) * (variance_s - variance_d + 2 * c2)
    return similarity / ((mean_s2 + mean_d2 + 2 * c1) * (variance_s + variance_d + 2 * c2))
