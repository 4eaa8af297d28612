"""The figures of the experiments, made from recorded runs, for chapters and for `blurvae figure NAME`."""

from blurvae.pages.figures.autoencoders import densities, neighbours, over_components, over_methods
from blurvae.pages.figures.chosen import at_one_rate, choices
from blurvae.pages.figures.clips import over_blur, over_frames, over_starts, profiles
from blurvae.pages.figures.enlarged import enlargements, residuals
from blurvae.pages.figures.ex_post import (
    distances,
    distances_on,
    or_not_run,
    pairs_on,
    panels,
    precision_recall,
    term_ratios,
)
from blurvae.pages.figures.frequencies import error_spectra, radial_spectra, spectra
from blurvae.pages.figures.health import failures, health
from blurvae.pages.figures.lengths import over_training
from blurvae.pages.figures.lines import RATE_PANELS, curves, determinants, kernel_widths, rate_curves
from blurvae.pages.figures.local_fourier import swapped_energy, window_panels
from blurvae.pages.figures.looks import BLUE, GREEN, LOOKS, VERMILION, looks
from blurvae.pages.figures.named import FIGURES, SHOWN, write
from blurvae.pages.figures.pictures import interpolations, kernel_snapshots, over_seeds, reconstructions, samples
from blurvae.pages.figures.plane import all_models, model_plane, models
from blurvae.pages.figures.seeds import seed_lines, seed_marks
from blurvae.pages.figures.tempered import failures_of_points, film, film_of_images, lens_changes, point_picture

__all__ = [
    "BLUE",
    "FIGURES",
    "GREEN",
    "LOOKS",
    "RATE_PANELS",
    "SHOWN",
    "VERMILION",
    "all_models",
    "at_one_rate",
    "choices",
    "curves",
    "densities",
    "determinants",
    "distances",
    "distances_on",
    "enlargements",
    "error_spectra",
    "failures",
    "failures_of_points",
    "film",
    "film_of_images",
    "health",
    "interpolations",
    "kernel_snapshots",
    "kernel_widths",
    "lens_changes",
    "looks",
    "model_plane",
    "models",
    "neighbours",
    "or_not_run",
    "over_blur",
    "over_components",
    "over_frames",
    "over_methods",
    "over_seeds",
    "over_starts",
    "over_training",
    "pairs_on",
    "panels",
    "point_picture",
    "precision_recall",
    "profiles",
    "radial_spectra",
    "rate_curves",
    "reconstructions",
    "residuals",
    "samples",
    "seed_lines",
    "seed_marks",
    "spectra",
    "swapped_energy",
    "term_ratios",
    "window_panels",
    "write",
]
