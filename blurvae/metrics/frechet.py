"""Fréchet distance between the features of two sets of images.

Dowson and Landau, "The Fréchet distance between multivariate normal distributions", Journal of Multivariate Analysis 12
(1982); on Inception features: Heusel, Ramsauer, Unterthiner, Nessler and Hochreiter, "GANs trained by a two time-scale
update rule converge to a local Nash equilibrium", NeurIPS 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from blurvae.metrics import _check
from blurvae.metrics.features import embedded, extractor


@dataclass(frozen=True)
class Statistics:
    """The Gaussian fitted to the features of a set of images; compute it once to compare several sets with one."""

    features: str  # the extractor's name
    n: int  # images
    shape: tuple[int, ...]  # (c, h, w) of the images
    mean: Tensor  # (d,), float64 on the CPU
    covariance: Tensor  # (d, d), unbiased, float64 on the CPU

    @cached_property
    def factor(self) -> Tensor:
        """A with AAᵀ = Σ, (d, rank): it takes most of the time of a distance, and several distances share a set."""
        return _factor(self.covariance)


def statistics(images: Tensor, features: str = "squeeze", batch_size: int | None = None) -> Statistics:
    """Mean and covariance of the features of a set of images.

    Args:
        images: (n, c, h, w), c = 1 or 3, on [0, 1], n ≥ 2.
        features: a name of `FEATURES`; see `frechet_distance`.
        batch_size: images at a time; None chooses by their size.

    Raises:
        ValueError: fewer than two or too small images, values outside [0, 1], NaN, an unknown extractor.
        MissingWeights: the extractor's package or weights are absent.
    """
    extractor(features)  # refuses an unknown one
    _check.images(images)
    n = len(images)
    if n < 2:
        raise ValueError("A Fréchet distance needs at least 2 images in each set for a covariance, not 1.")
    count, mean, scatter = 0, torch.zeros(()), torch.zeros(())
    for batch in embedded(images, features, batch_size):
        f = batch.cpu().double()
        m = len(f)
        # Pooled from the batches' own means, so that no large squares are subtracted from one another.
        shift = f.mean(0) - mean
        centred = f - f.mean(0)
        scatter = scatter + centred.T @ centred + torch.outer(shift, shift) * (count * m / (count + m))
        mean = mean + shift * (m / (count + m))
        count += m
    return Statistics(features, n, tuple(images.shape[1:]), mean, scatter / (n - 1))


def frechet_distance(
    a: Tensor | Statistics, b: Tensor | Statistics, features: str = "squeeze", batch_size: int | None = None
) -> float:
    """Fréchet distance between Gaussians fitted to the features of two sets: |μa − μb|² + Tr(Σa + Σb − 2(ΣaΣb)^½).

    Each extractor has a name under which its distance is reported, since values of different ones cannot be compared:
    see `metrics.features`.

    The value falls with the number of images: compare sets of one size. With fewer images than features the covariances
    are singular, which is allowed here, and the value is mostly bias.

    Args:
        a: (n, c, h, w), c = 1 or 3 (grey is repeated), on [0, 1], n ≥ 2; or its `Statistics`.
        b: (m, c, h, w), m ≥ 2; or its `Statistics`.
        features: a name of `FEATURES`.
        batch_size: images at a time; None chooses by their size.

    Returns:
        The distance, ≥ 0 and symmetric; 0 for equal sets.

    Raises:
        ValueError: fewer than two images, images of two shapes, values outside [0, 1], NaN, an unknown extractor.
        MissingWeights: the extractor's package or weights are absent.
    """
    extractor(features)
    for s, name in ((a, "a"), (b, "b")):
        if not isinstance(s, Statistics):
            _check.images(s, name)
        elif s.features != features:
            raise ValueError(f"{name} holds statistics of the features {s.features!r}, not of {features!r}.")
    shape_a, shape_b = (s.shape[1:] if isinstance(s, Tensor) else s.shape for s in (a, b))
    _check.same_kind(shape_a, shape_b)
    a, b = (statistics(s, features, batch_size) if isinstance(s, Tensor) else s for s in (a, b))
    return _distance(a.mean, a.factor, b.mean, b.factor)


def gaussian_distance(mean_a: Tensor, covariance_a: Tensor, mean_b: Tensor, covariance_b: Tensor) -> float:
    """Squared Fréchet (2-Wasserstein) distance of two Gaussians, whose covariances may be singular.

    With factors Σa = AAᵀ and Σb = BBᵀ from the symmetric eigendecomposition, Tr (Σa^½ Σb Σa^½)^½ is the sum of the
    singular values of AᵀB. Their rounding is 1e-16 of the largest of them; roots of the eigenvalues of the product
    would blow each zero up to 1e-8 of it, and the distance of a set from itself would not be 0.

    Args:
        mean_a: (d,), float64.
        covariance_a: (d, d), symmetric, positive semi-definite.
        mean_b: (d,).
        covariance_b: (d, d).

    Returns:
        The squared distance, ≥ 0.
    """
    return _distance(mean_a, _factor(covariance_a), mean_b, _factor(covariance_b))


def _distance(mean_a: Tensor, factor_a: Tensor, mean_b: Tensor, factor_b: Tensor) -> float:
    cross = torch.linalg.svdvals(factor_a.T @ factor_b).sum()
    distance = (mean_a - mean_b).square().sum() + factor_a.square().sum() + factor_b.square().sum() - 2 * cross
    return max(0.0, distance.item())


def _factor(covariance: Tensor) -> Tensor:  # (d, rank)
    """A with AAᵀ = Σ, without the directions whose variance is rounding."""
    # For such a matrix the two decompositions are one, and MKL's eigh does not converge on some singular ones.
    direction, variance, _ = torch.linalg.svd(covariance)
    real = variance > len(variance) * torch.finfo(variance.dtype).eps * variance[0]
    return direction[:, real] * variance[real].sqrt()
