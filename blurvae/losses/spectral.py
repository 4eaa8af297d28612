"""The Gaussian likelihood whose covariance is stationary, learned and the same for all images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from blurvae.blur import fourier, hermitian_weights, squared_gain
from blurvae.losses.base import LOG_2PI, Term, check_pair, image_shape, per_image
from blurvae.models.spectrum import Spectrum

Spectra = Literal["flat", "shared", "colours"]


def colour_axes(channels: int, like: Tensor) -> Tensor:
    """The orthonormal rows (c, c) of the DCT-II of the channels: for RGB grey, red against blue, green against both.

    They are about the principal axes of natural colours (Ruderman, Cronin and Chiao 1998), and fixed in advance.

    Args:
        channels: c.
        like: a tensor of the type and the device that the axes shall have.
    """
    place = torch.arange(channels, dtype=like.dtype, device=like.device)
    rows = torch.cos(math.pi / channels * (place + 0.5) * place[:, None])
    return rows * (place.clamp(max=1) + 1)[:, None].div(channels).sqrt()


@dataclass(frozen=True)
class Spectral(Term):
    """½ Σ_ω (log v(ω) + |F(e)(ω)|²/v(ω)), e = x − x̂: −log N(x; x̂, F* diag(v) F) without D/2·log 2π.

    Σ is circulant: the DFT diagonalises it and its determinant is exact. v is learned with θ and φ by the same
    objective, at a learning rate of its own (`BlurVAE.spectrum_lr`); nothing makes it depend on the image. Where the
    objective is least in v, v(ω) is the mean power of the errors at ω: the weight of a frequency is one over the power
    of its error. With one variance for all frequencies it is the calibrated decoder of Rybkin, Daniilidis and Levine,
    "Simple and effective VAE training with calibrated decoders" (ICML 2021). Called by itself the term has v = 1, where
    it is L2; `given` binds what is learned.

    Attributes:
        spectra: "flat", one σ² for all; "shared", one spectrum for all channels; "colours", one for each of the axes
            of `colour_axes`.

    Raises:
        ValueError: another kind of spectra.
    """

    name: ClassVar[str] = "spectral"
    is_likelihood: ClassVar[bool] = True
    learns: ClassVar[bool] = True
    spectra: Spectra = "colours"

    def __post_init__(self) -> None:
        if self.spectra not in get_args(Spectra):
            raise ValueError(
                f"spectra of {self.name!r} is one of {', '.join(get_args(Spectra))}, not {self.spectra!r}."
            )

    def network(self, shape: tuple[int, ...]) -> Spectrum:
        """See `Term.network`."""
        c, h, w = shape
        return Spectrum(c if self.spectra == "colours" else 1, (h, w), flat=self.spectra == "flat")

    def given(self, network: nn.Module | None) -> Term:
        """See `Term.given`."""
        if not isinstance(network, Spectrum):
            raise ValueError(f"The term {self.name!r} has learned a spectrum: pass it, as the system 'vae' does.")
        return Given(self, network)

    def power(self, error: Tensor) -> Tensor:
        """|F(e)|² of errors (n, c, h, w) along the axes that have spectra of their own, (n, c, h, w//2+1)."""
        if self.spectra == "colours":
            error = torch.einsum("dc,nchw->ndhw", colour_axes(error.shape[1], error), error)
        return squared_gain(fourier(error))

    def best(self, power: Tensor, shape: tuple[int, int]) -> Tensor:
        """Log v at which the mean of the term over some errors is least.

        Args:
            power: (c, h, w//2+1), the mean over the errors of what `power` returns.
            shape: (h, w) of the images.

        Returns:
            (c, h, w//2+1), or (1, h, w//2+1) where the axes share a spectrum, constant where it is flat.
        """
        if self.spectra == "colours":
            return power.log()
        shared = power.mean(0, keepdim=True)
        if self.spectra == "flat":
            counted = hermitian_weights(shape, dtype=power.dtype, device=power.device)
            shared = ((counted * shared).sum() / math.prod(shape)).expand_as(shared)
        return shared.log()

    def at(self, x: Tensor, x_hat: Tensor, log_variance: Tensor) -> Tensor:
        """The term at a spectrum, (n,), in nats per image.

        Args:
            x: (n, c, h, w).
            x_hat: (n, c, h, w).
            log_variance: (c or 1, h, w//2+1), log v with v(ω) = v(−ω).
        """
        check_pair(x, x_hat)
        counted = hermitian_weights(image_shape(x), dtype=x.dtype, device=x.device)
        return 0.5 * per_image(counted * (log_variance + self.power(x - x_hat) * torch.exp(-log_variance)))

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), nats per image, at v = 1."""
        return self.at(x, x_hat, x.new_zeros(()))

    def log_normaliser(self, shape: tuple[int, int, int]) -> float:
        """D/2·log 2π; the log-determinant is in the term already, since it is learned."""
        return math.prod(shape) / 2 * LOG_2PI


@dataclass(frozen=True)
class Given(Term):
    """`Spectral` with the spectrum that it has learned.

    Attributes:
        term: the term.
        spectrum: of `Spectral.network`.
    """

    name: ClassVar[str] = Spectral.name
    is_likelihood: ClassVar[bool] = True
    term: Spectral
    spectrum: Spectrum

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), nats per image; it can be negative, being −log of a density."""
        return self.term.at(x, x_hat, self.spectrum())

    def log_normaliser(self, shape: tuple[int, int, int]) -> float:
        """See `Spectral.log_normaliser`."""
        return self.term.log_normaliser(shape)
