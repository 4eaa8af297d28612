"""The mathematics of blur: pure, differentiable functions of tensors in float32 and float64.

Images are `(n, c, h, w)`, kernels `(K, K)` or one per image `(n, K, K)` with K odd and K ≤ min(h, w), spectra the half
spectrum `(…, h, w//2+1)` of a real image. Images are transformed with the orthonormal DFT (Parseval without factors);
the optical transfer function H of a kernel with the un-normalised one, so that H(0) = Σk.
"""

from blurvae.blur.circulant import block_circulant, log_abs_det, proper_log_det, wiener_log_det
from blurvae.blur.diffusion import diffused, scattered, taps
from blurvae.blur.fourier import circular_convolve, fourier, hermitian_weights, inverse_fourier, otf
from blurvae.blur.kernels import delta_kernel, disk_kernel, gaussian_kernel, kernel_width, motion_kernel, named_kernel
from blurvae.blur.least_squares import normal_equations, simplex_kernels
from blurvae.blur.photograph import automatic_C, continued, deblur, tile_spectrum
from blurvae.blur.scenes import (
    alias_system,
    best_estimate,
    fold,
    least_error,
    observe,
    phases,
    shift_and_add,
    unfold,
)
from blurvae.blur.spectra import (
    fit_power_law,
    match_high_energy,
    power_spectrum,
    radial_average,
    radial_frequency,
    strongest_waves,
    windowed,
)
from blurvae.blur.wiener import blur_error_spectrum, squared_gain, wiener_deconvolve, wiener_weight

__all__ = [
    "alias_system",
    "automatic_C",
    "best_estimate",
    "block_circulant",
    "blur_error_spectrum",
    "circular_convolve",
    "continued",
    "deblur",
    "delta_kernel",
    "diffused",
    "disk_kernel",
    "fit_power_law",
    "fold",
    "fourier",
    "gaussian_kernel",
    "hermitian_weights",
    "inverse_fourier",
    "kernel_width",
    "least_error",
    "log_abs_det",
    "match_high_energy",
    "motion_kernel",
    "named_kernel",
    "normal_equations",
    "observe",
    "otf",
    "phases",
    "power_spectrum",
    "proper_log_det",
    "radial_average",
    "radial_frequency",
    "scattered",
    "shift_and_add",
    "simplex_kernels",
    "squared_gain",
    "strongest_waves",
    "taps",
    "tile_spectrum",
    "unfold",
    "wiener_deconvolve",
    "wiener_log_det",
    "wiener_weight",
    "windowed",
]
