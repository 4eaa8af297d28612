"""How far a mean log spectrum stands out on a regular lattice of frequencies, as a decoder's copies do (chapter 16)."""

from __future__ import annotations

import torch
from torch import Tensor

from blurvae.blur import hermitian_weights


def lattice_excess(log_spectrum: Tensor, period: int = 8) -> float:
    """The mean over a lattice of how much the log amplitude exceeds that of its eight neighbours.

    Args:
        log_spectrum: (h, w//2+1), the half spectrum of images with even sides, such as `mean_log_spectrum` gives.
        period: px; the lattice are the multiples of 1/period cycles/px in both directions, without zero.

    Returns:
        In nats: 0 where the spectrum is smooth, 1 where amplitudes stand out by a factor of e.

    Raises:
        ValueError: sides that the period does not divide.

    Example:
        >>> flat = torch.zeros(16, 9)
        >>> flat[::2, ::2] = 1.0  # multiples of 1/8 cycles/px on a grid of 16
        >>> lattice_excess(flat)
        1.0
    """
    h, w = log_spectrum.shape[0], 2 * (log_spectrum.shape[1] - 1)
    if h % period or w % period:
        raise ValueError(f"A lattice of period {period} px takes sides that {period} divides, not {h}×{w} px.")
    turned = -torch.arange(h) % h  # the other half of a real image's spectrum is this one, turned by 180°
    before, after = log_spectrum[turned, 1:2], log_spectrum[turned, -2:-1]
    wide = torch.cat([before, log_spectrum, after], 1)  # (h, w//2+3)
    tall = wide.roll(1, 0) + wide + wide.roll(-1, 0)
    around = tall[:, :-2] + tall[:, 1:-1] + tall[:, 2:] - log_spectrum
    excess = (log_spectrum - around / 8)[:: h // period, :: w // period]
    weights = hermitian_weights((period, period), dtype=excess.dtype, device=excess.device).clone()
    weights[0, 0] = 0
    return ((excess * weights).sum() / weights.sum()).item()
