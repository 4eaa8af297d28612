"""What is measured on images in [0, 1], one metric a file, pure functions of tensors (n, c, h, w).

Metrics of single images give a tensor (n,), to be averaged over images; distances between sets give a number. The paper
behind a metric and the choices that its value depends on stand in its own description.
"""

from blurvae.metrics.active_units import active_units
from blurvae.metrics.batches import over_batches
from blurvae.metrics.blur_percentage import blur_percentage, sharpness
from blurvae.metrics.evaluate import NAMES, Entry, attempt, evaluate, evaluate_each, names, summary
from blurvae.metrics.frechet import FEATURES, Statistics, frechet_distance, gaussian_distance, label, statistics
from blurvae.metrics.high_frequency import high_frequency_energy, high_frequency_ratio
from blurvae.metrics.lattice import lattice_excess
from blurvae.metrics.lpips import lpips
from blurvae.metrics.psnr import psnr
from blurvae.metrics.spectrum import log_spectrum_distance, mean_log_spectrum
from blurvae.metrics.ssim import ssim, ssim_map

__all__ = [
    "FEATURES",
    "NAMES",
    "Entry",
    "Statistics",
    "active_units",
    "attempt",
    "blur_percentage",
    "evaluate",
    "evaluate_each",
    "frechet_distance",
    "gaussian_distance",
    "high_frequency_energy",
    "high_frequency_ratio",
    "label",
    "lattice_excess",
    "log_spectrum_distance",
    "lpips",
    "mean_log_spectrum",
    "names",
    "over_batches",
    "psnr",
    "sharpness",
    "ssim",
    "ssim_map",
    "statistics",
    "summary",
]
