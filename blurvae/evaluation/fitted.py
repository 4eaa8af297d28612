"""Bounds on −log p of a trained VAE once the covariance of its errors is fitted, whatever term it was trained with."""

from __future__ import annotations

import torch
from torch import Tensor

from blurvae.datasets import ImageSet
from blurvae.evaluation.base import batches
from blurvae.losses import Spectral
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
    terms = {name: term for name, term in COVARIANCES.items() if test.shape[0] > 1 or term.spectra != "colours"}

    def errors(x: Tensor) -> tuple[Tensor, Tensor]:
        mu, log_var = vae.encode(x)
        noise = torch.randn(mu.shape, generator=generator).to(mu)
        x_hat = vae.decode(reparametrise(mu, log_var, noise=noise)).x_hat
        return (x - x_hat).double(), kl_divergence(mu, log_var)

    some = train.head(min(len(train), IMAGES))
    power = {name: torch.zeros((), dtype=torch.float64, device=device) for name in terms}
    for x in batches(some, device):
        error = errors(x)[0]
        power = {name: power[name] + term.power(error).sum(0) / len(some) for name, term in terms.items()}
    best = {name: term.best(power[name], shape) for name, term in terms.items()}
    found: dict[str, list[Tensor]] = {name: [] for name in terms}
    for x in batches(test, device):
        error, kl = errors(x)
        for name, term in terms.items():
            nats = term.at(error, torch.zeros_like(error), best[name]) + term.log_normaliser(test.shape)
            found[name].append((nats + kl).cpu())
    return {name: torch.cat(nats) for name, nats in found.items()}
