"""Peak signal-to-noise ratio."""

from __future__ import annotations

import torch
from torch import Tensor

from blurvae.metrics import _check


def psnr(x: Tensor, y: Tensor, *, check_values: bool = True) -> Tensor:  # (n,)
    """Peak signal-to-noise ratio of each image: −10·log10 of its mean squared error.

    What the book reports is the mean of these values over the images. That is not the PSNR of the mean squared error of
    the whole set, which some libraries compute: the logarithm is concave, so the latter is never larger, and two sets
    with the same value of one may differ by several dB in the other.

    Args:
        x: (n, c, h, w), on [0, 1]. Clamp a decoder's output before, and say so.
        y: (n, c, h, w), on [0, 1].
        check_values: False takes values outside [0, 1], as some papers do of a decoder without a limit.

    Returns:
        (n,), dB; infinite where the images are equal.

    Raises:
        ValueError: shapes that differ, values outside [0, 1], NaN.

    Example:
        >>> x = torch.zeros(2, 1, 8, 8)
        >>> psnr(x, torch.stack([x[0] + 0.1, x[1] + 0.01]))
        tensor([20., 40.])
    """
    _check.pair(x, y, values=check_values)
    return -10 * torch.log10((x - y).square().flatten(1).mean(1))
