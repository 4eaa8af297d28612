"""Bicubic enlargement under the protocols of super-resolution: the row that says whether a harness is the field's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from blurvae.datasets.core import Pixels
from blurvae.metrics.psnr import psnr
from blurvae.metrics.sr import Protocol, luma
from blurvae.resampling import blur_and_decimate, imresize, upsample

SIGMA = 1.5  # px, of the blur before every fourth pixel of a frame is kept (Sajjadi et al. 2018)
FRVSR = Protocol(shave=0, kernel=f"Gaussian of σ {SIGMA} px, every 4th pixel")
STRIDE = 8  # what small frames divide by


class Enlarged(NamedTuple):
    """Numbers of single pictures or clips, (n,), in the order of their names."""

    psnr: Tensor
    ssim: Tensor


def whole(pixels: Pixels, multiple: int) -> Tensor:
    """A picture (c, h, w), or the frames of a clip (t, c, h, w), on [0, 1], cut to a multiple: (1 or t, c, h′, w′).

    Pictures lose rows and columns at the bottom and right, as the field's scripts do it; clips on all sides.
    """
    h, w = pixels.shape[-2:]
    down, across = h - h % multiple, w - w % multiple
    top, left = ((h - down) // 2, (w - across) // 2) if pixels.ndim == 4 else (0, 0)
    cut = pixels[..., top : top + down, left : left + across]
    return torch.from_numpy(np.array(cut)).view(-1, *cut.shape[-3:]).float() / 255


def made_small(x: Tensor, scale: int) -> Tensor:
    """A picture (1, c, h, w) as a file would hold it that MATLAB's bicubic made smaller: on [0, 1], 8 bits."""
    return (imresize(x, 1 / scale).clamp(0, 1) * 255).round() / 255


def of_pictures(pictures: Mapping[str, Pixels], scale: int, protocol: Protocol) -> Enlarged:
    """Pictures made smaller and enlarged again by bicubic interpolation.

    Args:
        pictures: uint8 (c, h, w), by name.
        scale: 2 or 4.
        protocol: how they are compared.
    """
    rows = []
    for pixels in pictures.values():
        x = whole(pixels, scale)
        y = imresize(made_small(x, scale), scale).clamp(0, 1)
        rows.append((protocol.psnr(x, y), protocol.ssim(x, y)))
    return Enlarged(*(torch.cat(column) for column in zip(*rows)))


def of_clips(clips: Mapping[str, Pixels], scale: int = 4, *, phase: float | None = 0) -> Enlarged:
    """Clips blurred, decimated at phase 0 and enlarged again, as if the phase had been another.

    Args:
        clips: uint8 (t, c, h, w), by name.
        scale: every which pixel is kept.
        phase: of the grid that the enlargement takes for that of the small frames; 0 is right.

    Returns:
        Video PSNR, and SSIM averaged over frames.
    """
    rows = []
    for pixels in clips.values():
        x = whole(pixels, scale * STRIDE)
        y = upsample(blur_and_decimate(x, scale, SIGMA), scale, phase).clamp(0, 1)
        rows.append((FRVSR.video_psnr(x[None], y[None]), FRVSR.ssim(x, y).mean(0, keepdim=True)))
    return Enlarged(*(torch.cat(column) for column in zip(*rows)))


def by_protocol(pixels: Pixels) -> dict[str, float]:
    """What one picture, enlarged four times by bicubic interpolation, is worth by eight protocols, dB.

    The first five compare the same two pictures, the next enlarges with another kernel, the last two make the small
    picture otherwise.

    Args:
        pixels: uint8 (3, h, w).

    Returns:
        By what is said of each in a few words; the field's protocol comes first, the others differ in one thing.
    """
    x, field = whole(pixels, 4), Protocol()
    small = made_small(x, 4)
    ways = small, _lanczos(x), _narrow(x)
    y, lanczos, narrow = (imresize(made, 4).clamp(0, 1) for made in ways)
    wide = interpolate(small, scale_factor=4, mode="bicubic").clamp(0, 1)
    inner = [luma(z)[..., 4:-4, 4:-4] for z in (x, y)]
    full = [(255 * z - 16) / 219 for z in inner]  # 0 to 1 in the place of 16 to 235
    found = {
        "the field's": field.psnr(x, y),
        "RGB": Protocol("rgb").psnr(x, y),
        "Y of full range": psnr(*full),
        "with its border": Protocol(shave=0).psnr(x, y),
        "not rounded": Protocol(round=False).psnr(x, y),
        "large by a = −3/4": field.psnr(x, wide),
        "small by Lanczos": field.psnr(x, lanczos),
        "small, aliased": field.psnr(x, narrow),
    }
    return {said: value.item() for said, value in found.items()}


def _lanczos(x: Tensor) -> Tensor:
    """Four times smaller by Pillow's Lanczos filter, which antialiases, 8 bits."""
    from PIL import Image

    pixels = (x[0].permute(1, 2, 0) * 255).round().byte().numpy()
    made = Image.fromarray(pixels).resize((x.shape[-1] // 4, x.shape[-2] // 4), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(made)).permute(2, 0, 1)[None] / 255


def _narrow(x: Tensor) -> Tensor:
    """Four times smaller by torch's bicubic kernel, which does not get wider for it, 8 bits."""
    return (interpolate(x, scale_factor=1 / 4, mode="bicubic").clamp(0, 1) * 255).round() / 255
