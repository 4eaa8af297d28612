"""Images seen through a flow in pixels."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from blurvae.resampling.padding import full_precision

Border = Literal["border", "zeros"]


def warp(image: Tensor, flow: Tensor, border: Border = "border") -> Tensor:
    """Backward warping: the result at pixel (y, x) is the image at (y + flow_y, x + flow_x), bilinearly interpolated.

    The flow is a displacement in pixels of this image. One in units of the image's size would mean another motion at
    another size (erratum FR-E3 of Sajjadi (2024)).

    Args:
        image: (n, c, h, w).
        flow: (n, 2, h, w), the displacement to the right first, then downwards, in px.
        border: what lies outside the image: its nearest pixel, or 0.

    Returns:
        (n, c, h, w).

    Raises:
        ValueError: an image and a flow of two sizes.
    """
    n, _, h, w = image.shape
    if flow.shape != (n, 2, h, w):
        raise ValueError(f"A flow for {n} images of {h}×{w} px is {(n, 2, h, w)}, not {tuple(flow.shape)}.")
    x = torch.arange(w, device=flow.device, dtype=flow.dtype) + flow[:, 0]  # (n, h, w)
    y = torch.arange(h, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    # grid_sample wants −1 and 1 at the outer edges of the border pixels with align_corners=False: pixel p, whose centre
    # lies at p + ½ from the edge, is at (2p + 1)/size − 1.
    grid = torch.stack(((2 * x + 1) / w - 1, (2 * y + 1) / h - 1), -1)
    with full_precision(image.device):
        return grid_sample(image, grid.to(image), mode="bilinear", padding_mode=border, align_corners=False)
