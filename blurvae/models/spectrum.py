"""The learned spectrum of a stationary covariance, for all images one: the parameters of the term `spectral`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from blurvae.blur import hermitian_weights


class Spectrum(nn.Module):
    """The logarithms of variances v(ω), which begin at log 1.

    Args:
        axes: colour axes with a spectrum of their own; 1 where they share one.
        shape: (h, w) of the images.
        flat: one variance for all frequencies.
    """

    def __init__(self, axes: int, shape: tuple[int, int], *, flat: bool = False) -> None:
        super().__init__()
        self.shape = shape
        size = (1, 1) if flat else (shape[0], shape[1] // 2 + 1)
        self.log_variance = nn.Parameter(torch.zeros(axes, *size))

    def forward(self) -> Tensor:
        """Log v on the half spectrum, (axes, h, w//2+1), with v(ω) = v(−ω), without which no covariance is real."""
        half = self.log_variance.expand(-1, self.shape[0], self.shape[1] // 2 + 1)
        opposite = half.flip(-2).roll(1, -2)
        # Both of ±ω are in the half spectrum where a frequency is counted once.
        both = hermitian_weights(self.shape, dtype=half.dtype, device=half.device) == 1
        return torch.where(both, (half + opposite) / 2, half)
