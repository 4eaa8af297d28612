"""What is measured on images in [0, 1], one metric a file, pure functions of tensors (n, c, h, w).

Metrics of single images give a tensor (n,), to be averaged over images; distances between sets give a number. The paper
behind a metric and the choices that its value depends on stand in its own description.
"""

from blurvae.metrics.active_units import active_units
from blurvae.metrics.batches import over_batches
from blurvae.metrics.blur_percentage import blur_percentage, sharpness
from blurvae.metrics.class_entropies import ClassEntropies, class_entropies
from blurvae.metrics.coverage import Coverage, coverage, expected_kinds
from blurvae.metrics.evaluate import NAMES, Entry, attempt, evaluate, evaluate_each, names, summary
from blurvae.metrics.features import FEATURES, embed, embed_pair, label, principal_components
from blurvae.metrics.frechet import Statistics, frechet_distance, gaussian_distance, statistics
from blurvae.metrics.high_frequency import high_frequency_energy, high_frequency_ratio
from blurvae.metrics.knn import Neighbours, knn_precision_recall
from blurvae.metrics.lattice import lattice_excess
from blurvae.metrics.lpips import lpips
from blurvae.metrics.prd import PRD, prd
from blurvae.metrics.prd_curve import PRDCurve, attainable, f_beta, f_pair, prd_curve
from blurvae.metrics.psnr import psnr
from blurvae.metrics.spectrum import log_spectrum_distance, mean_log_spectrum
from blurvae.metrics.ssim import ssim, ssim_map

__all__ = [
    "FEATURES",
    "NAMES",
    "PRD",
    "ClassEntropies",
    "Coverage",
    "Entry",
    "Neighbours",
    "PRDCurve",
    "Statistics",
    "active_units",
    "attainable",
    "attempt",
    "blur_percentage",
    "class_entropies",
    "coverage",
    "embed",
    "embed_pair",
    "evaluate",
    "evaluate_each",
    "expected_kinds",
    "f_beta",
    "f_pair",
    "frechet_distance",
    "gaussian_distance",
    "high_frequency_energy",
    "high_frequency_ratio",
    "knn_precision_recall",
    "label",
    "lattice_excess",
    "log_spectrum_distance",
    "lpips",
    "mean_log_spectrum",
    "names",
    "over_batches",
    "prd",
    "prd_curve",
    "principal_components",
    "psnr",
    "sharpness",
    "ssim",
    "ssim_map",
    "statistics",
    "summary",
]
