"""Wiener deconvolution and the weight that the main paper takes from it (Bredell et al. 2023, eq. 1, 4 to 7)."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor

from blurvae.blur.fourier import channels, check_images, fourier, inverse_fourier, otf
from blurvae.blur.spectra import power_spectrum


def check_C(C: float | Tensor) -> None:
    """Raises ValueError for a constant that is negative or not finite (tensors are checked by their minimum)."""
    value = float(C.detach().min()) if isinstance(C, Tensor) else C
    if not (isinstance(value, Real) and math.isfinite(value) and value >= 0):
        raise ValueError(f"Wiener's constant C is a finite number ≥ 0 (the paper takes 0.025), not {value!r}.")


def squared_gain(H: Tensor) -> Tensor:
    """|H|² without the square root of abs(), whose gradient is undefined at H = 0."""
    return H.real.square() + H.imag.square()


def nowhere_zero(denominator: Tensor) -> Tensor:
    """The denominator of a weight whose numerator is 0 wherever it is: 1 there, so that the weight is 0, not 0/0."""
    return torch.where(denominator == 0, 1.0, denominator)


def wiener_weight(otf: Tensor, C: float | Tensor) -> Tensor:
    """W = H* / (|H|² + C), eq. 1.

    Args:
        otf: H, (…, h, w//2+1), complex.
        C: the constant, ≥ 0, or one value per frequency: N(ω)/S(ω) makes the filter optimal.

    Returns:
        (…, h, w//2+1), complex. |W|² ≤ 1/(4C), reached at |H| = √C; W(0) = 1/(1+C) for a kernel of sum 1; W → 0, not
        ∞, where H → 0, and W = 0 at H = 0 with C = 0 too.

    Raises:
        ValueError: a C that is negative or not finite.
    """
    check_C(C)
    return otf.conj() / nowhere_zero(squared_gain(otf) + C)


def wiener_deconvolve(image: Tensor, kernel: Tensor, C: float | Tensor) -> Tensor:
    """Sharpens images that a kernel has blurred: F⁻¹(W · F(image)), eq. 1.

    It minimises ‖k * x − image‖² + C ‖x‖² over x; with C(ω) = N(ω)/S(ω) it is the linear estimate of least mean
    squared error for noise spectrum N and signal spectrum S.

    Args:
        image: (n, c, h, w), blurred.
        kernel: (K, K) or (n, K, K).
        C: ≥ 0, a number or one per frequency, (h, w//2+1).

    Returns:
        (n, c, h, w).

    Raises:
        ValueError: a C that is negative or not finite, a kernel that does not fit, or a number of kernels that is not
            the number of images.
    """
    check_images(image, kernel)
    shape = (image.shape[-2], image.shape[-1])
    W = wiener_weight(otf(kernel, shape), C)
    return inverse_fourier(channels(W) * fourier(image), shape)


def blur_error_spectrum(image: Tensor, kernel: Tensor) -> Tensor:
    """The error that blur alone makes, at each frequency: |F(x)|² |1 − H|², eq. 4.

    Args:
        image: (n, c, h, w), sharp.
        kernel: (K, K) or (n, K, K).

    Returns:
        (n, c, h, w//2+1), ≥ 0, 0 at frequency 0 for a kernel of sum 1.
    """
    check_images(image, kernel)
    H = otf(kernel, (image.shape[-2], image.shape[-1]))
    return power_spectrum(image) * channels(squared_gain(torch.ones_like(H) - H))
