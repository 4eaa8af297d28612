"""The health of adversarial trainings: who is winning, who still learns, and how often a training fails."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from pandas import DataFrame

from blurvae import experiments
from blurvae.experiments import recorded
from blurvae.experiments.failures import failure_rates
from blurvae.pages.figures.looks import AMBER, BLACK, BLUE, DASHED, DOTTED, GREEN, PINK, SOLID, VERMILION, looks
from blurvae.pages.plotting import legend_above
from blurvae.pages.runs import not_recorded

Lines = dict[str, tuple[str, str, Any]]  # by column: label, colour, dashes
ACCURACIES: Lines = {
    "accuracy_real": ("D on data", BLUE, SOLID),
    "accuracy_fake": ("D on fakes", VERMILION, DASHED),
}
GRADIENT, VERDICT = "gradient_", "on_"  # before a player, and before what a discriminator judges
OF_FAKES = ((VERMILION, DASHED), (AMBER, DOTTED))
PLAYERS: dict[str, tuple[str, Any]] = {  # alike in all chapters; no system has both of a colour
    **dict.fromkeys(("encoder", "lens"), (GREEN, SOLID)),
    **dict.fromkeys(("decoder", "generator"), (PINK, DASHED)),
    "discriminator": (BLACK, DOTTED),
}


def health(experiment: str, tier: str, data: str, folder: Path | None = None, only: Iterable[str] = ()) -> Figure:
    """A row a method, epoch by epoch: the discriminator's accuracies, what it gives the truth, each player's gradient.

    Accuracies and gradients are those of the watch, with all networks in evaluation. What the discriminator D gives the
    truth while it is trained, exp(−cross-entropy), is shown where a system's parts have its cross-entropies, "on_real"
    and "on_…" for each kind of fake. A line is the median over seeds; half of the seeds lie in its dark band, all in
    its pale one. A method without a discriminator has no row.

    Args:
        experiment: its name; some of its methods have a discriminator.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        only: names of methods; all of the table where empty.

    Raises:
        ValueError: none of the runs is recorded, or those that are have no discriminator.
    """
    frame = recorded.history(experiment, tier, data, folder)
    shown = {m.name: m.label for m in experiments.get(experiment).METHODS if not only or m.name in set(only)}
    frame = frame[frame.method.isin([*shown])] if len(frame) else frame
    if frame.empty:
        raise not_recorded(experiment, tier, data)
    if "accuracy_real" not in frame or frame.accuracy_real.isna().all():
        raise ValueError(
            f"The recorded runs of {', '.join(shown.values())} have no discriminator, whose health could be shown: "
            "name methods that have one."
        )
    frame = frame.dropna(subset="accuracy_real").dropna(axis="columns", how="all")
    rows = [name for name in shown if name in set(frame.method)]
    fakes = [str(name) for name in frame if str(name).startswith(VERDICT) and name != f"{VERDICT}real"]
    trust: Lines = {f"{VERDICT}real": ACCURACIES["accuracy_real"]} if f"{VERDICT}real" in frame else {}
    if len(fakes) == 1:
        trust[fakes[0]] = ACCURACIES["accuracy_fake"]
    else:
        trust |= {name: (f"D {name.replace('_', ' ')}s", *look) for name, look in zip(fakes, cycle(OF_FAKES))}
    norms: Lines = {
        f"{GRADIENT}{player}": (player, *look) for player, look in PLAYERS.items() if f"{GRADIENT}{player}" in frame
    }
    fig, axes = plt.subplots(
        len(rows), 2 + bool(trust), figsize=(7.2, 1.0 + 1.6 * len(rows)), sharex=True, sharey="col", squeeze=False
    )
    frame = frame.assign(**{name: np.exp(-frame[name]) for name in trust})
    for line, name in zip(axes, rows):
        own = frame[frame.method == name].dropna(axis="columns", how="all")
        _bands(line[0], own, ACCURACIES)
        line[0].set(title=shown[name], ylabel="share", ylim=(-0.05, 1.05))
        _bands(line[-1], own, norms)
        line[-1].set(title=f"gradients, {_seeds(own.seed.nunique())}", ylabel="norm", yscale="log")
        if trust:
            _bands(line[1], own, trust)
            line[1].set(title="of the truth, in training", ylabel="probability", ylim=(-0.05, 1.05))
            if not line[1].lines:
                where: dict[str, Any] = {"transform": line[1].transAxes, "ha": "center", "va": "center"}
                line[1].text(0.5, 0.5, "no cross-entropy\nin this game", **where)
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(fig, 4)
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
    methods = [m.label for m in experiments.get(experiment).METHODS]
    size = (7.2, 1.0 + 0.28 * len(methods))
    fig, axes = plt.subplots(1, len(rates), figsize=size, sharex=True, sharey=True, squeeze=False)
    for ax, (data, found) in zip(axes[0], rates.items()):
        own = found[found.method.isin(methods)]
        for label, low, rate, high in zip(*(own[column] for column in ("method", "low", "rate", "high"))):
            place, colour = methods.index(label), shown[label][0]
            ax.plot((low, high), (place, place), color=colour)
            ax.plot(rate, place, "o", color=colour)
        ax.set(title=f"{data}, {_seeds(int(own.runs.max()))}", xlabel="share that fails ↓", xlim=(-0.04, 1.04))
    axes[0][0].set_yticks(range(len(methods)), methods)
    axes[0][0].set_ylim(len(methods) - 0.5, -0.5)
    return fig


def _seeds(n: int) -> str:
    return f"{n} seed{'s' * (n > 1)}"


def _bands(ax: Axes, frame: DataFrame, lines: Lines) -> None:
    for column, (label, colour, dash) in lines.items():
        if column not in frame:
            continue
        over = frame.groupby("epoch")[column]
        ax.plot(over.median(), color=colour, linestyle=dash, label=label)
        for outside, alpha in ((0.0, 0.1), (0.25, 0.2)):
            low, high = over.quantile(outside), over.quantile(1 - outside)
            ax.fill_between(low.index, low, high, color=colour, alpha=alpha, linewidth=0)
