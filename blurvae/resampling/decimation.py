"""Blur and decimation with a phase: how Sajjadi, Vemulapalli and Brown (2018) make the small frames of a video."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from blurvae.resampling.padding import full_precision, symmetric_padding
from blurvae.resampling.upsampling import check_phase

RADIUS = 4  # in units of σ: beyond lies 6e-5 of the kernel


def gaussian(sigma: float, device: torch.device | None = None, between: bool = False) -> Tensor:
    """A sampled Gaussian of sum one in float64, made on the device; one weight of 1 for σ = 0.

    Args:
        sigma: σ, px.
        device: of the weights.
        between: whether its centre lies in the middle between two pixels.

    Returns:
        (2⌈4σ⌉ + 1,), or (2⌈4σ⌉,) between pixels.
    """
    reach = math.ceil(RADIUS * sigma)
    at = torch.arange(-reach, reach + 1 - between, dtype=torch.float64, device=device) + between / 2
    return torch.softmax(-at.square() / (2 * sigma**2), 0) if sigma else torch.ones_like(at)


def blur_and_decimate(x: Tensor, scale: int, sigma: float = 1.5, phase: float = 0) -> Tensor:
    """Blurs with a Gaussian, then keeps the values at phase, phase + scale, phase + 2·scale, … of either dimension.

    Borders are mirrored. Only the values that are kept are computed. At half phases they are those of the blurred
    picture between two pixels; `upsampling.centre_phase` is one at even scales.

    Args:
        x: (n, c, h, w), floats; h and w divisible by the scale.
        scale: a whole factor of at least 1.
        sigma: σ of the Gaussian, in px of x; 0 for no blur.
        phase: from 0, which is that of `x[..., ::scale, ::scale]`, to scale − 1; whole, or with σ > 0 a half.

    Returns:
        (n, c, h/scale, w/scale).

    Raises:
        ValueError: sizes that do not divide, σ < 0, or a scale or a phase out of its range.
    """
    at, (h, w) = check_phase(scale, phase), x.shape[-2:]
    if h % scale or w % scale or 2 * at != int(2 * at):
        raise ValueError(
            f"Every {scale}th pixel from {phase} on is for sizes that divide by {scale} and phases that are whole, or "
            f"a half, not for {h}×{w} px: crop the frames, or pad them and crop the result."
        )
    if not sigma >= 0 or (not sigma and at != int(at)):
        raise ValueError(f"σ is a number of pixels ≥ 0, and > 0 between pixels, not {sigma!r}.")
    taps = gaussian(float(sigma), x.device, at != int(at)).to(x.dtype)
    reach = (len(taps) - 1) / 2
    with full_precision(x.device):
        # The first row that a kept pixel sees is phase − reach, the last h − scale + phase + reach.
        before, after = int(reach - at), int(reach - scale + 1 + at)
        padded = symmetric_padding(x, max(0, before), max(0, after), max(0, before), max(0, after))
        padded = padded[..., max(0, -before) :, max(0, -before) :].flatten(0, 1)[:, None]  # (nc, 1, h', w')
        rows = conv2d(padded, taps.view(1, 1, -1, 1), stride=(scale, 1))
        return conv2d(rows, taps.view(1, 1, 1, -1), stride=(1, scale)).view(*x.shape[:2], h // scale, w // scale)
