"""The linear variational autoencoder in closed form: what a network of squared error has to beat at its rate."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from blurvae.models.coder import Coder, Decoded


class LinearVAE(NamedTuple):
    """Principal components of training images; β decides how much of each is kept.

    Attributes:
        mean: (c, h, w), the mean image.
        basis: (c·h·w, m), orthonormal columns, the strongest component first.
        variance: (m,), λ of each component on the training images.
    """

    mean: Tensor
    basis: Tensor
    variance: Tensor


def fit_linear_vae(x: Tensor, latent: int) -> LinearVAE:
    """The optimal linear encoder and decoder of squared error, for every β at once (Lucas et al. 2019; chapter 4).

    Args:
        x: (n, c, h, w), n ≥ 2, training images.
        latent: length of z; no more components are kept, nor more than n − 1.

    Raises:
        ValueError: fewer than two images, or a latent below 1.
    """
    if len(x) < 2 or latent < 1:
        raise ValueError(f"A linear model takes at least 2 images and a latent of at least 1, not {len(x)}, {latent}.")
    mean = x.double().mean(0)
    centred = (x.double() - mean).flatten(1)  # (n, d)
    n, d = centred.shape
    if n <= d:  # the n×n matrix of scalar products has the same non-zero eigenvalues, and is the smaller one
        variance, v = torch.linalg.eigh(centred @ centred.T / n)
    else:
        variance, v = torch.linalg.eigh(centred.T @ centred / n)
    kept = min(latent, d, n - 1)
    variance, v = variance.flip(0)[:kept], v.flip(1)[:, :kept]
    basis = torch.linalg.qr(centred.T @ v).Q if n <= d else v
    return LinearVAE(mean, basis, variance)


def linear_vae(model: LinearVAE, x: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """What the model of ½‖x − x̂‖² + β·KL sends and shows (the water-filling theorem of chapter 4).

    Args:
        model: of `fit_linear_vae`.
        x: (n, c, h, w), images.
        beta: β > 0; components with λ ≤ β are not sent.

    Returns:
        (x_hat, kl): reconstructions from z = μ (n, c, h, w), and the KL term of each image (n,) in nats.

    Raises:
        ValueError: β that is not positive.
    """
    if not beta > 0:
        raise ValueError(f"β must be positive, not {beta}.")
    kept = model.variance > beta
    basis, variance = model.basis[:, kept], model.variance[kept]
    score = (x.double() - model.mean).flatten(1) @ basis  # (n, kept)
    share = beta / variance  # s², the variance of q along a component
    x_hat = model.mean + (score * (1 - share) @ basis.T).view_as(x)
    kl = 0.5 * (score.square() / variance * (1 - share) + share - 1 - share.log()).sum(1)
    return x_hat.to(x.dtype), kl


class LinearCoder(Coder):
    """The same model as an autoencoder with a Gaussian code: what measures networks can measure it.

    Its code has as many dimensions as the model has components, each of variance 1 under the prior; those that are not
    sent hold the prior. It has no parameters. Images leave it as they are, outside [−1, 1] too.

    Args:
        model: of `fit_linear_vae`.
        beta: β > 0.

    Raises:
        ValueError: β that is not positive.
    """

    def __init__(self, model: LinearVAE, beta: float) -> None:
        if not beta > 0:
            raise ValueError(f"β must be positive, not {beta}.")
        c, h, w = model.mean.shape
        super().__init__(nn.Sequential(), nn.Sequential(), (c, h, w), len(model.variance))
        share = (beta / model.variance).clamp(max=1)
        self.mean: Tensor
        self.coded: Tensor
        self.shown: Tensor
        self.log_var: Tensor
        for name, values in {
            "mean": model.mean,
            "coded": model.basis * ((1 - share) / model.variance).sqrt(),
            "shown": model.basis * ((1 - share) * model.variance).sqrt(),
            "log_var": share.log(),
        }.items():
            self.register_buffer(name, values)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `Coder.encode`; computed in float64."""
        mu = (x.double() - self.mean).flatten(1) @ self.coded
        return mu.to(x.dtype), self.log_var.expand_as(mu).to(x.dtype)

    def decode(self, z: Tensor) -> Decoded:
        """See `Coder.decode`; the logit is that of an image clamped to [−1, 1]."""
        x_hat = (self.mean + (z.double() @ self.shown.T).unflatten(1, self.image_shape)).to(z.dtype)
        limit = 1 - torch.finfo(z.dtype).eps
        return Decoded(x_hat, x_hat.clamp(-limit, limit).atanh())
