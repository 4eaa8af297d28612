"""FNet and SRNet of frame-recurrent video super-resolution (Sajjadi, Vemulapalli and Brown, CVPR 2018; Fig. 3.4).

The text does not say the numbers of feature maps of FNet; those here are of two independent implementations that agree.
Pictures are on [0, 1] here, as in the text, where black is 0 and says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, max_pool2d

from blurvae.models.enhancenet import LEAK, ResidualBlock, doublings, glorot
from blurvae.resampling import symmetric_padding

REACH = 24.0  # px of the small frames


class FNet(nn.Module):
    """Optical flow between two frames: an encoder that halves and a decoder that doubles, tanh times a reach in px.

    The flow is a displacement in pixels of the small frame (erratum FR-E3): a network that says shares of the frame's
    width, and was trained on crops, is wrong on whole frames. Frames that do not divide are padded, and the flow cut.

    Args:
        channels: of one frame.
        widths: feature maps of the encoder's blocks, which halve; the decoder has twice the last, then those reversed
            but for the first.
        reach: px, the largest displacement.
    """

    def __init__(self, channels: int = 3, widths: Sequence[int] = (32, 64, 128), reach: float = REACH) -> None:
        super().__init__()
        self.reach = reach
        down = [*widths]  # 32, 64, 128
        up = [2 * widths[-1], *widths[:0:-1]]  # 256, 128, 64
        self.down = nn.ModuleList(_pair(a, b) for a, b in zip([2 * channels, *down], down))
        self.up = nn.ModuleList(_pair(a, b) for a, b in zip([down[-1], *up], up))
        self.last = nn.ModuleList([nn.Conv2d(up[-1], widths[0], 3, padding=1), nn.Conv2d(widths[0], 2, 3, padding=1)])
        glorot(self)

    def forward(self, before: Tensor, now: Tensor) -> Tensor:
        """By how many px to the right and downwards to look in `before` for what `now` shows: (n, 2, h, w)."""
        h, w = now.shape[-2:]
        stride = 2 ** len(self.down)
        x = symmetric_padding(torch.cat((before, now), 1), 0, -w % stride, 0, -h % stride)
        for block in self.down:
            x = max_pool2d(block(x), 2)
        for block in self.up:
            x = interpolate(block(x), scale_factor=2, mode="bilinear", align_corners=False)
        inner, outer = self.last
        flow = outer(leaky_relu(inner(x), LEAK)).to(
            now.dtype
        )  # 24 px in 8 bits of mantissa would be a sixteenth of one
        return self.reach * torch.tanh(flow)[..., :h, :w]


class SRNet(nn.Module):
    """EnhanceNet's residual network with transposed convolutions of stride 2 in the place of its upsampling.

    Args:
        inputs: channels that it sees: 3 of a small frame and 48 of the estimate before, or 3, or 9.
        channels: of the frame that it makes.
        filters: feature maps; a network of B blocks with N filters is called B-N.
        blocks: residual blocks.
        scale: 4, or another power of two.

    Raises:
        ValueError: a scale that is no power of two.
    """

    def __init__(self, inputs: int, channels: int = 3, filters: int = 64, blocks: int = 10, scale: int = 4) -> None:
        super().__init__()
        doubled: list[nn.Module] = []
        for _ in range(doublings(scale)):
            doubled += [nn.ConvTranspose2d(filters, filters, 3, 2, 1, output_padding=1), nn.ReLU()]
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, filters, 3, padding=1),
            nn.ReLU(),
            *(ResidualBlock(filters) for _ in range(blocks)),
            *doubled,
            nn.Conv2d(filters, channels, 3, padding=1),
        )
        glorot(self)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) to (n, channels, scale·h, scale·w), unbounded."""
        made: Tensor = self.layers(x)
        return made


def _pair(before: int, width: int) -> nn.Sequential:
    """Two convolutions, each with leaky ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, width, 3, padding=1),
        nn.LeakyReLU(LEAK),
        nn.Conv2d(width, width, 3, padding=1),
        nn.LeakyReLU(LEAK),
    )
