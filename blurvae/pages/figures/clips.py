"""Figures of video super-resolution: PSNR over the frames of a clip, and rows of pixels over time."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from blurvae.experiments import recorded
from blurvae.experiments.frvsr import theory
from blurvae.pages.figures.looks import AMBER, BLUE, DASHED, DOTTED, GREEN, PINK, SOLID, VERMILION
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
SHORT, LONG = "psnr_by_frame", "psnr_by_frame_long"


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
