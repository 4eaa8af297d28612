"""Every seed for itself: a line a training over its epochs, and a mark a training at its end."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from blurvae import experiments
from blurvae.experiments import recorded
from blurvae.experiments.failures import outcome
from blurvae.pages.figures.adversaries import LOGARITHMIC, OF_EPOCHS
from blurvae.pages.figures.looks import BLACK, DASH_DOT, DOTTED, logarithmic, looks, quantity
from blurvae.pages.figures.tempered import LENSES
from blurvae.pages.plotting import legend_above
from blurvae.pages.runs import not_recorded

LINES = {"none": ("no lens", BLACK, DASH_DOT), **LENSES}
AT_THE_END = (
    "modes (samples)",
    "FD-squeeze (samples)",
    "precision-squeeze (samples)",
    "recall-squeeze (samples)",
)


def seed_lines(experiment: str, tier: str, data: str, folder: Path | None = None, column: str = "fd") -> Figure:
    """What is watched of each training, epoch by epoch (Fig. 4.6): a panel a game, a colour a lens, a line a seed.

    A cross ends the line of a training that diverged. A dotted line marks the last epoch in which λ is above 0.

    Args:
        experiment: of `blurvae.experiments.tempered`.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        column: of `adversaries.OF_EPOCHS`.

    Raises:
        ValueError: no run is recorded that has the column.
    """
    runs = recorded.load(experiment, tier, data, folder)
    rows = {m.name: m.label for m in experiments.get(experiment).METHODS}
    runs = [r for r in runs if r.run.method in rows and any(column in epoch for epoch in r.record["history"])]
    if not runs:
        raise not_recorded(experiment, tier, data)
    games = {r.run.method.rpartition("-")[0]: rows[r.run.method].partition(",")[0] for r in runs}
    fig, axes = plt.subplots(1, len(games), figsize=(7.2, 3.4), sharey=True, squeeze=False)
    shown = dict(zip(games, axes[0]))
    for result in runs:
        game, _, lens = result.run.method.rpartition("-")
        label, colour, dash = LINES[lens]
        course = [(e["epoch"], e[column]) for e in result.record["history"] if column in e]
        shown[game].plot(*zip(*course), color=colour, linestyle=dash, linewidth=1, label=label)
        if result.diverged:
            shown[game].plot(*course[-1], "x", color=colour)
        on = [e["epoch"] for e in result.record["history"] if e.get("lambda", 0) > 0]
        if on and on[-1] < len(result.record["history"]):
            shown[game].axvline(on[-1], color="0.6", linestyle=DOTTED, linewidth=1)
    for game, ax in shown.items():
        ax.set(title=games[game], xlabel="epoch", yscale="log" if column in LOGARITHMIC else "linear")
        if column == "fd":
            logarithmic(ax)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0][0].set_ylabel(OF_EPOCHS[column])
    legend_above(fig, 4)
    return fig


def seed_marks(
    experiment: str, tier: str, data: str, folder: Path | None = None, metrics: tuple[str, ...] = AT_THE_END
) -> Figure:
    """What is measured of each training at its end: a panel a metric, a row a method, a mark a seed.

    A training that failed is a cross, one that diverged has no mark and is counted beside the name of its method. A
    dotted line is what other real images have.

    Args:
        experiment: its name; its runs measure "failed".
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        metrics: measured columns; those that no run has are left out.

    Raises:
        ValueError: no run is recorded that has one of them.
    """
    runs = recorded.load(experiment, tier, data, folder)
    values = recorded.by_seed(experiment, tier, data, folder)
    metrics = tuple(metric for metric in metrics if metric in values)
    if not metrics:
        raise not_recorded(experiment, tier, data)
    methods = list(dict.fromkeys(r.run.method for r in runs))
    failed = {(r.run.method, r.run.seed): bool(outcome(r)) for r in runs}
    lost = {method: sum(r.run.method == method and bool(r.diverged) for r in runs) for method in methods}
    labels = {method: recorded.label(experiment, method) for method in methods}
    names = [labels[method] + f" ({lost[method]} diverged)" * bool(lost[method]) for method in methods]
    known, columns = looks(experiment), min(2, len(metrics))
    lines = -(-len(metrics) // columns)
    size = (7.2, lines * (1.0 + 0.32 * len(methods)))
    fig, axes = plt.subplots(lines, columns, figsize=size, sharey=True, squeeze=False)
    for ax in axes.flat[len(metrics) :]:
        ax.axis("off")
    for ax, metric in zip(axes.flat, metrics):
        for method, own in values[metric].items():
            for seed, value in own.items():
                colour, mark = known[labels[method]][0], "x" if failed[method, seed] else "o"
                ax.plot(value, methods.index(method), mark, color=colour, fillstyle="none", markersize=5)
        real = [v for own in values.get(metric.replace("(samples)", "(data)"), {}).values() for v in own.values()]
        if real and "(samples)" in metric:
            ax.axvline(sum(real) / len(real), color="0.5", linestyle=DOTTED)
        ax.set(xlabel=quantity(metric), xscale="log" if metric.startswith("FD-") else "linear")
    for line in axes:
        line[0].set_yticks(range(len(methods)), [fill(name, 24) for name in names])
        line[0].set_ylim(len(methods) - 0.5, -0.5)
    return fig
