"""The protocol of super-resolution: on which numbers two pictures are compared, which moves a PSNR by up to 2 dB.

One picture enlarged by one bicubic kernel has 25.3 dB over RGB, 26.8 over luma and 26.9 with its border, and 27.0 by
another library's bicubic kernel. So a `Protocol` goes beside each number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from blurvae.metrics import _check
from blurvae.metrics.psnr import psnr
from blurvae.metrics.ssim import ssim

RED, GREEN, BLUE, BLACK = 65.481, 128.553, 24.966, 16.0  # ITU-R BT.601, of 255, for R, G and B on [0, 1]


@dataclass(frozen=True)
class Protocol:
    """What is compared of two pictures; its text stands beside the numbers.

    The defaults are those of the tables of Kim et al. (2016) and of Sajjadi et al. (2017), at a scale of 4; the latter
    does not print them, but its bicubic rows are met by them alone (EN-A1).

    Attributes:
        channel: "y" is the luma of BT.601, what MATLAB's `rgb2ycbcr` calls Y; "rgb" all three.
        shave: pixels left out on each side, the scale as a rule.
        round: whether pictures are rounded to 8 bits before they are compared, each in the channel that is compared.
        kernel: how the small picture was made, for the text.

    Raises:
        ValueError: an unknown channel, or a shave below 0.
    """

    channel: Literal["y", "rgb"] = "y"
    shave: int = 4
    round: bool = True
    kernel: str = "bicubic-antialias"

    def __post_init__(self) -> None:
        if self.channel not in ("y", "rgb"):
            raise ValueError(f"A protocol compares 'y' or 'rgb', not {self.channel!r}.")
        if type(self.shave) is not int or self.shave < 0:
            raise ValueError(f"A protocol leaves out a whole number of pixels ≥ 0, not {self.shave!r}.")

    def __str__(self) -> str:
        channel = {"y": "Y of BT.601", "rgb": "RGB"}[self.channel]
        bits = "8 bits" if self.round else "not rounded"
        return f"{channel}, {bits}, {self.shave} px shaved, {self.kernel}"

    def compared(self, x: Tensor) -> Tensor:
        """What of a picture is compared, on [0, 1].

        Args:
            x: (n, c, h, w) on [0, 1], c = 3, or 1 for a picture whose values are luma already.

        Raises:
            ValueError: another number of channels, or no pixel left.
        """
        if min(x.shape[-2:]) <= 2 * self.shave:
            raise ValueError(f"Nothing is left of {x.shape[-2]}×{x.shape[-1]} px without {self.shave} px on each side.")
        x = luma(x) if self.channel == "y" else x
        x = x[..., self.shave : x.shape[-2] - self.shave, self.shave : x.shape[-1] - self.shave]
        return (x * 255).round() / 255 if self.round else x

    def psnr(self, x: Tensor, y: Tensor) -> Tensor:
        """PSNR of each picture, (n,), dB; pictures as `compared` takes them."""
        _check.pair(x, y)
        return psnr(self.compared(x), self.compared(y))

    def ssim(self, x: Tensor, y: Tensor) -> Tensor:
        """SSIM of each picture, (n,), over the pixels whose window lies within, as the original code has it."""
        _check.pair(x, y)
        return ssim(self.compared(x), self.compared(y), border=False)

    def video_psnr(self, x: Tensor, y: Tensor) -> Tensor:
        """PSNR of each clip, (n,), dB: one squared error over all pixels of all its frames.

        It is at most the mean of the frames' PSNR, since the logarithm is concave, and equal where all frames are as
        hard: the two are never mixed in a table.

        Args:
            x: (n, t, c, h, w) on [0, 1].
            y: (n, t, c, h, w) on [0, 1].

        Raises:
            ValueError: shapes that differ, values outside [0, 1].
        """
        if x.ndim != 5 or x.shape != y.shape:
            raise ValueError(f"Two clips (n, t, c, h, w) are compared, not {tuple(x.shape)} and {tuple(y.shape)}.")
        _check.pair(x.flatten(0, 1), y.flatten(0, 1))
        a, b = (self.compared(clip.flatten(0, 1)).unflatten(0, clip.shape[:2]) for clip in (x, y))
        return -10 * torch.log10((a - b).square().flatten(1).mean(1))


def luma(x: Tensor) -> Tensor:
    """Y of ITU-R BT.601 with its head and foot room, from 16/255 to 235/255.

    Args:
        x: (n, 3, h, w) on [0, 1]; a picture of one channel is luma already, and stays as it is.

    Returns:
        (n, 1, h, w).

    Raises:
        ValueError: neither 1 nor 3 channels.
    """
    if x.shape[1] == 1:
        return x
    if x.shape[1] != 3:
        raise ValueError(f"Luma is that of RGB or of one channel, not of {x.shape[1]} channels.")
    weights = torch.tensor([RED, GREEN, BLUE], dtype=x.dtype, device=x.device).view(1, 3, 1, 1)
    return ((x * weights).sum(1, keepdim=True) + BLACK) / 255
