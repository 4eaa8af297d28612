"""Figures of the regularised autoencoders: samples by density, nearest neighbours, distances over β, k and K."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from blurvae import experiments
from blurvae.evaluation.rae import COMPONENTS
from blurvae.experiments import recorded
from blurvae.pages.figures.looks import quantity
from blurvae.pages.figures.pictures import grid_of
from blurvae.pages.grids import Grid
from blurvae.pages.plotting import PALETTE, legend_above
from blurvae.pages.runs import by_method

DASHES = ("-", "--", ":", "-.")
AXES = {"beta": "weight β of KL", "draws": "codes k drawn of an image"}


def densities(
    experiment: str, tier: str, data: str, folder: Path | None = None, seed: int = 0, only: Iterable[str] = ()
) -> Grid:
    """Samples of each method, from the density of column N and from the mixture (Fig. 6.4 to 6.6, middle)."""
    runs = by_method(experiment, tier, data, folder, seed, only)
    names = {"N": "sample_n", "GM": "sample_gmm"}
    return grid_of({f"{label}, {name}": r.pictures[key] for label, r in runs.items() for name, key in names.items()})


def neighbours(
    experiment: str, tier: str, data: str, folder: Path | None = None, seed: int = 0, only: Iterable[str] = ()
) -> Grid:
    """Two samples of each method's mixture, each followed by the training images nearest to it (Fig. 6.3)."""
    runs = by_method(experiment, tier, data, folder, seed, only)
    rows = {label: r.pictures["nearest"][:2].reshape(-1, *r.pictures["nearest"].shape[2:]) for label, r in runs.items()}
    return grid_of(rows, columns=len(next(iter(rows.values()))), zoom=1)


def over_methods(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """Distances over the number in which an experiment's methods differ, mean and sd over seeds (Fig. 6.1, 6.2)."""
    module = experiments.get(experiment)
    key = next(k for k in AXES if len({getattr(m.system, k) for m in module.METHODS}) == len(module.METHODS))
    places = {m.name: float(getattr(m.system, key)) for m in module.METHODS}
    runs = _recorded(experiment, tier, data, folder)
    distances = [name for name in module.COLUMNS if name.startswith("FD") and name in set(runs.metric)]
    metrics = distances or ["PSNR"]  # where the network behind the distances is absent
    fig, ax = plt.subplots(figsize=(6.4, 3.8))
    for i, metric in enumerate(metrics):
        own = runs[(runs.metric == metric) & runs.method.isin([*places])]
        _line(ax, own.assign(x=own.method.map(places)), metric, i)
    ax.set(xscale="log", yscale="log", xlabel=AXES[key], ylabel="FD-squeeze ↓" if distances else quantity("PSNR"))
    legend_above(fig)
    return fig


def over_components(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """Distances of samples, and log-densities of held-out codes, over the components of the mixture."""
    runs = _recorded(experiment, tier, data, folder)
    more = {f"K = {k}": float(k) for k in COMPONENTS}
    distance = {"FD-squeeze (Gaussian samples)": 1.0, "FD-squeeze (GMM samples)": 10.0}
    distance |= {f"FD-squeeze (GMM samples, {name})": k for name, k in more.items()}
    density = {"log q of held-out codes (Gaussian)": 1.0, "log q of held-out codes (GMM)": 10.0}
    density |= {f"log q of held-out codes (GMM, {name})": k for name, k in more.items()}
    fig, axes = plt.subplots(1, 2, figsize=(7.2, 3.4))
    panels: tuple[tuple[Mapping[str, float], str, str], ...] = (
        (distance, "Samples", "FD-squeeze ↓"),
        (density, "Held-out codes", "log q (nats) ↑"),
    )
    for ax, (places, title, ylabel) in zip(axes, panels):
        for i, m in enumerate(experiments.get(experiment).METHODS):
            own = runs[(runs.method == m.name) & runs.metric.isin([*places])]
            _line(ax, own.assign(x=own.metric.map(dict(places))), m.label if ax is axes[0] else "", i)
        ax.set(xscale="log", xlabel="components K", ylabel=ylabel, title=title)
    legend_above(fig)
    return fig


def _recorded(experiment: str, tier: str, data: str, folder: Path | None) -> pd.DataFrame:
    runs = recorded.frame(experiment, tier, data, folder).dropna(subset="value")
    if runs.empty:
        by_method(experiment, tier, data, folder)  # says what is missing
    return runs


def _line(ax: Axes, own: pd.DataFrame, label: str, i: int) -> None:
    """Mean and standard deviation over seeds at each x."""
    at: Any = own.groupby("x")["value"].agg(["mean", "std"]).sort_index()
    style: Any = {"color": PALETTE[i], "linestyle": DASHES[i % 4], "marker": "o", "label": label or "_nolegend_"}
    ax.errorbar(at.index, at["mean"], at["std"].fillna(0), **style)
