"""Two small networks as published: Dalal's convolutional VAE, and the perceptrons of the report on sharpness.

The first has 69,989 parameters at 1×28² px with z of length 2, as in its author's code: two convolutions without
padding, two transposed ones and a last one, ReLU, Glorot's initialisation. The second is 784-400-20-400-784 there.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from blurvae.models.coder import Coder, Decoded

Network = Literal["conv", "perceptrons"]
Output = Literal["linear", "sigmoid"]


class SmallCoder(Coder):
    """A VAE with one of the networks, which see and make images on [0, 1]; from outside they are on [−1, 1].

    Args:
        network: "conv", for sides that 4 divides, or "perceptrons".
        size: side of the square images, px.
        channels: of the images.
        latent: length of z.
        hidden: width of the perceptrons' hidden layers.
        output: "linear" takes the last layer for the image, which may leave [−1, 1]; "sigmoid" brings it there.

    Raises:
        ValueError: an unknown network or output, a length below 1, or a size that "conv" cannot make.
    """

    def __init__(
        self,
        network: str = "conv",
        *,
        size: int = 28,
        channels: int = 1,
        latent: int = 2,
        hidden: int = 400,
        output: str = "linear",
    ) -> None:
        if network not in get_args(Network) or output not in get_args(Output):
            raise ValueError(
                f"The network is {' or '.join(get_args(Network))} and its output {' or '.join(get_args(Output))}, "
                f"not {network!r} and {output!r}."
            )
        if bad := [value for value in (size, channels, latent, hidden) if type(value) is not int or value < 1]:
            raise ValueError(f"size, channels, latent and hidden take whole numbers of at least 1, not {bad[0]!r}.")
        shape = (channels, size, size)
        parts = _convolutions(shape, latent) if network == "conv" else _perceptrons(shape, latent, hidden)
        super().__init__(*parts, shape, latent)
        self.output = output

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `Coder.encode`."""
        return super().encode((x + 1) / 2 if x.is_floating_point() else x)

    def _image(self, output: Tensor) -> Decoded:
        """For "sigmoid" the logit a has x̂ = tanh a, since tanh a = 2σ(2a) − 1; for "linear" there is none, but NaN."""
        if self.output == "sigmoid":
            return Decoded(torch.tanh(output / 2), output / 2)
        return Decoded(2 * output - 1, torch.full_like(output, math.nan))


def _convolutions(shape: tuple[int, int, int], latent: int) -> tuple[nn.Sequential, nn.Sequential]:
    channels, size, _ = shape
    if size % 4 or size < 8:
        raise ValueError(f"The convolutional network makes images whose side 4 divides, 8 px at least, not {size}.")
    side = ((size - 1) // 2 - 1) // 2  # after two convolutions of 3×3 px, stride 2, without padding
    encoder = nn.Sequential(
        nn.Conv2d(channels, 32, 3, 2),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, 2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * side**2, 2 * latent),
    )
    decoder = nn.Sequential(
        nn.Linear(latent, 32 * (size // 4) ** 2),
        nn.ReLU(),
        nn.Unflatten(1, (32, size // 4, size // 4)),
        nn.ConvTranspose2d(32, 64, 3, 2, 1, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 3, 2, 1, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(32, channels, 3, 1, 1),
    )
    return encoder.apply(_glorot), decoder.apply(_glorot)


def _perceptrons(shape: tuple[int, int, int], latent: int, hidden: int) -> tuple[nn.Sequential, nn.Sequential]:
    pixels = math.prod(shape)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, 2 * latent))
    decoder = nn.Sequential(
        nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, pixels), nn.Unflatten(1, tuple(shape))
    )
    return encoder, decoder


def _glorot(layer: nn.Module) -> None:
    if hasattr(layer, "weight"):
        nn.init.xavier_uniform_(layer.weight)  # type: ignore[arg-type]
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
