"""Networks for images of 8×8 px, with a few hundred weights."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

Wrap = Callable[[nn.Module], nn.Module]


def encoder(channels: int, width: int, outputs: int) -> nn.Sequential:
    """Images to codes, (n, outputs), through a batch norm."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(16 * width, outputs),
    )


def decoder(latent: int, width: int, channels: int, wrap: Wrap = lambda layer: layer) -> nn.Sequential:
    """Codes to images in [−1, 1], through a batch norm; each layer with weights as `wrap` gives it back."""
    return nn.Sequential(
        wrap(nn.Linear(latent, 16 * width, bias=False)),
        nn.Unflatten(1, (width, 4, 4)),
        nn.BatchNorm2d(width),
        nn.LeakyReLU(0.2),
        wrap(nn.ConvTranspose2d(width, channels, 4, 2, 1)),
        nn.Tanh(),
    )
