"""Curves of recorded runs: what each epoch measured, and quality over the KL term."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from blurvae import experiments
from blurvae.experiments import recorded
from blurvae.pages.figures.looks import (
    AMBER,
    BLUE,
    DASHED,
    DOTTED,
    GREEN,
    LOOKS,
    PINK,
    SOLID,
    VERMILION,
    logarithmic,
    looks,
    quantity,
)
from blurvae.pages.plotting import legend_above
from blurvae.pages.runs import by_method, by_rate

RATE_PANELS = ("PSNR", "SSIM", "LPIPS-squeeze", "high-frequency ratio")


def _epochs(experiment: str, tier: str, data: str, folder: Path | None) -> pd.DataFrame:
    """The histories of an experiment's methods, by label."""
    labels = {m.name: m.label for m in experiments.get(experiment).METHODS}
    frame = recorded.history(experiment, tier, data, folder)
    if frame.empty:
        by_method(experiment, tier, data, folder)  # says what is missing
    return frame[frame.method.isin(list(labels))].assign(method=lambda f: f.method.map(labels))


def _lines(frame: pd.DataFrame, y: str, experiment: str, ax: Axes) -> None:
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


def _mark_warm_up(frame: pd.DataFrame, axes: Iterable[Axes]) -> None:
    started = frame[frame.phase == "weighted"].epoch.min() if "phase" in frame else np.nan
    for ax in axes:
        if pd.notna(started):
            ax.axvline(started - 0.5, color="#888888", linewidth=0.8, linestyle=":")


def curves(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """What each epoch measured: the KL term of all methods, and the width of the kernels where there are any."""
    frame = _epochs(experiment, tier, data, folder)
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.6))
    _lines(frame, "kl", experiment, left)
    _lines(frame, "kernel_width", experiment, right)
    left.set(ylabel="KL (nats per image)", yscale="log")
    right.set(ylabel="mean kernel width (px)")
    legend_above(fig)
    _mark_warm_up(frame, (left, right))
    return fig


def determinants(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """How the determinant is lowered: log|K + εI| on test images (ε = 0.01), kernel width and KL term over epochs."""
    frame = _epochs(experiment, tier, data, folder)
    frame = frame[frame.method.isin(set(frame.dropna(subset=["test_width"]).method))]
    fig, axes = plt.subplots(1, 3, figsize=(7.2, 3.6))
    panels = {"test_log_det_0.01": "log|K + εI| (nats), ε = 0.01", "test_width": "kernel width (px)", "kl": "KL (nats)"}
    for ax, (y, name) in zip(axes, panels.items()):
        _lines(frame, y, experiment, ax)
        ax.set(ylabel=name)
    logarithmic(axes[2])
    legend_above(fig)
    _mark_warm_up(frame, axes)
    return fig


def kernel_widths(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """The mean width of the kernels after each epoch, seed by seed: of training batches, and of the same test images.

    The band is the standard deviation over the test images.
    """
    frame = _epochs(experiment, tier, data, folder).dropna(subset=["test_width"])
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.4), sharey=True)
    styles = cycle(zip((VERMILION, BLUE, GREEN, PINK, AMBER), (SOLID, DASHED, DOTTED, SOLID, DASHED)))
    for (seed, own), (colour, dash) in zip(frame.groupby("seed"), styles):  # however many seeds there are
        look: dict[str, Any] = {"color": colour, "linestyle": dash, "marker": "o", "markersize": 3}
        left.plot(own.epoch, own.kernel_width, label=f"seed {seed}", **look)
        right.plot(own.epoch, own.test_width, **look)
        low, high = own.test_width - own.test_width_sd, own.test_width + own.test_width_sd
        right.fill_between(own.epoch, low, high, color=colour, alpha=0.15, linewidth=0)
    left.set(title="training batches, sampled z", xlabel="epoch", ylabel="kernel width (px)")
    right.set(title="test images, z = μ", xlabel="epoch")
    _mark_warm_up(frame, (left, right))
    legend_above(fig)
    return fig


def rate_curves(
    experiment: str, tier: str, data: str, folder: Path | None = None, panels: tuple[str, ...] = RATE_PANELS
) -> Figure:
    """Quality against the KL term, each term at every β: dots are runs, lines join the means over seeds."""
    wide = by_rate(experiment, tier, data, folder)
    panels = tuple(panel for panel in panels if panel in wide)
    module = experiments.get(experiment)
    known = dict.fromkeys(experiments.term_of(m.name) for m in (*module.METHODS, *module.VARIANTS))
    terms = [term for term in known if term in set(wide.term)]
    lines = -(-len(panels) // 2)
    fig, axes = plt.subplots(lines, 2, figsize=(7.2, 2.8 * lines), sharex=True, squeeze=False)
    for ax, panel in zip(axes.flat, panels):
        for term in terms:
            own = wide[wide.term == term]
            colour, dash = LOOKS[term]
            mean = own.groupby("beta")[["KL", panel]].mean().sort_values("KL")
            label = recorded.label(experiment, term)
            ax.plot(mean["KL"], mean[panel], color=colour, linestyle=dash, label=label)
            ax.plot(own["KL"], own[panel], "o", color=colour, markersize=3, alpha=0.7)
        ax.set(xscale="log", ylabel=quantity(panel))
        ax.xaxis.set_minor_formatter("")  # the decades are enough
        if panel == "high-frequency ratio":
            ax.axhline(1, color="black", linewidth=0.8, linestyle=":")
            ax.set_yscale("log")
    for ax in axes[-1]:
        ax.set_xlabel("KL (nats per image)")
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    legend_above(fig, 5)
    return fig
