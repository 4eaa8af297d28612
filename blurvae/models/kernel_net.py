"""The network G_γ that reads the blur kernel of an image off its latent variable (Bredell et al. 2023, eq. 10)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from blurvae.blur.kernels import check_size


class KernelNet(nn.Module):
    """k = G_γ(z): two linear layers with 1000 hidden units (App. A).

    The paper leaves the output map open. A softmax keeps every kernel non-negative and of sum 1, so that H(0) = 1.

    Args:
        latent: length of z.
        size: K, odd (11 at 64² px, 41 at 256² px in the paper).
        hidden: width of the hidden layer; 0 for one kernel, uniform at first, that pays z no heed.

    Raises:
        ValueError: an even kernel size, or a length below 1.
    """

    def __init__(self, latent: int = 256, size: int = 11, hidden: int = 1000) -> None:
        super().__init__()
        size = check_size(size)
        for name, width, least in (("latent", latent, 1), ("hidden", hidden, 0)):
            if not isinstance(width, int) or width < least:
                raise ValueError(f"{name} takes whole numbers of at least {least}, not {width!r}.")
        self.latent = latent
        self.size = size
        self.layers: nn.Module = _Same(size * size)
        if hidden:
            self.layers = nn.Sequential(nn.Linear(latent, hidden), nn.LeakyReLU(0.01), nn.Linear(hidden, size * size))

    def forward(self, z: Tensor) -> Tensor:
        """Maps z, (n, latent), to kernels, (n, K, K), ≥ 0 and of sum 1.

        Raises:
            ValueError: a z of another length.
        """
        if z.ndim != 2 or z.shape[1] != self.latent:
            raise ValueError(f"This kernel network takes z of shape (n, {self.latent}), not {tuple(z.shape)}.")
        return self.layers(z).softmax(-1).unflatten(-1, (self.size, self.size))


class _Same(nn.Module):
    """The same output, a parameter, for every z."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, z: Tensor) -> Tensor:
        return self.bias.expand(len(z), -1)
