"""Figures of GANs with a lens: how often trainings on points fail, and what their lenses change over time."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from blurvae import experiments
from blurvae.experiments import recorded
from blurvae.pages.figures.health import failures
from blurvae.pages.figures.looks import AMBER, BLUE, DASHED, DOTTED, GREEN, SOLID
from blurvae.pages.plotting import legend_above
from blurvae.pages.runs import not_recorded

CHANGE = "lens_residual"
# By the name in a method's, after that of its game.
LENSES = {
    "learned": ("learned", BLUE, SOLID),
    "constant": ("learned, λ = 1", AMBER, DASHED),
    "noise": ("noise", GREEN, DOTTED),
    "blur": ("blur", GREEN, DOTTED),
}


def failures_of_points(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """`failures` on all data sets of the experiment's lessons, whichever is named."""
    sets = dict.fromkeys((data, *experiments.get(experiment).GRID.get("lesson", {})))
    return failures(experiment, tier, sets, folder)


def lens_changes(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """‖L(x) − x‖² / ‖x‖² of test images or points over the epochs, a panel a game, a line a lens.

    Lines are medians over seeds, bands hold all seeds. A dotted line marks the last epoch in which λ is above 0.

    Args:
        experiment: of `blurvae.experiments.tempered`.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.

    Raises:
        ValueError: no run with a lens is recorded.
    """
    frame = recorded.history(experiment, tier, data, folder)
    if frame.empty or CHANGE not in frame:
        raise not_recorded(experiment, tier, data)
    frame = frame.dropna(subset=CHANGE)
    methods = {m.name: m for m in experiments.get(experiment).METHODS if m.name in set(frame.method)}
    titles = {name.rpartition("-")[0]: name for name in methods}  # by game, a method of it
    fig, axes = plt.subplots(1, len(titles), figsize=(7.2, 3.2), sharey=True, squeeze=False)
    for ax, game in zip(axes[0], titles):
        for lens, (label, colour, dash) in LENSES.items():
            name = f"{game}-{lens}"
            if name not in methods:
                continue
            own = frame[frame.method == name]
            over = own.groupby("epoch")[CHANGE]
            ax.plot(over.median(), color=colour, linestyle=dash, label=label)
            low, high = over.min(), over.max()
            ax.fill_between(low.index, low, high, color=colour, alpha=0.15, linewidth=0)
            if (own["lambda"] == 0).any():
                ax.axvline(own.epoch[own["lambda"] > 0].max(), color="0.6", linestyle=DOTTED)
        ax.set(title=methods[titles[game]].label.partition(",")[0], xlabel="epoch", yscale="log")
    axes[0][0].set_ylabel("change by the lens")
    legend_above(fig, 4)
    return fig
