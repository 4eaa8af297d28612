"""The linear variational autoencoder of stationary images: every Fourier mode by itself, in closed form (chapter 4)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from blurvae.blur import fourier, hermitian_weights, inverse_fourier, power_spectrum


class ModeVAE(NamedTuple):
    """What is known of the images, in float64: mean colour, principal axes of the colours, a spectrum on each axis.

    Attributes:
        mean: (1, c, 1, 1).
        colours: (c, c), orthonormal columns, the strongest axis last.
        spectrum: (c, h, w//2+1), S, the variance λ of each mode, on the half spectrum.
        shape: (h, w) of the images.
    """

    mean: Tensor
    colours: Tensor
    spectrum: Tensor
    shape: tuple[int, int]


class Coded(NamedTuple):
    """What the model makes of images.

    Attributes:
        x_hat: (n, c, h, w), reconstructions from z = μ.
        kl: (n,), the KL term of each image in nats.
        noise: what a sampled z adds to the squared error of an image, in the mean.
    """

    x_hat: Tensor
    kl: Tensor
    noise: Tensor


def fit_mode_vae(x: Tensor) -> ModeVAE:
    """Measures mean colour, colour axes and spectra of images (n, c, h, w)."""
    x = x.double()  # float32 loses the fourth digit in sums over so many pixels
    mean = x.mean((0, 2, 3), keepdim=True)
    colours = torch.linalg.eigh(torch.einsum("nchw,ndhw->cd", x - mean, x - mean)).eigenvectors
    spectrum = power_spectrum(_rotate(x - mean, colours)).mean(0)
    return ModeVAE(mean, colours, spectrum, (x.shape[-2], x.shape[-1]))


def kept_modes(model: ModeVAE, beta: float, latent: int | None = None) -> Tensor:
    """The variances λ of the modes that are sent, the largest first.

    Args:
        model: of `fit_mode_vae`.
        beta: the price of a nat; a mode with λ ≤ β is not sent.
        latent: length of z, at least 1; as many as there are modes where None.

    Raises:
        ValueError: β that is not positive, or a latent below 1.
    """
    modes = _modes(model)
    return modes[modes > _floor(modes, beta, latent)]


def mode_vae(model: ModeVAE, x: Tensor, beta: float, latent: int | None = None) -> Coded:
    """Codes and decodes images as the optimum of ½‖x − x̂‖² + β·KL does, mode by mode.

    Args:
        model: of `fit_mode_vae`.
        x: (n, c, h, w).
        beta: the price of a nat; a mode with λ ≤ β is not sent.
        latent: length of z, at least 1; as many as there are modes where None.

    Raises:
        ValueError: as in `kept_modes`.
    """
    S = model.spectrum
    sent = S > _floor(_modes(model), beta, latent)
    gain = torch.where(sent, 1 - beta / S, 0)
    amplitude = fourier(_rotate(x.double() - model.mean, model.colours))
    x_hat = _rotate(inverse_fourier(amplitude * gain, model.shape), model.colours.T) + model.mean
    # q = N(μ, s²) for each mode, with μ² = (1 − s²) · power / λ and s² = β / λ.
    s2 = torch.where(sent, beta / S, 1)
    mu2 = gain * amplitude.abs().square() / S
    nats = 0.5 * (mu2 + s2 - 1 - s2.log())
    weights = hermitian_weights(model.shape)
    kl, noise = (weights * nats).sum((1, 2, 3)), (weights * beta * gain).sum()
    return Coded(x_hat.to(x.dtype), kl, noise)


def _rotate(x: Tensor, colours: Tensor) -> Tensor:
    return torch.einsum("nchw,cd->ndhw", x, colours)


def _modes(model: ModeVAE) -> Tensor:
    """λ of every mode of the full spectrum, the largest first."""
    counted = hermitian_weights(model.shape).expand_as(model.spectrum).flatten().int()
    return torch.repeat_interleave(model.spectrum.flatten(), counted).sort(descending=True).values


def _floor(modes: Tensor, beta: float, latent: int | None) -> float:
    if not beta > 0 or (latent is not None and latent < 1):
        raise ValueError(f"β must be positive and a latent at least 1, not {beta} and {latent}.")
    if latent is None or latent >= len(modes):
        return beta
    # The strongest mode that finds no room; of two modes ±ω, equal but for rounding, both stay out.
    return max(beta, (1 + 1e-4) * modes[latent].item())
