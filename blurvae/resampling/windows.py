"""Windows cut out of images at places that the device knows and the host does not."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def corners(at: Tensor, shape: Sequence[int], size: int, step: int = 1) -> Tensor:
    """Where windows begin, from numbers in [0, 1): every place of the grid of `step` px is as likely.

    Args:
        at: (n, 2), uniform on [0, 1), for rows and columns.
        shape: (…, h, w) of the images.
        size: of a window, px.
        step: px; a window of a picture whose small version is cut alike begins at a multiple of the scale.

    Returns:
        (n, 2), int64, px.
    """
    places = [(side - size) // step + 1 for side in shape[-2:]]
    return step * torch.stack([at[:, i] * n for i, n in enumerate(places)], 1).long()


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
