"""Interpolation on the grid that the small image was sampled on, whatever its phase."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pixel_shuffle

from blurvae.resampling.padding import full_precision, symmetric_padding

Kernel = Literal["linear", "cubic"]
REACH = {"linear": 1, "cubic": 2}  # samples on either side


def centre_phase(scale: int) -> float:
    """The phase of a small pixel that lies in the middle of its block: (scale − 1)/2."""
    return (scale - 1) / 2


def upsample(x: Tensor, scale: int, phase: float | None = None, kernel: Kernel = "cubic") -> Tensor:
    """Interpolates a small image whose sample i lies at pixel scale·i + phase of the large one.

    With phase (scale − 1)/2 "cubic" is `imresize(x, scale)` and "linear" torch's bilinear with `align_corners=False`.
    Borders are mirrored.

    Args:
        x: (n, c, h, w), floats.
        scale: a whole factor of at least 1.
        phase: from 0 to scale − 1; the centre where None.
        kernel: "cubic" is Keys's with a = −½.

    Returns:
        (n, c, scale·h, scale·w).

    Raises:
        ValueError: a scale or a phase out of its range.
    """
    at = check_phase(scale, centre_phase(scale) if phase is None else phase)
    if scale == 1:
        return x
    (n, c), reach = x.shape[:2], REACH[kernel] + 1  # one more, since the sample before or after can be the nearest
    filters = _filters(scale, float(at), kernel, x.dtype, x.device)
    with full_precision(x.device):
        padded = symmetric_padding(x, reach, reach, reach, reach).flatten(0, 1)[:, None]  # (nc, 1, h', w')
        return pixel_shuffle(conv2d(padded, filters), scale).view(n, c, scale * x.shape[-2], scale * x.shape[-1])


def check_phase(scale: int, phase: float) -> float:
    """Returns the phase.

    Raises:
        ValueError: no whole scale of at least 1, or a phase outside the block.
    """
    if type(scale) is not int or scale < 1:
        raise ValueError(f"The scale is a whole number of at least 1, not {scale!r}.")
    if not 0 <= phase <= scale - 1:
        raise ValueError(f"The phase lies within a block, from 0 to {scale - 1}, not {phase!r}.")
    return phase


def _filters(scale: int, phase: float, kernel: Kernel, dtype: torch.dtype, device: torch.device) -> Tensor:
    """For each of the pixels of a block, the weights of the samples around, (scale², 1, 2·reach + 1, 2·reach + 1).

    Made on the device: a step of a training may bring no number to it.
    """
    reach, weight = REACH[kernel] + 1, {"linear": _hat, "cubic": _cubic}[kernel]
    places, samples = (
        torch.arange(*span, dtype=torch.float64, device=device) for span in ((scale,), (-reach, reach + 1))
    )
    weights = weight(((places - phase) / scale)[:, None] - samples)
    return (weights[:, None, :, None] * weights[None, :, None, :]).flatten(0, 1)[:, None].to(dtype)


def _hat(t: Tensor) -> Tensor:
    return (1 - t.abs()).clamp(min=0)


def _cubic(t: Tensor) -> Tensor:
    """Keys's kernel with a = −½."""
    t = t.abs()
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return torch.where(t <= 1, near, torch.where(t < 2, far, torch.zeros_like(t)))
