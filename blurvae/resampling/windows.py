"""Windows cut out of images at places that the device knows and the host does not."""

from __future__ import annotations

import torch
from torch import Tensor


def window(x: Tensor, corner: Tensor, size: int) -> Tensor:
    """A square of each image; nothing is read off the device.

    Args:
        x: (n, …, h, w).
        corner: (n, 2), int64: its first row and column in each image.
        size: its side, px.

    Returns:
        (n, …, size, size).
    """
    n, h, w = len(x), *x.shape[-2:]
    along = torch.arange(size, device=x.device)
    rows, columns = corner[:, :1] + along, corner[:, 1:] + along  # (n, size)
    flat = x.reshape(n, -1, h, w)
    channels = flat.shape[1]
    picked = flat.gather(2, rows[:, None, :, None].expand(n, channels, size, w))
    return picked.gather(3, columns[:, None, None, :].expand(n, channels, size, size)).view(*x.shape[:-2], size, size)
