"""MATLAB's `imresize`: bicubic, antialiased where it makes smaller, borders mirrored; on which tables of PSNR rest."""

from __future__ import annotations

import math
from fractions import Fraction

from torch import Tensor
from torch.nn.functional import interpolate

from blurvae.resampling.padding import full_precision, symmetric_padding

BORDER = 4  # pixels of the smaller image that a kernel of four samples can see beyond the border, twice


def imresize(x: Tensor, scale: float) -> Tensor:
    """Resizes as MATLAB's `imresize(x, scale)` does: the cubic kernel of a = −½ (Keys 1981), wider when downscaling.

    The small image's pixels lie at the centres of the blocks that they stand for, phase (scale − 1)/2. Where a size
    does not divide, the last output pixel is computed with the mirror image beyond the border, as there.

    Args:
        x: (n, c, h, w), floats of any range. The result can lie outside that range: clamp it where that matters.
        scale: 2, 3, 4, … or 1/2, 1/3, 1/4, ….

    Returns:
        (n, c, ⌈scale·h⌉, ⌈scale·w⌉), x's type.

    Raises:
        ValueError: another scale, or no batch of floating-point images.

    Example:
        >>> import torch
        >>> imresize(torch.ones(1, 3, 8, 10), 0.25).shape
        torch.Size([1, 3, 2, 3])
    """
    up, down = _factors(scale)
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(f"imresize takes floats (n, c, h, w), not {x.dtype} of shape {tuple(x.shape)}.")
    if up == down:
        return x
    h, w = x.shape[-2:]
    target = math.ceil(h * up / down), math.ceil(w * up / down)
    # torch's antialiased bicubic has this kernel and grid, but cuts the kernel off at the border: so the border is put
    # out of its sight. The padding is a whole number of blocks on either side, which leaves the grid where it is.
    around = BORDER * down
    padded = symmetric_padding(x, around, around - w % -down, around, around - h % -down)
    size = [side * up // down for side in padded.shape[-2:]]
    with full_precision(x.device):
        out = interpolate(padded, size=size, mode="bicubic", align_corners=False, antialias=True)
    cut = BORDER * up
    return out[..., cut : cut + target[0], cut : cut + target[1]]


def _factors(scale: float) -> tuple[int, int]:
    """By how much larger and how much smaller."""
    exact = Fraction(scale).limit_denominator(64) if scale > 0 else Fraction(0)
    if not exact or abs(float(exact) - scale) > 1e-9 or 1 not in (exact.numerator, exact.denominator):
        raise ValueError(f"imresize takes a whole factor such as 2 or 4, or a fraction such as 1/4, not {scale!r}.")
    return exact.numerator, exact.denominator
