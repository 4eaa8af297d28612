"""What every autoencoder with a Gaussian code is: an encoder to (μ, log σ²), and a decoder to an image."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Decoded(NamedTuple):
    """What the decoder says of an image: its mean and the pre-activation that the mean is the tanh of."""

    x_hat: Tensor  # (n, c, h, w) in [−1, 1]
    logit: Tensor  # (n, c, h, w), x̂ = tanh(logit)


class Coder(nn.Module):
    """q_φ(z|x) and the mean x̂_θ(z) of p_θ(x|z); a network is one that gives it its two parts.

    Args:
        encoder: (n, c, h, w) in [−1, 1] → (n, 2·latent), μ before log σ².
        decoder: (n, latent) → (n, c, h, w), the logit.
        image_shape: (c, h, w).
        latent: length of z.

    Attributes:
        features: (h, w) of the encoder's last maps where a batch norm sees them, else None.
    """

    features: tuple[int, int] | None = None

    def __init__(
        self, encoder: nn.Sequential, decoder: nn.Sequential, image_shape: tuple[int, int, int], latent: int
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.image_shape, self.latent = encoder, decoder, image_shape, latent

    def _real(self, x: Tensor) -> Tensor:
        """In the precision of the weights: double where torch's default was when they were made."""
        return x.to(next(self.parameters()).dtype)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior q_φ(z|x) = N(μ, diag σ²).

        Args:
            x: (n, c, h, w) in [−1, 1].

        Returns:
            (μ, log σ²), each (n, latent), float32 or wider.

        Raises:
            ValueError: images of another shape than the model's, or of bytes.
        """
        if tuple(x.shape[1:]) != self.image_shape:
            raise ValueError(
                f"This model takes images (n, {', '.join(map(str, self.image_shape))}), not {tuple(x.shape)}."
            )
        if not x.is_floating_point():
            raise ValueError(f"This model takes floats in [−1, 1], not {x.dtype}: see blurvae.datasets.to_float.")
        return self._posterior(at_least_float32(self.encoder(self._real(x))))

    def _posterior(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """What the encoder's last layer says."""
        mu, log_var = output.chunk(2, dim=1)
        return mu, log_var

    def decode(self, z: Tensor) -> Decoded:
        """The mean image x̂_θ(z).

        Args:
            z: (n, latent).

        Returns:
            (x̂, logit), each (n, c, h, w), float32 or wider.

        Raises:
            ValueError: a z of another length.
        """
        if z.ndim != 2 or z.shape[1] != self.latent:
            raise ValueError(f"This model takes z of shape (n, {self.latent}), not {tuple(z.shape)}.")
        return self._image(at_least_float32(self.decoder(self._real(z))).contiguous())

    def _image(self, output: Tensor) -> Decoded:
        """What the decoder's last layer says."""
        return Decoded(torch.tanh(output), output)

    def forward(self, x: Tensor) -> Decoded:
        """Reconstructs images from the posterior mean z = μ."""
        return self.decode(self.encode(x)[0])


def at_least_float32(x: Tensor) -> Tensor:
    """Bfloat16 as float32; what is wider stays."""
    return x if x.dtype == torch.float64 else x.float()
