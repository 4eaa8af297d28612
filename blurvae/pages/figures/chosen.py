"""What the choices within a loss do: Dalal's windows, weights and pixel terms, and terms in pictures at one rate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from blurvae import experiments
from blurvae.experiments import recorded
from blurvae.experiments.dalal.choices import GROUPS
from blurvae.pages.figures.looks import BLUE, VERMILION, logarithmic, quantity
from blurvae.pages.figures.pictures import grid_of
from blurvae.pages.grids import Grid
from blurvae.pages.runs import by_rate, measured, not_recorded

QUALITIES = ("PSNR", "SSIM", "LPIPS-squeeze", "KL")


def choices(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """A column for each choice and a line for each measure: dots are runs, bars their means, red what the paper chose.

    Args:
        experiment: "dalal/choices".
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.

    Raises:
        ValueError: none of the runs is recorded.
    """
    runs = measured(experiment, tier, data, folder)
    shown = [metric for metric in QUALITIES if metric in set(runs.metric)]
    fig, axes = plt.subplots(
        len(shown), len(GROUPS), figsize=(7.2, 1.5 * len(shown) + 0.6), sharex="col", sharey="row", squeeze=False
    )
    for line, metric in zip(axes, shown):
        for ax, (title, (chosen, rows)) in zip(line, GROUPS.items()):
            for x, method in enumerate(rows.values()):
                own = runs[(runs.method == method) & (runs.metric == metric)].value
                colour = VERMILION if method == chosen else BLUE
                ax.plot([x] * len(own), own, "o", color=colour, markersize=3, alpha=0.7)
                if len(own):
                    ax.plot([x - 0.35, x + 0.35], [own.mean()] * 2, color=colour)
            ax.set_xlim(-0.6, len(rows) - 0.4)
            ax.set_xticks(range(len(rows)), rows)
            if metric == shown[0]:
                ax.set_title(title)
            if metric == shown[-1]:
                ax.tick_params("x", labelrotation=60)
        if metric == "KL":
            logarithmic(line[0])
        line[0].set_ylabel(quantity(metric))
    return fig


def at_one_rate(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    terms: Iterable[str] = (),
    like: str = "wiener",
    seed: int = 0,
) -> Grid:
    """Reconstructions of each term at the β whose KL is nearest to that of the term `like` at the middle one of its β.

    Nearest by the logarithm; what each run sends of these test images stands beside its row. The original comes first.

    Args:
        experiment: of terms at several β.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        terms: those to show; all of the experiment where empty.
        like: the term whose KL the others are to have.
        seed: of the runs.

    Raises:
        ValueError: `like` is not recorded with pictures.
    """
    rates = by_rate(experiment, tier, data, folder)
    rates = rates[rates.seed == seed].set_index("method")
    results = {r.run.method: r for r in recorded.load(experiment, tier, data, folder) if r.run.seed == seed}
    pictured = [name for name, r in results.items() if "reconstruction" in r.pictures and name in rates.index]
    own = sorted((rates.KL[name], name) for name in pictured if experiments.term_of(name) == like)
    if not own:
        raise not_recorded(experiment, tier, data, seed)
    wanted, first = own[len(own) // 2]
    rows = {"original": results[first].pictures["original"]}
    for term in [*terms] or dict.fromkeys(map(experiments.term_of, pictured)):
        if near := [name for name in pictured if experiments.term_of(name) == term]:
            name = min(near, key=lambda name: abs(math.log(max(rates.KL[name], 1e-9) / wanted)))
            label = f"{recorded.label(experiment, term)}, {rates.KL[name]:.0f} nats"
            rows[label] = results[name].pictures["reconstruction"]
    return grid_of(rows)
