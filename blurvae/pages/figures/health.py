"""The health of adversarial trainings: who is winning, who still learns, and how often a training fails."""

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
from blurvae.experiments.failures import failure_rates
from blurvae.pages.figures.looks import AMBER, BLUE, DASHED, DOTTED, GREEN, PINK, SOLID, VERMILION, looks
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

    A line is the median over seeds; half of the seeds lie in its dark band, all in its pale one.

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
        right.set(title=_seeds(own.seed.nunique()), ylabel="norm", yscale="log")
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(fig, 3)
    return fig


def failures(experiment: str, tier: str, sets: Iterable[str], folder: Path | None = None) -> Figure:
    """How often the trainings of each method fail, a panel a data set: shares of the seeds, and exact intervals.

    Args:
        experiment: its name; its runs measure "failed".
        tier: "smoke", "lesson", "study" or "paper".
        sets: names of data sets; one without a recorded run is left out.
        folder: of results; the checkout's data/results where None.

    Raises:
        ValueError: none of the runs is recorded.
    """
    rates = {data: failure_rates(experiment, tier, data, folder) for data in sets}
    rates = {data: found for data, found in rates.items() if len(found)}
    if not rates:
        raise ValueError(f"No run of {experiment} at tier {tier!r} is recorded on these data sets.")
    shown = looks(experiment)
    methods = [label for label in shown if any(label in set(found.method) for found in rates.values())]
    size = (7.2, 1.0 + 0.28 * len(methods))
    fig, axes = plt.subplots(1, len(rates), figsize=size, sharex=True, sharey=True, squeeze=False)
    for ax, (data, found) in zip(axes[0], rates.items()):
        for label, low, rate, high in zip(*(found[column] for column in ("method", "low", "rate", "high"))):
            place, colour = methods.index(label), shown[label][0]
            ax.plot((low, high), (place, place), color=colour)
            ax.plot(rate, place, "o", color=colour)
        ax.set(title=f"{data}, {_seeds(int(found.runs.max()))}", xlabel="share that fails ↓", xlim=(-0.04, 1.04))
    axes[0][0].set_yticks(range(len(methods)), methods)
    axes[0][0].set_ylim(len(methods) - 0.5, -0.5)
    return fig


def _seeds(n: int) -> str:
    return f"{n} seed{'s' * (n > 1)}"


def _bands(ax: Axes, frame: DataFrame, lines: Lines) -> None:
    for column, (label, colour, dash) in lines.items():
        over = frame.groupby("epoch")[column]
        ax.plot(over.median(), color=colour, linestyle=dash, label=label)
        for outside, alpha in ((0.0, 0.1), (0.25, 0.2)):
            low, high = over.quantile(outside), over.quantile(1 - outside)
            ax.fill_between(low.index, low, high, color=colour, alpha=alpha, linewidth=0)
