"""The three networks of the VAE-GAN (Larsen et al., ICML 2016, Table 1) at any size that their stride divides.

The defaults are those of the code that the report on sharpness released, at 64 px: 5×5 convolutions, batch norm and
ReLU; the encoder's hidden layer has 1024 values there and 2048 in Larsen's table. Batch norms and initialisation are
torch's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import relu

WIDTHS = (64, 128, 256)


def make_encoder(
    *, size: int = 64, channels: int = 3, widths: Sequence[int] = WIDTHS, latent: int = 128, hidden: int = 1024
) -> nn.Sequential:
    """Images (n, c, h, w) in [−1, 1] to μ and log σ², (n, 2 latent).

    Args:
        size: side of the square images in px, divisible by 2 to the number of widths.
        channels: 1 or 3.
        widths: feature maps of the blocks of stride 2.
        latent: length of z.
        hidden: width of the hidden layer.

    Raises:
        ValueError: a size that the stride does not divide.
    """
    blocks = [part for c_in, c_out in zip((channels, *widths), widths) for part in _halving(c_in, c_out)]
    flat = widths[-1] * _side(size, widths) ** 2
    dense = nn.Linear(flat, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()
    return nn.Sequential(*blocks, nn.Flatten(), *dense, nn.Linear(hidden, 2 * latent))


def make_decoder(
    *, size: int = 64, channels: int = 3, widths: Sequence[int] = WIDTHS, latent: int = 128
) -> nn.Sequential:
    """Codes (n, latent) to logits (n, c, h, w), whose tanh is the image; arguments as `make_encoder` takes them."""
    side, first = _side(size, widths), widths[-1]
    outputs = (*widths[:0:-1], _thin(widths))  # 256 → 256 → 128 → 32
    dense = nn.Linear(latent, first * side**2, bias=False), nn.BatchNorm1d(first * side**2), nn.ReLU()
    blocks = [part for c_in, c_out in zip((first, *outputs), outputs) for part in _doubling(c_in, c_out)]
    return nn.Sequential(
        *dense, nn.Unflatten(1, (first, side, side)), *blocks, nn.Conv2d(_thin(widths), channels, 5, padding=2)
    )


class Judged(NamedTuple):
    """What a discriminator says of images.

    Attributes:
        logit: (n,), D = sigmoid(logit) is the probability that an image is real.
        features: by layer, (n, …), before that layer's batch norm.
    """

    logit: Tensor
    features: dict[str, Tensor]


class Discriminator(nn.Module):
    """Judges images, and shows what it saw in them layer by layer.

    Its layers are "conv0", which keeps the size, "conv1" to "conv3", each of stride 2, and "hidden". Each shows what it
    computes before its batch norm, as the released code does (at "conv3").

    Args:
        size: as `make_encoder` takes it.
        channels: as `make_encoder` takes them.
        widths: the encoder's.
        hidden: width of the hidden layer.
    """

    def __init__(self, *, size: int = 64, channels: int = 3, widths: Sequence[int] = WIDTHS, hidden: int = 512) -> None:
        super().__init__()
        thin, wider = _thin(widths), (*widths[1:], widths[-1])  # 32 → 128 → 256 → 256
        self.conv0 = nn.Conv2d(channels, thin, 5, padding=2)
        strided = [nn.Conv2d(a, b, 5, 2, 2, bias=False) for a, b in zip((thin, *wider), wider)]
        dense = nn.Sequential(nn.Flatten(), nn.Linear(widths[-1] * _side(size, widths) ** 2, hidden, bias=False))
        self.layers = nn.ModuleDict(dict(zip(layers(widths)[1:], [*strided, dense])))
        self.norms = nn.ModuleList([*(nn.BatchNorm2d(width) for width in wider), nn.BatchNorm1d(hidden)])
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Judged:
        """Judges images (n, c, h, w) in [−1, 1]; in training its batch norms see all of them as one batch."""
        features = {"conv0": (at := self.conv0(x))}
        for (name, layer), norm in zip(self.layers.items(), self.norms):
            features[name] = layer(relu(at))
            at = norm(features[name])
        return Judged(self.head(relu(at)).squeeze(1), features)


def layers(widths: Sequence[int]) -> tuple[str, ...]:
    """The names of a discriminator's layers: "conv0", …, "conv<number of widths>", "hidden"."""
    return (*(f"conv{i}" for i in range(len(widths) + 1)), "hidden")


def _side(size: int, widths: Sequence[int]) -> int:
    """The side of the smallest feature maps, px.

    Raises:
        ValueError: a size that the stride does not divide.
    """
    stride = 2 ** len(widths)
    if size % stride or size < stride:
        raise ValueError(f"Images of {size} px do not divide by the stride {stride} of {len(widths)} blocks.")
    return size // stride


def _thin(widths: Sequence[int]) -> int:
    """Feature maps at full size: half the first width."""
    return max(1, widths[0] // 2)


def _halving(c_in: int, c_out: int) -> list[nn.Module]:
    return [nn.Conv2d(c_in, c_out, 5, 2, 2, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()]


def _doubling(c_in: int, c_out: int) -> list[nn.Module]:
    up = nn.ConvTranspose2d(c_in, c_out, 5, 2, 2, output_padding=1, bias=False)
    return [up, nn.BatchNorm2d(c_out), nn.ReLU()]
