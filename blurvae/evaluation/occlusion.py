"""Video super-resolution where something moves by itself: what comes into sight behind it, it, and all else (FR-C8)."""

from __future__ import annotations

import torch
from torch import Tensor

from blurvae.metrics import Entry
from blurvae.metrics.sr import Protocol
from blurvae.resampling import warp

REGIONS = ("uncovered", "by itself", "elsewhere")
DIGITS = {f"PSNR ({region})": 2 for region in REGIONS}


def regions(cover: Tensor, motion: Tensor) -> dict[str, Tensor]:
    """What the frame before holds of a frame's pixels, by the motion of the scene; each (n, t, h, w), of bool.

    Args:
        cover: (n, t, h, w), bool, the pixels of what moves by itself.
        motion: (n, t, 2), px, as a `ClipSet` has it.

    Returns:
        "uncovered", pixels of the scene that lay behind it in the frame before; "by itself", its own, which lay
        elsewhere; "elsewhere", pixels of the scene that were in sight. The first frame has none, and what was outside
        the frame before is in none.
    """
    n, t, h, w = cover.shape
    flow = motion.flatten(0, 1)[:, :, None, None].expand(-1, -1, h, w).float()
    before = torch.cat((cover[:, :1], cover[:, :-1]), 1).float().flatten(0, 1)[:, None]
    hidden = (warp(before, flow) > 0).view(n, t, h, w)
    inside = (warp(torch.ones_like(before), flow, "zeros") > 1 - 1e-3).view(n, t, h, w)
    inside[:, 0] = False
    return {"uncovered": hidden & ~cover & inside, "by itself": cover & inside, "elsewhere": ~hidden & ~cover & inside}


def by_region(
    x: Tensor, y: Tensor, cover: Tensor, motion: Tensor, protocol: Protocol, inner: slice
) -> dict[str, Entry]:
    """PSNR in each of the `regions`, dB: one squared error over its pixels in all clips.

    Args:
        x: (n, t, c, h, w) on [0, 1], the truth.
        y: (n, t, c, h, w), the estimates.
        cover: as `regions` takes it.
        motion: the same.
        protocol: what is compared.
        inner: the frames that count.
    """
    a, b = (protocol.compared(clips[:, inner].flatten(0, 1)) for clips in (x, y))  # (n·t′, 1, h′, w′)
    error, side = (a - b).square().mean(1), slice(protocol.shave, -protocol.shave or None)
    found = {}
    for name, where in regions(cover, motion).items():
        seen = where[:, inner, side, side].flatten(0, 1)
        found[f"PSNR ({name})"] = {"value": -10 * error[seen].double().mean().log10().item(), "protocol": str(protocol)}
    return found
