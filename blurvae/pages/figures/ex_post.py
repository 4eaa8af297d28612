"""What a density of the codes changes: distances by where codes are from, precision and recall, terms by density."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from blurvae import experiments
from blurvae.experiments import intervals, recorded
from blurvae.pages.figures.looks import BLUE, GREEN, LOOKS, SKY, VERMILION, looks
from blurvae.pages.plotting import legend_above
from blurvae.pages.runs import by_method
from blurvae.record import Result

Made = TypeVar("Made")
FLOOR = "FD-squeeze (data)"
# Where codes are from, by the metric of the images that are decoded from them.
SOURCES = {
    "FD-squeeze (samples)": "the prior",
    "FD-squeeze (Gaussian samples)": "a Gaussian",
    "FD-squeeze (GMM samples)": "the mixture",
    "FD-squeeze (held-out recon)": "held-out images",
}
LOOK = dict(zip(SOURCES.values(), ((SKY, "D"), (BLUE, "s"), (VERMILION, "o"), (GREEN, "|"))))
MARKERS = "osD^vP*X"


def by_source(experiment: str, tier: str, data: str, folder: Path | None = None) -> pd.DataFrame:
    """Values of a metric by method and seed, the columns "method", "seed" and one for each metric."""
    runs = recorded.frame(experiment, tier, data, folder).dropna(subset="value")
    if runs.empty:
        by_method(experiment, tier, data, folder)  # says what is missing
    return runs.pivot(index=["method", "seed"], columns="metric", values="value").reset_index()


def distances_on(ax: Axes, experiment: str, tier: str, data: str, folder: Path | None = None) -> None:
    """A row a method: how far decoded codes are from test images, by where the codes are from; dotted, real images.

    Marks are geometric means over seeds and bars Student's intervals of 95 %.

    Args:
        ax: where to draw.
        experiment: its name.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
    """
    runs = by_source(experiment, tier, data, folder)
    methods = [m for m in experiments.get(experiment).METHODS if m.name in set(runs.method)]
    for row, method in enumerate(methods):
        own = runs[runs.method == method.name]
        for i, (metric, source) in enumerate(SOURCES.items()):
            colour, marker = LOOK[source]
            _mark(ax, own.get(metric), row + 0.15 * (i - 1.5), color=colour, marker=marker, label=source, across=True)
    if FLOOR in runs:
        ax.axvline(intervals.geometric(runs[FLOOR]).mean, color="black", linestyle=":", linewidth=1)
    ax.set(xscale="log", xlabel="FD-squeeze (thousands) ↓", ylim=(len(methods) - 0.5, -0.5))
    ax.set_yticks(range(len(methods)), [m.label for m in methods])
    plain_ticks(ax.xaxis)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
    _admit(ax, bool(ax.containers))


def pairs_on(ax: Axes, experiment: str, tier: str, data: str, folder: Path | None = None) -> None:
    """Precision over recall of each method's samples, from column N (hollow) to the mixture (filled), means over seeds.

    The black cross is the pair of as many training images. Arguments as of `distances_on`.
    """
    runs = by_source(experiment, tier, data, folder)
    shown = looks(experiment)
    for method, marker in zip(experiments.get(experiment).METHODS, MARKERS):
        own: Any = runs[runs.method == method.name].mean(numeric_only=True)
        names = [f"{side}-squeeze ({of})" for side in ("recall", "precision") for of in ("N", "GMM samples")]
        if {*names} <= {*own.dropna().index}:
            recall_n, recall, precision_n, precision = own[names]
            look: dict[str, Any] = {"color": shown[method.label][0], "marker": marker}
            ax.plot([recall_n, recall], [precision_n, precision], linewidth=1, color=look["color"])
            ax.plot(recall_n, precision_n, linestyle="", markerfacecolor="white", **look)
            ax.plot(recall, precision, linestyle="", label=method.label, **look)
    names = [f"{side}-squeeze (data)" for side in ("recall", "precision")]
    if set(names) <= set(runs):
        ax.plot(*runs[names].mean(), "x", color="black", markersize=8, label="real images")
    ax.set(xlabel="recall ↑", ylabel="precision ↑", aspect="equal")
    _admit(ax, bool(ax.lines))


def terms_on(ax: Axes, model: str, experiment: str, tier: str, data: str, folder: Path | None = None) -> None:
    """Distances of a model's terms over those of its squared error, by where the codes are from.

    Marks are geometric means of the ratios, paired by seed, and bars Student's intervals of 95 %; below 1 a term helps.

    Args:
        ax: where to draw.
        model: "vae" or "rae", with which the names of the rows begin.
        experiment: of terms in models.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
    """
    runs = by_source(experiment, tier, data, folder)
    rows = [m for m in experiments.get(experiment).METHODS if m.name.startswith(f"{model}-")]
    base, *others = rows
    places = [metric for metric in SOURCES if metric in runs and runs[runs.method == base.name][metric].notna().any()]
    for i, method in enumerate(others):
        name = method.name.removeprefix(f"{model}-")
        label = method.label.partition(", ")[2]
        for x, metric in enumerate(places):
            own, other = (runs[runs.method == m.name].set_index("seed")[metric] for m in (method, base))
            look = {"color": LOOKS[name][0], "marker": MARKERS[i], "label": label}
            _mark(ax, (own / other).dropna(), x + 0.2 * (i - (len(others) - 1) / 2), across=False, **look)
    ax.axhline(1, color="black", linestyle=":", linewidth=1)
    ax.set(yscale="log", ylabel="FD-squeeze over that of L2 ↓", xlim=(-0.5, max(len(places), 1) - 0.5))
    ax.set_xticks(range(len(places)), [SOURCES[metric] for metric in places])
    plain_ticks(ax.yaxis)
    _admit(ax, bool(ax.containers))


def distances(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """`distances_on` as a figure."""
    return panels(distances_on, experiment, tier, (data,), folder)


def precision_recall(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """`pairs_on` as a figure."""
    return panels(pairs_on, experiment, tier, (data,), folder)


def term_ratios(experiment: str, tier: str, data: str, folder: Path | None = None, *more: str) -> Figure:
    """`terms_on` as a figure, a panel a model, a line a data set: `data` and `more` ones."""
    models = dict.fromkeys(m.name.partition("-")[0] for m in experiments.get(experiment).METHODS)
    sets = (data, *more)
    fig, axes = plt.subplots(len(sets), len(models), figsize=(7.2, 3.2 * len(sets)), squeeze=False)
    for line, name in zip(axes, sets):
        for ax, model in zip(line, models):
            terms_on(ax, model, experiment, tier, name, folder)
            ax.set_title(f"{model.upper()}, {name}")
            ax.tick_params("x", labelrotation=20)
        for ax in line[1:]:
            ax.set_ylabel("")
    legend_above(fig)
    return fig


def panels(draw: Callable[..., None], experiment: str, tier: str, sets: Sequence[str], folder: Path | None) -> Figure:
    """A panel a data set, two side by side, drawn by `distances_on` or `pairs_on`."""
    lines, across = -(-len(sets) // 2), min(len(sets), 2)
    size = (7.2 if across > 1 else 6.4, 4.0 * lines)
    fig, axes = plt.subplots(lines, across, figsize=size, sharey=draw is distances_on, squeeze=False)
    for ax, name in zip(axes.flat, sets):
        draw(ax, experiment, tier, name, folder)
        if len(sets) > 1:
            ax.set_title(name)
    for ax in axes.flat[len(sets) :]:
        ax.remove()
    legend_above(fig, 5)
    return fig


def or_not_run(
    make: Callable[..., Made],
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    *more: str,
    having: Callable[[Result], bool] = lambda result: True,
) -> Made | Figure:
    """A figure or grid of recorded runs, made with these arguments; a figure that says how to run them if none is.

    Args:
        make: makes it.
        experiment: whose runs.
        tier: of the runs.
        data: of the runs.
        folder: of results; the checkout's data/results where None.
        more: what `make` takes besides.
        having: what one of the runs must have, such as a curve that older records lack.
    """
    if any(having(result) for result in recorded.load(experiment, tier, data, folder)):
        return make(experiment, tier, data, folder, *more)
    fig, ax = plt.subplots(figsize=(6.4, 0.9))
    ax.axis("off")
    given = f"blurvae run {experiment} --tier {tier} --data {data}"
    ax.text(0.5, 0.5, f"{recorded.NOT_RUN}\n{given}", ha="center", va="center", wrap=True)
    return fig


def _mark(ax: Axes, values: pd.Series[float] | None, at: float, *, across: bool, label: str, **look: Any) -> None:
    """The geometric mean of values and its interval, across the page or upright; nothing where there are none."""
    if values is None or values.dropna().empty:
        return
    mean, low, high = intervals.geometric(values.dropna())
    place: dict[str, Any] = {"x": mean, "y": at} if across else {"x": at, "y": mean}
    bar: dict[str, Any] = {"xerr" if across else "yerr": [[mean - low], [high - mean]]} if low == low else {}
    ax.errorbar(**place, **bar, linestyle="", label=label, elinewidth=1, markersize=6, **look)


def _admit(ax: Axes, drawn: bool) -> None:
    """Says why a panel is empty, where it is."""
    if not drawn:
        where: dict[str, Any] = {"xycoords": "axes fraction", "ha": "center", "va": "center"}
        ax.annotate("not measured: the runs were made\nwithout the network of the features", (0.5, 0.5), **where)


def plain_ticks(axis: Axis) -> None:
    """Numbers written out on a logarithmic axis, the more of them the less it spans."""
    low, high = axis.get_view_interval()
    span = high / low
    few, more, many = (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.1, 1.2, 1.4, 1.7, 2, 3, 4, 5, 6, 7, 8, 9)
    subs: tuple[float, ...] = few if span > 10 else more if span > 2.5 else many
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")
