"""The Gaussian likelihood of errors once its covariance is fitted to them: one variance, or one stationary spectrum.

Rybkin, Daniilidis and Levine, "Simple and effective VAE training with calibrated decoders", ICML 2021, fit the
variance. A stationary covariance has one for each frequency, which one DFT diagonalises: Σ = F* diag(v) F, the same for
every image, so that −log of its density has a constant determinant.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from blurvae.blur import hermitian_weights


def scalar_nats(squared_error: float, size: int) -> float:
    """The mean of −log N(e; 0, σ²I) at the best variance, σ² = squared_error/size: D/2·(log 2πσ² + 1).

    Args:
        squared_error: ‖e‖² of an image, the mean over those for which σ² is fitted.
        size: D, the values of an image.

    Returns:
        Nats per image.

    Raises:
        ValueError: no error, for which the density has no bound.
    """
    if not squared_error > 0:
        raise ValueError(f"A variance is fitted to a squared error above 0, not to {squared_error}.")
    return size / 2 * (math.log(2 * math.pi * squared_error / size) + 1)


def stationary_nats(power: Tensor, spectrum: Tensor, shape: tuple[int, int]) -> Tensor:
    """−log N(e; 0, F* diag(v) F) of one channel: ½ Σ_ω (log 2πv(ω) + |F(e)(ω)|²/v(ω)) over the full spectrum.

    Its mean over images is least where v is their mean power, and is then ½ Σ_ω (log 2πv + 1). It is linear in the
    power, so that the mean power gives the mean of −log.

    Args:
        power: (…, h, w//2+1), |F(e)|² in the orthonormal DFT, of single errors or their mean.
        spectrum: (h, w//2+1), the variances v > 0, equal at ω and −ω as any mean power of real images is.
        shape: (h, w) of the images.

    Returns:
        (…), nats per channel.

    Raises:
        ValueError: half spectra of another shape, or a variance that is not positive.
    """
    h, w = shape
    if power.shape[-2:] != (h, w // 2 + 1) or spectrum.shape != (h, w // 2 + 1):
        raise ValueError(
            f"Images of {h}×{w} px have half spectra (…, {h}, {w // 2 + 1}), but the power has {tuple(power.shape)} "
            f"and the spectrum {tuple(spectrum.shape)}."
        )
    if not (spectrum > 0).all():
        raise ValueError("Every variance of a spectrum must be above 0: average the power of more errors.")
    counted = hermitian_weights(shape, dtype=power.dtype, device=power.device)
    return (counted * (torch.log(2 * math.pi * spectrum) + power / spectrum)).sum((-2, -1)) / 2
