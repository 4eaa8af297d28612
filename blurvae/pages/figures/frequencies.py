"""Spectra of recorded runs: of data, reconstructions, samples and errors."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from blurvae.blur import hermitian_weights, radial_average
from blurvae.pages.figures.looks import logarithmic, looks
from blurvae.pages.plotting import full_spectrum, legend_above
from blurvae.pages.runs import by_method


def radial_spectra(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    seed: int = 0,
    only: Iterable[str] = (),
) -> Figure:
    """Fig. 6 as curves: mean log amplitude over frequency of the data, the reconstructions and the samples."""
    runs, known = by_method(experiment, tier, data, folder, seed, only), looks(experiment)
    fig, axes = plt.subplots(1, 2, figsize=(7.2, 3.8), sharey=True)
    first = next(iter(runs.values())).pictures["log_spectrum_data"]
    for ax, kind in zip(axes, ("reconstruction", "sample")):
        ax.plot(*_radial(first), color="black", linestyle="--", label="data")
        for label, run in runs.items():
            colour, dash = known[label]
            ax.plot(*_radial(run.pictures[f"log_spectrum_{kind}"]), color=colour, linestyle=dash, label=label)
        ax.set(xlabel="frequency (cycles/px)", xlim=(0, 0.5))
        ax.set_title(f"{kind}s")
    axes[0].set_ylabel("mean ln |F| of the luma")
    legend_above(fig)
    return fig


def error_spectra(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    seed: int = 0,
    only: Iterable[str] = (),
) -> Figure:
    """Where the reconstruction error sits: |F(x − x̂)|² over |F(x)|² at each frequency; at 1 nothing is kept."""
    runs, known = by_method(experiment, tier, data, folder, seed, only), looks(experiment)
    fig, ax = plt.subplots()
    for label, run in runs.items():
        frequency, error = _radial(run.pictures["error_power"])
        colour, dash = known[label]
        share = error / _radial(run.pictures["data_power"])[1]
        ax.plot(frequency, share, color=colour, linestyle=dash, label=label)
    ax.axhline(1, color="black", linestyle="--", linewidth=1)
    # Logarithmic: a term that adds power of its own adds hundreds of times the image's at the highest frequencies.
    ax.set(xlabel="frequency (cycles/px)", ylabel="power of x − x̂ over power of x", xlim=(0, 0.5))
    logarithmic(ax)
    legend_above(fig)
    return fig


def spectra(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    seed: int = 0,
    only: Iterable[str] = (),
) -> Figure:
    """Fig. 6: the mean log spectrum of reconstructions (top) and samples (bottom), with the distance to the data's."""
    runs = by_method(experiment, tier, data, folder, seed, only)
    reference = next(iter(runs.values())).pictures["log_spectrum_data"]
    low, high = np.quantile(reference, [0.001, 0.999])
    panels = [*runs.items(), ("data", None)]
    blocks = -(-len(panels) // 6)  # more panels side by side would be too small
    columns = -(-len(panels) // blocks)
    fig, axes = plt.subplots(2 * blocks, columns, figsize=(7.2, 1.75))
    fig.set_figheight(1.75 * len(axes))
    for ax in axes.flat:
        ax.axis("off")
    for i, (label, run) in enumerate(panels):
        for j, (kind, short) in enumerate((("reconstruction", "recon."), ("sample", "samples"))):
            ax = axes[2 * (i // columns) + j, i % columns]
            half = reference if run is None else run.pictures[f"log_spectrum_{kind}"]
            ax.axis("on")
            ax.imshow(full_spectrum(half, _shape(half)), vmin=low, vmax=high, cmap="viridis", interpolation="none")
            ax.set(xticks=[], yticks=[], ylabel="" if i % columns else short)
            ax.grid(False)
            if j == 0:
                ax.set_title(fill(label, 13), fontsize=9)
            if run is not None:
                ax.set_xlabel(f"{_distance(half, reference):.3f}", fontsize=9)
    return fig


def _shape(half: np.ndarray) -> tuple[int, int]:
    return half.shape[0], 2 * (half.shape[1] - 1)  # the experiments' images have even sides


def _radial(half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    frequency, average = radial_average(torch.from_numpy(half), _shape(half))
    return frequency.numpy(), average.numpy()


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    weights = hermitian_weights(_shape(a)).numpy()
    return float((np.abs(a - b) * weights).sum() / weights.sum())
