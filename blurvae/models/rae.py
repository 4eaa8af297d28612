"""The networks of Ghosh, Sajjadi et al. (2020) and Sajjadi (2024), Table 6.1, one for all eight models.

What the table leaves open or prints wrongly is chosen here: the last layer has as many maps as the image has channels
(it prints 1 for colour images too), and the output is a tanh, which on [−1, 1] is the sigmoid on [0, 1] of the authors'
code, σ(2a) = (tanh a + 1)/2. Batch norm and initialisation are torch's defaults.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from blurvae.models.coder import Coder

WIDTHS = (128, 256, 512, 1024)  # of Table 6.1
START = 8  # px, the side of the decoder's first maps in Table 6.1


class RAENet(Coder):
    """Encoder and decoder of Table 6.1: strided convolutions, batch norm, ReLU; one linear layer to and from the code.

    At 32×32 px with 16 dimensions and one channel, encoder and decoder have 11.08 and 11.61 million parameters.

    Args:
        size: side of the square images in px, divisible by 2 to the number of widths.
        channels: 1 or 3.
        widths: feature maps of the encoder's blocks; the decoder has the last of them at `start` px, then those before
            it, one each time the side doubles.
        latent: length of z: 16 for MNIST, 128 for CIFAR-10, 64 for CelebA in the table.
        kernel: side of the kernels: 4 at 32×32 px, 5 at 64×64 px in the table.
        start: side of the decoder's first maps, px; `size` divided by a power of two.
        sigma: standard deviation of q(z|x), the same for all images and dimensions: 0 is a deterministic encoder. None
            learns one for each (M = 2 in the table).
        spectral: whether every layer of the decoder is divided by its spectral norm (eq. 6.18). The norm is that of the
            matrix (outputs, inputs × kernel²) of a convolution, as usual, and not that of the convolution itself; one
            power iteration is made in each forward pass of the training.

    Raises:
        ValueError: a width or length below 1, a size that strides or `start` do not divide, too few widths, or σ < 0.
    """

    def __init__(
        self,
        *,
        size: int = 32,
        channels: int = 1,
        widths: Sequence[int] = WIDTHS,
        latent: int = 16,
        kernel: int = 4,
        start: int = START,
        sigma: float | None = 0.0,
        spectral: bool = False,
    ) -> None:
        widths = tuple(widths)
        lengths = [("size", size), ("channels", channels), ("latent", latent), ("start", start)]
        for name, value in [*lengths, *(("widths", width) for width in widths or (0,))]:
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} takes whole numbers of at least 1, not {value!r}.")
        if kernel not in (4, 5):
            raise ValueError(f"kernel is 4 or 5, the sides of Table 6.1, not {kernel!r}.")
        if sigma is not None and not 0 <= sigma < math.inf:
            raise ValueError(f"sigma, a standard deviation, is a number ≥ 0, or None to learn it, not {sigma!r}.")
        stride = 2 ** len(widths)
        if size % stride:
            raise ValueError(
                f"Images of {size}×{size} px do not divide by the stride {stride} of {len(widths)} blocks."
            )
        doublings = (size // start).bit_length() - 1
        if size != start * 2**doublings or doublings >= len(widths):
            raise ValueError(
                f"The decoder doubles maps of {start}×{start} px at most {len(widths) - 1} times, with a width each, "
                f"which does not lead to {size}×{size} px: change start or widths."
            )
        features = (size // stride, size // stride)

        edge = (kernel - 1) // 2  # zeros around the image: with them each layer halves or doubles its side
        encoder: list[nn.Module] = []
        for c_in, c_out in zip((channels, *widths[:-1]), widths):
            encoder += _block(nn.Conv2d(c_in, c_out, kernel, 2, edge), c_out)
        outputs = 2 * latent if sigma is None else latent
        encoder += [nn.Flatten(), nn.Linear(widths[-1] * math.prod(features), outputs)]

        maps = widths[::-1][: doublings + 1]
        first = nn.Linear(latent, maps[0] * start**2)
        decoder = [first, nn.Unflatten(1, (maps[0], start, start)), nn.BatchNorm2d(maps[0]), nn.ReLU(inplace=True)]
        for c_in, c_out in pairwise(maps):
            up = nn.ConvTranspose2d(c_in, c_out, kernel, 2, edge, output_padding=kernel % 2)
            decoder += _block(up, c_out)
        # At stride 1 a transposed convolution is a convolution with the kernel turned round.
        last = nn.Conv2d(maps[-1], channels, kernel)
        decoder += [nn.ZeroPad2d((edge, kernel // 2, edge, kernel // 2)), last]
        super().__init__(nn.Sequential(*encoder), nn.Sequential(*decoder), (channels, size, size), latent)
        self.features, self.sigma = features, sigma
        if spectral:
            for layer in decoder:
                if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                    spectral_norm(layer)

    def _posterior(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """As `Coder`, with log σ² of the given σ: −∞ where the encoder is deterministic."""
        if self.sigma is None:
            return super()._posterior(output)
        return output, torch.full_like(output, 2 * math.log(self.sigma) if self.sigma else -math.inf)


def _block(layer: nn.Module, width: int) -> list[nn.Module]:
    return [layer, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
