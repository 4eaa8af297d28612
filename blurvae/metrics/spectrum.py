"""The mean log spectrum of a set of images, and the distance between two (the paper's Fig. 6)."""

from __future__ import annotations

import torch
from torch import Tensor

from blurvae.blur import hermitian_weights, power_spectrum
from blurvae.metrics import _check

FLOOR = 1e-8  # added to |F| before the logarithm
LUMA = (0.299, 0.587, 0.114)  # Rec. 601


def mean_log_spectrum(x: Tensor) -> Tensor:  # (h, w//2+1)
    """The mean over images of ln(|F(luma)| + 1e-8), orthonormal DFT.

    Args:
        x: (n, c, h, w), c = 1 (grey) or 3 (RGB, whose Rec.-601 luma is taken), on [0, 1].

    Returns:
        (h, w//2+1), the half spectrum, frequency 0 first.

    Raises:
        ValueError: neither 1 nor 3 channels, values outside [0, 1], NaN.
    """
    _check.images(x)
    if x.shape[1] not in (1, 3):
        raise ValueError(f"A luma is defined for grey (1) and RGB (3) images, not for {x.shape[1]} channels.")
    luma = x.new_tensor(LUMA if x.shape[1] == 3 else (1.0,))
    total = x.new_zeros(x.shape[-2], x.shape[-1] // 2 + 1)
    for batch in x.split(_check.batch_size(x)):
        grey = torch.einsum("nchw,c->nhw", batch, luma)
        total = total + torch.log(power_spectrum(grey).sqrt() + FLOOR).sum(0)
    return total / len(x)


def log_spectrum_distance(a: Tensor, b: Tensor) -> float:
    """Mean absolute difference of the mean log spectra of two sets, each frequency of the full spectrum counted once.

    Args:
        a: (n, c, h, w), images on [0, 1].
        b: (m, c, h, w), images of the same shape; m may differ from n.

    Returns:
        The distance in nats (.1 is about 10 % of amplitude); 0 for equal sets.

    Raises:
        ValueError: images of two shapes, neither 1 nor 3 channels, values outside [0, 1], NaN.
    """
    _check.images(a, "a")
    _check.images(b, "b")
    _check.same_kind(a.shape[1:], b.shape[1:])
    weights = hermitian_weights((a.shape[-2], a.shape[-1]), dtype=a.dtype, device=a.device)
    difference = (mean_log_spectrum(a) - mean_log_spectrum(b)).abs()
    return ((difference * weights).sum() / weights.sum()).item()
