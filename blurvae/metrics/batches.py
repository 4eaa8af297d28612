"""A metric of single images over a whole set, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from blurvae.metrics import _check


def over_batches(
    metric: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor, batch_size: int | None = None
) -> Tensor:  # (n,)
    """The values of a metric of single images over two sets, without ever holding the layers of all images.

    Args:
        metric: of two batches (m, c, h, w), gives (m,).
        x: (n, c, h, w).
        y: (n, c, h, w).
        batch_size: images at a time; None chooses by their size.

    Returns:
        (n,), in the order of the images.

    Raises:
        ValueError: sets of two sizes.

    Example:
        >>> x = torch.zeros(5, 1, 8, 8)
        >>> over_batches(lambda a, b: (a - b).square().sum((1, 2, 3)), x, x + 1, batch_size=2)
        tensor([64., 64., 64., 64., 64.])
    """
    if len(x) != len(y):
        raise ValueError(f"x and y are compared image by image, but hold {len(x)} and {len(y)} images.")
    size = batch_size or _check.batch_size(x)
    return torch.cat([metric(a, b) for a, b in zip(x.split(size), y.split(size))])
