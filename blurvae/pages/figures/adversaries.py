"""Games over time: what the discriminator is shown of the data, what the generator makes, and the numbers of both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from blurvae import experiments
from blurvae.evaluation.gan import REACH
from blurvae.experiments import recorded
from blurvae.pages.figures.looks import BLUE, VERMILION, looks
from blurvae.pages.plotting import legend_above
from blurvae.pages.runs import by_method

OF_EPOCHS = {  # what watches measure of a game, as an axis names it
    "lens_residual": "‖L(x) − x‖² / ‖x‖²",
    "lambda": "λ",
    "modes": "modes ↑",
    "good": "good samples ↑",
    "fd": "FD-squeeze (samples) ↓",
}
LOGARITHMIC = ("lens_residual", "fd")


def moments(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    method: str = "gan-noise",
    seed: int = 0,
    places: Sequence[int] = (0, 1, 2, 3, -1),
) -> Figure:
    """Points at moments of a training: above what the discriminator is shown of the data, below samples.

    Args:
        experiment: its name; its data are points.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        method: its name.
        seed: of the run, whose pictures are recorded.
        places: which of the kept moments to show, by place; a strip of all of them makes an animation.

    Raises:
        ValueError: the run is not recorded with its pictures.
    """
    (result,) = by_method(experiment, tier, data, folder, seed, (method,)).values()
    pictures = result.pictures
    kept = range(len(pictures["snapshot_epoch"]))
    shown = list(dict.fromkeys(kept[i] for i in places if i < len(kept)))  # a short training has fewer than places
    fig, axes = plt.subplots(
        2, len(shown), figsize=(7.2, 0.6 + 14.4 / len(shown)), sharex=True, sharey=True, squeeze=False
    )
    for column, i in zip(axes.T, shown):
        for ax, name, colour in zip(column, ("lensed", "sample"), (BLUE, VERMILION)):
            x, y = coordinates(pictures[f"snapshot_{name}"][i]).T
            ax.plot(x, y, ".", color=colour, markersize=1.5)
            ax.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal", xticks=(-1, 0, 1), yticks=(-1, 0, 1))
        column[0].set_title(f"epoch {pictures['snapshot_epoch'][i]}")
    for ax, label in zip(axes[:, 0], ("L(x)", "G(z)")):
        ax.set_ylabel(label)
    return fig


def coordinates(kept: np.ndarray) -> np.ndarray:
    """Points (n, 2) of what records keep of them, bytes (n, 2, 1, 1): see `evaluation.gan.as_bytes`."""
    return REACH * (kept[:, :, 0, 0] / 127.5 - 1)


def over_training(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    only: Iterable[str] = (),
    columns: Sequence[str] = ("lens_residual", "modes", "good"),
) -> Figure:
    """A panel a number: each method's median over seeds, epoch by epoch, and the band that half of the seeds lie in.

    Args:
        experiment: its name.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        only: names of methods; all of the table where empty.
        columns: of `OF_EPOCHS`.

    Raises:
        ValueError: none of the runs is recorded.
    """
    frame = recorded.history(experiment, tier, data, folder)
    module = experiments.get(experiment)
    labels, known = {m.name: m.label for m in (*module.METHODS, *module.VARIANTS)}, looks(experiment)
    wanted = [*only] or [m.name for m in module.METHODS]
    names = [name for name in wanted if not frame.empty and name in set(frame.method)]
    if not names:
        by_method(experiment, tier, data, folder, only=only)  # says what is missing
    fig, axes = plt.subplots(1, len(columns), figsize=(7.2, 2.6), sharex=True, squeeze=False)
    for ax, column in zip(axes[0], columns):
        for name in names:
            if column not in frame or frame[frame.method == name][column].isna().all():
                continue
            over, (colour, dash) = frame[frame.method == name].groupby("epoch")[column], known[labels[name]]
            ax.plot(over.median(), color=colour, linestyle=dash, label=labels[name])
            low, high = over.quantile(0.25), over.quantile(0.75)
            ax.fill_between(low.index, low, high, color=colour, alpha=0.2, linewidth=0)
        ax.set(xlabel="epoch", ylabel=OF_EPOCHS[column])
        if column in LOGARITHMIC:
            ax.set_yscale("log")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(fig, 3)
    return fig
