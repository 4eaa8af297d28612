"""The health of adversarial trainings: who is winning, and who still learns, after each epoch."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from pandas import DataFrame

from blurvae import experiments
from blurvae.experiments import recorded
from blurvae.pages.figures.looks import AMBER, BLUE, DASHED, DOTTED, GREEN, PINK, SOLID, VERMILION
from blurvae.pages.plotting import legend_above
from blurvae.pages.runs import by_method

Lines = dict[str, tuple[str, str, Any]]  # by column: label, colour, dashes
ACCURACIES: Lines = {
    "accuracy_real": ("D right on data", BLUE, SOLID),
    "accuracy_fake": ("D right on fakes", VERMILION, DASHED),
}
GRADIENT = "gradient_"
OF_PLAYERS = ((GREEN, SOLID), (PINK, DASHED), (AMBER, DOTTED))


def health(experiment: str, tier: str, data: str, folder: Path | None = None, only: Iterable[str] = ()) -> Figure:
    """A row a method: the discriminator's two accuracies, and the norm of each player's gradient, epoch by epoch.

    A line is the median over seeds, its band from the lowest to the highest seed.

    Args:
        experiment: its name; its system has a discriminator.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        only: names of methods; all of the table where empty.

    Raises:
        ValueError: none of the runs is recorded.
    """
    frame = recorded.history(experiment, tier, data, folder)
    shown = {m.name: m.label for m in experiments.get(experiment).METHODS if not only or m.name in set(only)}
    rows = [name for name in shown if not frame.empty and name in set(frame.method)]
    if not rows:
        by_method(experiment, tier, data, folder, only=only)  # says what is missing
    players = [str(name) for name in frame if str(name).startswith(GRADIENT)]
    norms: Lines = {
        name: (f"gradient of {name.removeprefix(GRADIENT)}", *look) for name, look in zip(players, cycle(OF_PLAYERS))
    }
    fig, axes = plt.subplots(
        len(rows), 2, figsize=(7.2, 0.7 + 1.7 * len(rows)), sharex=True, sharey="col", squeeze=False
    )
    for (left, right), name in zip(axes, rows):
        own = frame[frame.method == name]
        _bands(left, own, ACCURACIES)
        _bands(right, own, norms)
        left.set(title=shown[name], ylabel="share", ylim=(-0.05, 1.05))
        right.set(title=f"{(n := own.seed.nunique())} seed{'s' * (n > 1)}", ylabel="norm", yscale="log")
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(fig, 3)
    return fig


def _bands(ax: Axes, frame: DataFrame, lines: Lines) -> None:
    for column, (label, colour, dash) in lines.items():
        over = frame.groupby("epoch")[column]
        ax.plot(over.median(), color=colour, linestyle=dash, label=label)
        ax.fill_between(over.min().index, over.min(), over.max(), color=colour, alpha=0.15, linewidth=0)
