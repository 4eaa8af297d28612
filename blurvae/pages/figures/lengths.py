"""Quality over the length of the training: is the order of methods stable?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from blurvae.claims.model import SEEDS
from blurvae.experiments import intervals, pca
from blurvae.experiments.bredell.longer import EPOCHS, LENGTHS, TERMS
from blurvae.pages.figures.looks import BLUE, DASHED, LOOKS, quantity
from blurvae.pages.plotting import legend_above
from blurvae.pages.runs import measured

PANELS = ("PSNR", "SSIM", "LPIPS-squeeze")
_LOOKS: dict[str, tuple[str, Any]] = {"l2,beta=0.5": (BLUE, DASHED), "l2,beta=0.3": (BLUE, ":")} | LOOKS


def over_training(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """Three measures, and the way to the linear model at the same KL, over the epochs of the training.

    Marks are means over seeds and bars Student's intervals of 95 %, from three seeds on.

    Args:
        experiment: "longer".
        tier: "smoke" or "study".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.

    Raises:
        ValueError: no run is recorded.
    """
    runs = measured(experiment, tier, data, folder)
    behind = pca.rows(experiment, tier, data, folder)
    fig, axes = plt.subplots(2, 2, figsize=(7.2, 6.0), sharex=True)
    for ax, metric in zip(axes.flat, PANELS):
        own = runs[runs.metric == metric]
        _lines(ax, {str(m): list(v) for m, v in own.groupby("method").value})
        ax.set(ylabel=quantity(metric))
    of_psnr = behind[behind.metric == "PSNR"]
    _lines(axes.flat[-1], {str(m): list(v) for m, v in of_psnr.groupby("method").deficit})
    axes.flat[-1].set(ylabel="PSNR below the linear model\nat the same KL (dB) ↓")
    for ax in axes[-1]:
        ax.set(xlabel="epochs")
    legend_above(fig)
    return fig


def _lines(ax: Axes, values: dict[str, list[float]]) -> None:
    """A line a term over the lengths, for the rows that have values."""
    ax.set_xscale("log")
    ax.set_xticks(EPOCHS, [str(epochs) for epochs in EPOCHS])
    ax.xaxis.set_minor_formatter("")
    for i, term in enumerate(TERMS):
        rows = {epochs: own for epochs, methods in LENGTHS.items() if (own := values.get(methods[i].name))}
        if not rows:
            continue
        x = [epochs * (1 + 0.04 * (i - 1)) for epochs in rows]  # side by side, so that bars do not hide each other
        found = [intervals.student(own) for own in rows.values()]
        half = [f.high - f.mean if len(own) >= SEEDS else 0.0 for f, own in zip(found, rows.values())]
        colour, dash = _LOOKS[term.name]
        look: dict[str, Any] = {"color": colour, "linestyle": dash, "marker": "o", "markersize": 4}
        ax.errorbar(x, [f.mean for f in found], yerr=half, label=term.label, elinewidth=1, **look)
