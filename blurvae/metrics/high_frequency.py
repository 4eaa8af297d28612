"""How much of the fine detail a reconstruction keeps."""

from __future__ import annotations

import torch
from torch import Tensor

from blurvae.blur import hermitian_weights, power_spectrum, radial_frequency
from blurvae.metrics import _check

CUTOFF = 0.25  # cycles/px, half of the highest frequency along an axis


def high_frequency_energy(x: Tensor) -> Tensor:  # (n,)
    """Σ|F(x)|² of each image over the frequencies above ¼ cycles/px, the full spectrum, all channels.

    Args:
        x: (n, c, h, w), on [0, 1].

    Returns:
        (n,), in the squared units of the pixels (orthonormal DFT, so that all frequencies would give Σx²).

    Raises:
        ValueError: wrong shape, values outside [0, 1], NaN.
    """
    _check.images(x)
    shape = (x.shape[-2], x.shape[-1])
    weights = hermitian_weights(shape, dtype=x.dtype, device=x.device)
    weights = weights * (radial_frequency(shape, dtype=x.dtype, device=x.device) > CUTOFF)
    return torch.cat([(power_spectrum(batch) * weights).sum((1, 2, 3)) for batch in x.split(_check.batch_size(x))])


def high_frequency_ratio(x_hat: Tensor, x: Tensor) -> float:
    """Σ|F(x̂)|² / Σ|F(x)|² over the frequencies above ¼ cycles/px, both sums over the whole set.

    Below 1: detail is lost (blur); 1: as much as in the data, though not necessarily the right one; above 1: noise. A
    ratio of sums, which images without detail cannot upset; for the spread over images divide `high_frequency_energy`.

    Args:
        x_hat: (n, c, h, w), reconstructions on [0, 1].
        x: (n, c, h, w), what they reconstruct.

    Returns:
        The ratio, ≥ 0.

    Raises:
        ValueError: shapes that differ, values outside [0, 1], NaN, or `x` without any such detail.
    """
    _check.pair(x_hat, x, ("x_hat", "x"))
    numerator, denominator = (high_frequency_energy(v).double().sum().item() for v in (x_hat, x))
    # What the FFT of constant images leaves behind is rounding, not detail to be compared with.
    if denominator <= x.numel() * torch.finfo(x.dtype).eps ** 2:
        raise ValueError(f"x has no energy above {CUTOFF} cycles/px (constant images?), so there is no ratio to it.")
    return numerator / denominator
