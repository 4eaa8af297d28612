"""The figures of the experiments, made from recorded runs, for chapters and for `blurvae figure NAME`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure

from blurvae import experiments, results
from blurvae.blur import hermitian_weights, radial_average
from blurvae.plotting import PALETTE, Grid, full_spectrum, image_grid
from blurvae.run import Result
from blurvae.training import write_atomically

COLUMNS = 7  # images a row: with the longest label they fill the text column of the book at twice their size


def by_method(experiment: str, tier: str, data: str, folder: Path | None = None, seed: int = 0) -> dict[str, Result]:
    """The runs of one seed by the label of their method, in the order of the experiment's table.

    Raises:
        ValueError: none of the runs is recorded.
    """
    module = experiments.get(experiment)
    labels = {m.name: m.label for m in module.METHODS}
    found = {
        labels[r.run.method]: r
        for r in results.load(experiment, tier, data, folder)
        if r.run.method in labels and r.run.settings.seed == seed and r.pictures
    }
    if not found:
        raise results.not_recorded(experiment, tier, data, seed)
    return found


def reconstructions(
    experiment: str, tier: str, data: str, folder: Path | None = None, seed: int = 0, zoom: int = 2
) -> Grid:
    """The same test images for all methods, the original first (Fig. 5, upper part)."""
    runs = by_method(experiment, tier, data, folder, seed)
    first = next(iter(runs.values()))
    rows = {"original": first.pictures["original"]} | {k: r.pictures["reconstruction"] for k, r in runs.items()}
    return image_grid({k: images[:COLUMNS] for k, images in rows.items()}, zoom=zoom)


def samples(experiment: str, tier: str, data: str, folder: Path | None = None, seed: int = 0, zoom: int = 2) -> Grid:
    """Samples from the prior, the same z for all methods (Fig. 5, lower part)."""
    runs = by_method(experiment, tier, data, folder, seed)
    return image_grid({k: r.pictures["sample"][:COLUMNS] for k, r in runs.items()}, zoom=zoom)


def curves(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """What each epoch measured: the KL term of all methods, and the width of the kernels where there are any."""
    module = experiments.get(experiment)
    labels = {m.name: m.label for m in module.METHODS}
    frame = results.history(experiment, tier, data, folder)
    if frame.empty:
        by_method(experiment, tier, data, folder)  # says what is missing
    frame = frame[frame.method.isin(list(labels))].assign(method=lambda f: f.method.map(labels))
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.2))
    order = [label for label in labels.values() if label in set(frame.method)]
    colours = dict(zip(labels.values(), PALETTE))
    style = {"x": "epoch", "hue": "method", "palette": colours, "errorbar": "sd"}
    sns.lineplot(frame, y="kl", hue_order=order, ax=left, **style)
    with_kernel = frame.dropna(subset=["kernel_width"]) if "kernel_width" in frame else frame.head(0)
    sns.lineplot(with_kernel, y="kernel_width", hue_order=list(dict.fromkeys(with_kernel.method)), ax=right, **style)
    left.set(xlabel="epoch", ylabel="KL (nats per image)", yscale="log")
    right.set(xlabel="epoch", ylabel="mean kernel width (px)", ylim=(0, None))
    started = frame[frame.weighted].epoch.min() if "weighted" in frame else np.nan
    for ax in (left, right):
        if pd.notna(started):
            ax.axvline(started - 0.5, color="#888888", linewidth=0.8, linestyle=":")
        if ax.get_legend() is not None:
            ax.get_legend().set_title(None)
    return fig


def radial_spectra(experiment: str, tier: str, data: str, folder: Path | None = None, seed: int = 0) -> Figure:
    """Fig. 6 as curves: mean log amplitude over frequency of the data, the reconstructions and the samples."""
    runs = by_method(experiment, tier, data, folder, seed)
    fig, axes = plt.subplots(1, 2, figsize=(8.0, 3.4), sharey=True)
    first = next(iter(runs.values())).pictures["log_spectrum_data"]
    for ax, kind in zip(axes, ("reconstruction", "sample")):
        ax.plot(*_radial(first), color="black", linestyle="--", label="data")
        for (label, run), colour in zip(runs.items(), PALETTE):
            ax.plot(*_radial(run.pictures[f"log_spectrum_{kind}"]), color=colour, label=label)
        ax.set(xlabel="frequency (cycles/px)", xlim=(0, 0.5))
        ax.annotate(f"{kind}s", (0.97, 0.95), xycoords="axes fraction", ha="right", va="top", weight="bold")
    axes[0].set_ylabel("mean ln |F| of the luma")
    axes[0].legend(loc="lower left", fontsize=8)
    return fig


def error_spectra(experiment: str, tier: str, data: str, folder: Path | None = None, seed: int = 0) -> Figure:
    """Where the reconstruction error sits: |F(x − x̂)|² over |F(x)|² at each frequency; at 1 nothing is kept."""
    runs = by_method(experiment, tier, data, folder, seed)
    fig, ax = plt.subplots()
    for (label, run), colour in zip(runs.items(), PALETTE):
        frequency, error = _radial(run.pictures["error_power"])
        ax.plot(frequency, error / _radial(run.pictures["data_power"])[1], color=colour, label=label)
    ax.axhline(1, color="black", linestyle="--", linewidth=1)
    ax.set(xlabel="frequency (cycles/px)", ylabel="power of x − x̂ over power of x", xlim=(0, 0.5), ylim=(0, None))
    ax.legend(fontsize=8)
    return fig


def spectra(experiment: str, tier: str, data: str, folder: Path | None = None, seed: int = 0) -> Figure:
    """Fig. 6: the mean log spectrum of reconstructions (top) and samples (bottom), with the distance to the data's."""
    runs = by_method(experiment, tier, data, folder, seed)
    reference = next(iter(runs.values())).pictures["log_spectrum_data"]
    low, high = np.quantile(reference, [0.001, 0.999])
    fig, axes = plt.subplots(2, len(runs) + 1, figsize=(1.5 * (len(runs) + 1), 3.5))
    for line, kind in zip(axes, ("reconstruction", "sample")):
        for ax, (label, run) in zip(line, [*runs.items(), ("data", None)]):
            half = reference if run is None else run.pictures[f"log_spectrum_{kind}"]
            ax.imshow(full_spectrum(half, _shape(half)), vmin=low, vmax=high, cmap="viridis", interpolation="none")
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            ax.annotate(label, (0.5, 1.03), xycoords="axes fraction", ha="center", fontsize=9)
            if run is not None:
                ax.set_xlabel(f"{_distance(half, reference):.3f}", fontsize=9)
        line[0].set_ylabel(f"{kind}s")
    return fig


def _shape(half: np.ndarray) -> tuple[int, int]:
    return half.shape[0], 2 * (half.shape[1] - 1)  # the experiments' images have even sides


def _radial(half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    frequency, average = radial_average(torch.from_numpy(half), _shape(half))
    return frequency.numpy(), average.numpy()


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    weights = hermitian_weights(_shape(a)).numpy()
    return float((np.abs(a - b) * weights).sum() / weights.sum())


def _recorded() -> Iterator[tuple[str, Callable[[], Figure | Grid]]]:
    for data in ("natural", "cifar10"):
        for make in (reconstructions, samples, curves, radial_spectra, error_spectra, spectra):
            name = f"table5-{data}-{make.__name__.replace('_', '-')}"
            yield name, partial(make, "table5", "lesson", data)


FIGURES: dict[str, Callable[[], Figure | Grid]] = dict(_recorded())
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
