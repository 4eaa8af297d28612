"""Bounds on −log p of a trained VAE once the covariance of its errors is fitted, whatever term it was trained with."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from blurvae.datasets import ImageSet
from blurvae.evaluation.base import batches
from blurvae.losses import Spectral
from blurvae.metrics.fitted import stationary_nats
from blurvae.models import Coder, kl_divergence, reparametrise

IMAGES = 2000  # training images whose errors a covariance is fitted to, at most
COVARIANCES = {
    "−ELBO, σ² fitted": Spectral("flat"),
    "−ELBO, spectrum fitted": Spectral("shared"),
    "−ELBO, spectra of colours fitted": Spectral("colours"),
}


@torch.no_grad()
def fitted_bounds(vae: Coder, train: ImageSet, test: ImageSet, device: torch.device, seed: int) -> dict[str, Tensor]:
    """The −ELBO of N(x̂(z), Σ) with one Σ for all images, fitted in closed form to the errors of training images.

    Each is a normalised density over images, z ~ q(z|x) and β = 1: it asks how good the means of a model are, and how
    much of its bound the term's own covariance costs.

    Args:
        vae: the trained networks.
        train: of which the first 2,000 are used.
        test: the images whose bounds are returned.
        device: of the networks.
        seed: of the noise in z.

    Returns:
        By name (n,) nats per image: one variance, one spectrum, one for each axis of `losses.spectral.colour_axes`; the
        last not for grey images, for which it is the same.
    """
    generator, shape = torch.Generator().manual_seed(seed), (test.shape[1], test.shape[2])
    axes = Spectral("colours")

    def powers(images: ImageSet) -> Iterator[tuple[Tensor, Tensor]]:
        """The power of the errors of some images, (n, c, h, w//2+1), and the KL term."""
        for x in batches(images, device):
            mu, log_var = vae.encode(x)
            noise = torch.randn(mu.shape, generator=generator).to(mu)
            x_hat = vae.decode(reparametrise(mu, log_var, noise=noise)).x_hat
            yield axes.power((x - x_hat).double()), kl_divergence(mu, log_var)

    some = train.head(min(len(train), IMAGES))
    mean = sum(power.sum(0) for power, _ in powers(some)) / len(some)
    assert isinstance(mean, Tensor)  # a set of images is not empty
    # The axes are orthonormal, so that the mean power over them is that over the channels.
    variances = {
        name: term.best(mean, shape).exp().expand_as(mean)
        for name, term in COVARIANCES.items()
        if test.shape[0] > 1 or term.spectra != "colours"
    }
    found: dict[str, list[Tensor]] = {name: [] for name in variances}
    for power, kl in powers(test):
        for name, variance in variances.items():
            nats = sum(stationary_nats(power[:, d], v, shape) for d, v in enumerate(variance))
            found[name].append((nats + kl).cpu())
    return {name: torch.cat(nats) for name, nats in found.items()}
