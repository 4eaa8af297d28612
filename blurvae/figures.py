"""The figures of the experiments, made from recorded runs, for chapters and for `blurvae figure NAME`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from blurvae import experiments, results
from blurvae.blur import hermitian_weights, radial_average
from blurvae.experiments import rate
from blurvae.plotting import PALETTE, Grid, full_spectrum, image_grid
from blurvae.run import Result
from blurvae.training import write_atomically

BLUE, VERMILION, GREEN, PINK, AMBER, SKY = PALETTE[:6]
SOLID, DASHED, DOTTED = "-", (0, (4, 1.5)), (0, (1, 1.2))
# A method looks the same in every chapter; dashes tell apart what gray print and colour blindness would not.
LOOKS: dict[str, tuple[str, Any]] = {
    "l2": (BLUE, SOLID),
    "l1": (BLUE, DASHED),
    "ssim": (GREEN, SOLID),
    "ce": (PINK, SOLID),
    "ffl": (AMBER, SOLID),
    "wiener": (VERMILION, SOLID),
    "wiener-proper": (VERMILION, DASHED),
    "wiener-fixed": (VERMILION, DOTTED),
    "watson": (SKY, SOLID),
    "watson-2": (SKY, DASHED),
    "lpips-squeeze": (GREEN, DASHED),
    "lpips-vgg": (GREEN, DOTTED),
}
OTHERS = tuple((colour, dash) for dash in (SOLID, DASHED, DOTTED) for colour in (BLUE, GREEN, PINK, AMBER, SKY))
# Images a row, and screen pixels per image pixel: with the longest label they fill the text column of the book.
LAYOUT = {32: (7, 2), 64: (4, 2), 256: (2, 1)}


def looks(experiment: str) -> dict[str, tuple[str, Any]]:
    """Colour and dashes of an experiment's methods, by label in the order of its table."""
    module = experiments.get(experiment)
    methods = {m.label: m.name for m in (*module.METHODS, *module.VARIANTS)}
    taken = {LOOKS[name] for name in methods.values() if name in LOOKS}
    others = cycle(look for look in OTHERS if look not in taken)
    return {label: LOOKS.get(name) or next(others) for label, name in methods.items()}


def by_method(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    seed: int = 0,
    only: Iterable[str] = (),
) -> dict[str, Result]:
    """The runs of one seed by the label of their method, in the order of the experiment's table.

    Args:
        experiment: its name.
        tier: "smoke", "lesson" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        seed: of the runs.
        only: names of methods; all where empty.

    Raises:
        ValueError: none of the runs is recorded.
    """
    module = experiments.get(experiment)
    labels = {m.name: m.label for m in module.METHODS if not only or m.name in set(only)}
    found = {
        labels[r.run.method]: r
        for r in results.load(experiment, tier, data, folder)
        if r.run.method in labels and r.run.settings.seed == seed and r.pictures
    }
    if not found:
        raise results.not_recorded(experiment, tier, data, seed)
    return found


# Grids of images ------------------------------------------------------------------------------------------------------


def _grid(rows: dict[str, np.ndarray], columns: int | None, zoom: int | None) -> Grid:
    """Rows of images, as many a row and as large as the text column takes unless told otherwise."""
    size = next(iter(rows.values())).shape[-1]
    fitting = LAYOUT.get(size, (max(1, 512 // size), 1))
    columns = columns or fitting[0]
    return image_grid({label: images[:columns] for label, images in rows.items()}, zoom=zoom or fitting[1])


def reconstructions(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    seed: int = 0,
    zoom: int | None = None,
    columns: int | None = None,
    only: Iterable[str] = (),
) -> Grid:
    """The same test images for all methods, the original first (Fig. 3, 4, 5, 7, 8, 9)."""
    runs = by_method(experiment, tier, data, folder, seed, only)
    first = next(iter(runs.values()))
    rows = {"original": first.pictures["original"]} | {k: r.pictures["reconstruction"] for k, r in runs.items()}
    return _grid(rows, columns, zoom)


def samples(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    seed: int = 0,
    zoom: int | None = None,
    columns: int | None = None,
    only: Iterable[str] = (),
    mixture: bool = False,
) -> Grid:
    """Samples of all methods: from the prior, the same z for all, or each from the mixture over its latents."""
    runs = by_method(experiment, tier, data, folder, seed, only)
    key = "sample_gmm" if mixture else "sample"
    return _grid({k: r.pictures[key] for k, r in runs.items()}, columns, zoom)


def interpolations(
    experiment: str, tier: str, data: str, folder: Path | None = None, seed: int = 0, only: Iterable[str] = ()
) -> Grid:
    """What each method's decoder makes of the way from the first test image to the second."""
    runs = by_method(experiment, tier, data, folder, seed, only)
    rows = {k: r.pictures["interpolation"] for k, r in runs.items()}
    return _grid(rows, len(next(iter(rows.values()))), 1)


def kernel_snapshots(experiment: str, tier: str, data: str, folder: Path | None = None, seed: int = 0) -> Grid:
    """Fig. 2: four test images, and at four epochs of the training their reconstructions and their kernels.

    Kernels are enlarged by a whole factor. The grey level is the square root of a weight, from 0 (black) to the largest
    weight of the figure (white): on a linear range the wide kernels of the first epochs would be black.
    """
    pictures = next(iter(by_method(experiment, tier, data, folder, seed).values())).pictures
    shown, kernels = pictures["snapshot_reconstruction"], np.sqrt(pictures["snapshot_kernel"])
    n, size = shown.shape[1], shown.shape[-1]
    factor = size // kernels.shape[-1]
    margin = size - factor * kernels.shape[-1]
    grey = np.rint(255 * kernels / kernels.max()).astype(np.uint8)
    large = np.kron(grey, np.ones((1, 1, factor, factor), np.uint8))
    large = np.pad(large, ((0, 0), (0, 0), (margin // 2, margin - margin // 2), (margin // 2, margin - margin // 2)))
    rows = {"original": pictures["original"][:n]}
    for epoch, image, kernel in zip(pictures["snapshot_epoch"], shown, large):
        rows[f"epoch {epoch}"] = image
        rows[f"kernel, {epoch}"] = np.repeat(kernel[:, None], image.shape[1], axis=1)
    return _grid(rows, n, None)


# Curves ---------------------------------------------------------------------------------------------------------------


def _epochs(experiment: str, tier: str, data: str, folder: Path | None) -> pd.DataFrame:
    """The histories of an experiment's methods, by label."""
    labels = {m.name: m.label for m in experiments.get(experiment).METHODS}
    frame = results.history(experiment, tier, data, folder)
    if frame.empty:
        by_method(experiment, tier, data, folder)  # says what is missing
    return frame[frame.method.isin(list(labels))].assign(method=lambda f: f.method.map(labels))


def _lines(frame: pd.DataFrame, y: str, experiment: str, ax: Axes, **legend: Any) -> None:
    """Mean and standard deviation over seeds, epoch by epoch, a line for each method that has y."""
    ax.set(xlabel="epoch")
    if y not in frame:
        return
    frame = frame.dropna(subset=[y])
    present = set(frame.method)
    for label, (colour, dash) in looks(experiment).items():
        if label in present:
            own = frame[frame.method == label].groupby("epoch")[y].agg(["mean", "std"])
            ax.plot(own.index, own["mean"], color=colour, linestyle=dash, label=label)
            low, high = own["mean"] - own["std"], own["mean"] + own["std"]  # no band where there is one seed
            ax.fill_between(own.index, low, high, color=colour, alpha=0.2, linewidth=0)
    if legend:
        ax.legend(fontsize=8, **legend)


def _mark_warm_up(frame: pd.DataFrame, axes: Iterable[Axes]) -> None:
    started = frame[frame.weighted.astype(bool)].epoch.min() if "weighted" in frame else np.nan
    for ax in axes:
        if pd.notna(started):
            ax.axvline(started - 0.5, color="#888888", linewidth=0.8, linestyle=":")


def curves(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """What each epoch measured: the KL term of all methods, and the width of the kernels where there are any."""
    frame = _epochs(experiment, tier, data, folder)
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.4))
    _lines(frame, "kl", experiment, left, ncols=2)
    _lines(frame, "kernel_width", experiment, right, ncols=1)
    left.set(ylabel="KL (nats per image)", yscale="log")
    right.set(ylabel="mean kernel width (px)", ylim=(0, None))
    _mark_warm_up(frame, (left, right))
    return fig


def determinants(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """How the determinant is lowered: log|K + εI| on test images (ε = 0.01), kernel width and KL term over epochs."""
    frame = _epochs(experiment, tier, data, folder)
    frame = frame[frame.method.isin(set(frame.dropna(subset=["test_width"]).method))]
    fig, axes = plt.subplots(1, 3, figsize=(9.6, 3.3))
    for ax, (y, name) in zip(
        axes,
        (
            ("test_log_det_0.01", "log|K + εI|, ε = 0.01 (nats per image)"),
            ("test_width", "mean kernel width (px)"),
            ("kl", "KL (nats per image)"),
        ),
    ):
        _lines(frame, y, experiment, ax, **({"ncols": 1} if y == "test_width" else {}))
        ax.set(ylabel=name)
    axes[2].set(yscale="log")
    _mark_warm_up(frame, axes)
    return fig


def kernel_widths(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """The mean width of the kernels of test images after each epoch, seed by seed; the band is the sd over images."""
    frame = _epochs(experiment, tier, data, folder).dropna(subset=["test_width"])
    fig, ax = plt.subplots()
    for (seed, own), colour, dash in zip(frame.groupby("seed"), (VERMILION, BLUE, GREEN), (SOLID, DASHED, DOTTED)):
        ax.plot(own.epoch, own.test_width, color=colour, linestyle=dash, marker="o", markersize=3, label=f"seed {seed}")
        low, high = own.test_width - own.test_width_sd, own.test_width + own.test_width_sd
        ax.fill_between(own.epoch, low, high, color=colour, alpha=0.15, linewidth=0)
    ax.set(xlabel="epoch", ylabel="kernel width (px)", ylim=(0, None))
    _mark_warm_up(frame, (ax,))
    ax.legend(fontsize=8)
    return fig


RATE_PANELS = ("PSNR", "SSIM", "LPIPS-squeeze", "high-frequency ratio")


def rate_curves(
    experiment: str, tier: str, data: str, folder: Path | None = None, panels: tuple[str, ...] = RATE_PANELS
) -> Figure:
    """Quality against the KL term, each term at every β: dots are runs, lines join the means over seeds."""
    runs = results.frame(experiment, tier, data, folder).dropna(subset="value")
    if runs.empty:
        raise results.not_recorded(experiment, tier, data)
    wide = runs.pivot_table(index=["method", "beta", "seed"], columns="metric", values="value").reset_index()
    wide["term"] = wide.method.str.partition(",")[0]
    panels = tuple(panel for panel in panels if panel in wide)
    lines = -(-len(panels) // 2)
    fig, axes = plt.subplots(lines, 2, figsize=(8.0, 3.0 * lines), sharex=True, squeeze=False)
    for ax, panel in zip(axes.flat, panels):
        for term in (m for m in (*rate.TERMS, *rate.OTHER_TERMS) if m.name in set(wide.term)):
            own = wide[wide.term == term.name]
            colour, dash = LOOKS[term.name]
            mean = own.groupby("beta")[["KL", panel]].mean().sort_values("KL")
            ax.plot(mean["KL"], mean[panel], color=colour, linestyle=dash, label=term.label)
            ax.plot(own["KL"], own[panel], "o", color=colour, markersize=3, alpha=0.7)
        ax.set(xscale="log", ylabel=panel)
        ax.xaxis.set_minor_formatter("")  # the decades are enough
        if panel == "high-frequency ratio":
            ax.axhline(1, color="black", linewidth=0.8, linestyle=":")
    for ax in axes[-1]:
        ax.set_xlabel("KL (nats per image)")
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    axes.flat[0].legend(fontsize=8)
    return fig


# Spectra --------------------------------------------------------------------------------------------------------------


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
    fig, axes = plt.subplots(1, 2, figsize=(8.0, 3.6), sharey=True)
    first = next(iter(runs.values())).pictures["log_spectrum_data"]
    for ax, kind in zip(axes, ("reconstruction", "sample")):
        ax.plot(*_radial(first), color="black", linestyle="--", label="data")
        for label, run in runs.items():
            colour, dash = known[label]
            ax.plot(*_radial(run.pictures[f"log_spectrum_{kind}"]), color=colour, linestyle=dash, label=label)
        ax.set(xlabel="frequency (cycles/px)", xlim=(0, 0.5))
        ax.annotate(f"{kind}s", (0.97, 0.95), xycoords="axes fraction", ha="right", va="top", weight="bold")
    axes[0].set_ylabel("mean ln |F| of the luma")
    axes[0].legend(loc="lower left", fontsize=8, ncols=1 + (len(runs) > 6))
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
    ax.set(xlabel="frequency (cycles/px)", ylabel="power of x − x̂ over power of x", xlim=(0, 0.5), ylim=(0, None))
    ax.legend(fontsize=8, ncols=1 + (len(runs) > 6))
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
    fig, axes = plt.subplots(2, len(panels), figsize=(1.5 * len(panels), 3.5))
    for line, kind in zip(axes, ("reconstruction", "sample")):
        for ax, (label, run) in zip(line, panels):
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


# By name --------------------------------------------------------------------------------------------------------------

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
}


def _recorded() -> Iterator[tuple[str, Callable[[], Figure | Grid]]]:
    for experiment, makers in SHOWN.items():
        for data in experiments.get(experiment).GRID["lesson"]:
            for make in makers:
                name = f"{experiment}-{data}-{make.__name__.replace('_', '-')}"
                yield name, partial(make, experiment, "lesson", data)


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
