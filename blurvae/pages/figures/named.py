"""Publication figures by name: each experiment's, on each of its data sets, written as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from blurvae import experiments
from blurvae.files import write_atomically
from blurvae.pages.figures.autoencoders import densities, neighbours, over_components, over_methods
from blurvae.pages.figures.chosen import at_one_rate, choices
from blurvae.pages.figures.clips import over_blur, over_frames, over_starts, profiles
from blurvae.pages.figures.enlarged import enlargements, residuals
from blurvae.pages.figures.ex_post import distances, precision_recall, term_ratios
from blurvae.pages.figures.frequencies import error_spectra, radial_spectra, spectra
from blurvae.pages.figures.health import failures, health
from blurvae.pages.figures.lengths import over_training
from blurvae.pages.figures.lines import curves, determinants, kernel_widths, rate_curves
from blurvae.pages.figures.local_fourier import swapped_energy
from blurvae.pages.figures.pictures import interpolations, kernel_snapshots, over_seeds, reconstructions, samples
from blurvae.pages.figures.plane import all_models
from blurvae.pages.figures.seeds import seed_lines, seed_marks
from blurvae.pages.figures.tempered import failures_of_points, film, film_of_images, lens_changes
from blurvae.pages.plotting import Grid

GRIDS = (reconstructions, samples, interpolations)
SPECTRA = (radial_spectra, error_spectra, spectra)
SHOWN: dict[str, tuple[Callable[..., Figure | Grid], ...]] = {
    "table5": (reconstructions, samples, curves, *SPECTRA),
    "table2": (*GRIDS, curves, *SPECTRA),
    "table1": (*GRIDS, curves, determinants),
    "figure2": (kernel_snapshots, kernel_widths),
    "table2_256": (reconstructions, samples, radial_spectra),
    "table3": (*GRIDS, curves, radial_spectra),
    "table4": (*GRIDS, curves, radial_spectra),
    "rate": (rate_curves,),
    "sharpness/variants": (reconstructions, samples),
    "sharpness/vae_gan": (*GRIDS, health),
    "rae/table2": (reconstructions, densities, interpolations, neighbours, distances, precision_recall),
    "rae/terms": (term_ratios,),
    "rae/figure1": (over_methods,),
    "rae/figure2": (over_methods,),
    "rae/components": (over_components,),
    "dalal/table1": (reconstructions, samples),
    "dalal/choices": (choices,),
    "dalal/rate": (rate_curves, at_one_rate),
    "enhancenet/figure2": (enlargements,),
    "enhancenet/table3": (enlargements, residuals),
    "frvsr/motion": (over_frames, over_starts, profiles),
    "frvsr/davis": (over_starts,),
    "frvsr/blur": (over_blur,),
}


# Of an experiment whose figures are of one data set at one tier, by the start of their names.
PLACES: dict[str, tuple[str, str, str, tuple[Callable[..., Figure | Grid], ...]]] = {
    "tempered-points-ring": ("tempered/points", "lesson", "ring", (film, failures_of_points, lens_changes)),
    "tempered-color-mnist": (
        *("tempered/color_mnist", "study", "color-mnist"),
        (samples, seed_lines, seed_marks, film_of_images, lens_changes),
    ),
}


def _recorded() -> Iterator[tuple[str, Callable[[], Figure | Grid]]]:
    for experiment, makers in SHOWN.items():
        for data in experiments.get(experiment).GRID["lesson"]:
            for make in makers:
                name = f"{experiment.replace('/', '-')}-{data}-{make.__name__.replace('_', '-')}"
                yield name, partial(make, experiment, "lesson", data)
    for start, (*place, makers) in PLACES.items():
        for make in makers:
            yield f"{start}-{make.__name__.replace('_', '-')}", partial(make, *place)


FIGURES: dict[str, Callable[[], Figure | Grid]] = dict(_recorded()) | {
    "all-models": partial(all_models, ("mnist", "natural")),
    "dalal-figure1": swapped_energy,
    "enhancenet-table3-natural-health": partial(
        health, "enhancenet/table3", "lesson", "natural", only=("ea", "pa", "pat")
    ),
    "longer-natural-over-training": partial(over_training, "longer", "study", "natural"),
    "sharpness-vae_gan-failures": partial(failures, "sharpness/vae_gan", "lesson", ("mnist", "natural", "faces64")),
    "sharpness-vae_gan-mnist-over-seeds": partial(over_seeds, "sharpness/vae_gan", "lesson", "mnist", "equilibrium"),
    "tempered-points-ring-health": partial(
        health, "tempered/points", "lesson", "ring", only=("gan-none", "gan-learned", "gan-noise")
    ),
}
"""Publication figures by name, for `blurvae figure NAME`."""


def write(name: str, out: Path, form: str = "pdf") -> Path:
    """Makes a figure and writes it.

    Args:
        name: one of `FIGURES`.
        out: folder, made where it is missing.
        form: "pdf" or "png".

    Returns:
        The file's path.

    Raises:
        ValueError: no figure of that name, or its runs are not recorded.
    """
    if name not in FIGURES:
        raise ValueError(f"There is no figure {name!r}: choose one of {', '.join(sorted(FIGURES))}.")
    made = FIGURES[name]()
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.{form}"
    if isinstance(made, Grid):
        picture = made.image(4)  # whole factor: every pixel stays a square
        if form == "png":
            write_atomically(path, lambda file: picture.save(file, format="PNG"))
            return path
        width, height = picture.size
        made = plt.figure(figsize=(width / 200, height / 200))
        made.set_layout_engine("none")
        made.add_axes((0, 0, 1, 1)).imshow(np.asarray(picture), interpolation="none", aspect="auto")
        made.axes[0].axis("off")
    drawn = made
    write_atomically(path, lambda file: drawn.savefig(file, format=form, bbox_inches="tight"))
    plt.close(drawn)
    return path
