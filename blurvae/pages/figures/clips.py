"""Figures of video super-resolution: PSNR over the frames of a clip, and rows of pixels over time."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from blurvae.experiments import recorded
from blurvae.experiments.frvsr import blur, motion, theory
from blurvae.pages.figures.looks import AMBER, BLACK, BLUE, DASHED, DOTTED, GREEN, PINK, SOLID, VERMILION
from blurvae.pages.grids import Grid, image_grid
from blurvae.pages.plotting import legend_above
from blurvae.pages.runs import by_method, not_recorded

LOOKS = {
    "sisr": (GREEN, SOLID),
    "vsr": (AMBER, DASHED),
    "vsr-given": (AMBER, SOLID),
    "frvsr": (BLUE, DASHED),
    "frvsr-given": (BLUE, SOLID),
}
INJECTED = {"frvsr": (PINK, DOTTED), "frvsr-given": (VERMILION, DOTTED)}
SHORT, LONG, LONGER = "psnr_by_frame", "psnr_by_frame_long", "psnr_by_frame_longer"
SHOWN = 0.01  # dB, what a table shows


def over_frames(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """PSNR less that of bicubic enlargement, frame by frame: all methods on short clips, recurrence on long ones.

    Lines are medians over seeds, bands hold all seeds. On the right also with the true frame in the place of the first
    estimate.

    Args:
        experiment: "frvsr/motion".
        tier: "smoke", "lesson" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.

    Raises:
        ValueError: no run is recorded.
    """
    found = recorded.load(experiment, tier, data, folder)
    runs = [result for result in found if not result.diverged and SHORT in result.pictures]
    if not runs:
        raise not_recorded(experiment, tier, data)
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.4))
    for method, look in LOOKS.items():
        own = [r.pictures for r in runs if r.run.method == method]
        label = recorded.label(experiment, method)
        _band(left, [p[SHORT] - p[f"{SHORT}_bicubic"] for p in own], label, look)
        long = [p for p in own if LONG in p]
        if not long:
            continue
        plain = theory.bicubic_by_frame(data, len(long[0][LONG]), size=runs[0].run.size)
        _band(right, [p[LONG] - plain for p in long], label, look)
        gains = [np.where(np.isfinite(p[f"{LONG}_injected"]), p[f"{LONG}_injected"] - plain, np.nan) for p in long]
        _band(right, gains, f"{label}, true first frame", INJECTED[method])
    for ax, title in ((left, "ten frames"), (right, "forty frames")):
        ax.set(xlabel="frame")
        ax.set_title(title)
    left.set_ylabel("gain over bicubic (dB) ↑")
    legend_above(fig, 3)
    return fig


def _band(ax: Axes, curves: list[np.ndarray], label: str, look: tuple[str, object]) -> None:
    """The median of some curves over frames, from 1 on, and all that lies between them."""
    if not curves:
        return
    colour, dash = look
    frames = np.arange(1, len(curves[0]) + 1)
    ax.plot(frames, np.median(curves, 0), color=colour, linestyle=dash, label=label)
    ax.fill_between(frames, np.min(curves, 0), np.max(curves, 0), color=colour, alpha=0.15, linewidth=0)


def over_starts(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """What a true first frame adds over time (Fig. 3.7), and what is lost by a start at a later frame (Fig. 3.8).

    Differences of PSNR by frame on the longest clips, so that frames may be as hard as they like. Lines are medians
    over seeds, bands hold all of them; the axis is linear up to a hundredth of a decibel and logarithmic beyond.

    Args:
        experiment: "frvsr/motion" or "frvsr/davis".
        tier: "smoke", "lesson" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.

    Raises:
        ValueError: no run is recorded that was followed so.
    """
    found = recorded.load(experiment, tier, data, folder)
    runs = [result for result in found if not result.diverged and LONGER in result.pictures]
    if not runs:
        raise not_recorded(experiment, tier, data)
    fig, axes = plt.subplots(1, 2, figsize=(7.2, 3.4), sharex=True, sharey=True)
    for method in dict.fromkeys(result.run.method for result in runs):
        label, own = recorded.label(experiment, method), [r.pictures for r in runs if r.run.method == method]
        changes = ([p[f"{LONGER}_injected"] - p[LONGER] for p in own], [p[LONGER] - p[f"{LONGER}_later"] for p in own])
        for ax, curves in zip(axes, changes):
            _band(ax, [np.where(np.isfinite(curve), curve, np.nan) for curve in curves], label, LOOKS[method])
    for ax, title in zip(axes, ("by a true first frame", f"by the frames before frame {theory.START}")):
        ax.set_yscale("symlog", linthresh=SHOWN, linscale=0.5)
        ax.yaxis.set_major_formatter("{x:g}")
        ax.axhspan(-SHOWN, SHOWN, color="0.92", zorder=0)
        ax.set(xlabel="frame", title=title)
    axes[0].set_ylabel("gain in PSNR (dB) ↑")
    legend_above(fig, 2)
    return fig


def over_blur(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """Video PSNR over the blur before decimation, of three methods and of bicubic enlargement (Fig. 3.5).

    Lines are medians over seeds, bands hold all of them.

    Args:
        experiment: "frvsr/blur".
        tier: "smoke" or "lesson".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.

    Raises:
        ValueError: no run is recorded.
    """
    if all(result.run.experiment != experiment for result in recorded.load(experiment, tier, data, folder)):
        raise not_recorded(experiment, tier, data)  # but perhaps what it borrows
    values = recorded.by_seed(experiment, tier, data, folder)
    fig, ax = plt.subplots(figsize=(6.0, 3.4))
    rows = {method: (label, "PSNR (video)", method) for method, label in motion.SHARED.items()}
    rows["bicubic"] = ("bicubic", "PSNR (video, bicubic)", "sisr")  # the same for all three
    for name, (label, metric, method) in rows.items():
        own = {sigma: values.get(metric, {}).get(row, {}) for sigma, row in blur.over_sigma(method).items()}
        own = {sigma: seeds for sigma, seeds in own.items() if seeds}
        if not own:
            continue
        colour, dash = LOOKS.get(name, (BLACK, DOTTED))
        sigmas, seeds = [*own], [[*of.values()] for of in own.values()]
        middle = [float(np.median(of)) for of in seeds]
        ax.plot(sigmas, middle, color=colour, linestyle=dash, marker="o", markersize=3, label=label)
        ax.fill_between(sigmas, [min(of) for of in seeds], [max(of) for of in seeds], color=colour, alpha=0.15, lw=0)
    ax.set(xlabel="σ of the blur (px)", ylabel="PSNR (video, dB) ↑")
    legend_above(fig, 4)
    return fig


def profiles(
    experiment: str, tier: str, data: str, folder: Path | None = None, seed: int = 0, clips: int = 2, zoom: int = 4
) -> Grid:
    """The middle row of some clips, frame below frame: the truth, bicubic enlargement, and the methods (Fig. 3.6).

    Args:
        experiment: "frvsr/motion".
        tier: "smoke", "lesson" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        seed: of the runs.
        clips: how many, side by side.
        zoom: screen pixels per pixel.

    Raises:
        ValueError: no run is recorded with its pictures.
    """
    runs = by_method(experiment, tier, data, folder, seed)
    first = next(iter(runs.values())).pictures
    rows = {"truth": first["profile_original"], "bicubic": first["profile_bicubic"]}
    rows |= {label: run.pictures["profile_reconstruction"] for label, run in runs.items()}
    return image_grid({label: row[:clips] for label, row in rows.items()}, zoom=zoom)
