"""Figures of the regularised autoencoders: samples by density, nearest neighbours, distances over β, k and K."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from blurvae import experiments
from blurvae.evaluation.rae import COMPONENTS
from blurvae.experiments import intervals, recorded
from blurvae.pages.figures.ex_post import FLOOR, LOOK, SOURCES, plain_ticks
from blurvae.pages.figures.looks import PINK, quantity
from blurvae.pages.figures.pictures import grid_of
from blurvae.pages.grids import Grid
from blurvae.pages.plotting import PALETTE, legend_above
from blurvae.pages.runs import by_method

DASHES = ("-", "--", ":", "-.")
AXES = {"beta": "weight β of KL", "draws": "codes k drawn of an image"}
SEEN = {**{metric: (name, *LOOK[name]) for metric, name in SOURCES.items()}}
SEEN |= {"FD-squeeze (recon)": ("test images", PINK, "P"), FLOOR: ("real images", "black", "")}


def densities(
    experiment: str, tier: str, data: str, folder: Path | None = None, seed: int = 0, only: Iterable[str] = ()
) -> Grid:
    """Samples of each method, from the density of column N and from the mixture (Fig. 6.4 to 6.6, middle)."""
    runs = by_method(experiment, tier, data, folder, seed, only)
    names = {"N": "sample_n", "GM": "sample_gmm"}
    return grid_of({f"{label}, {name}": r.pictures[key] for label, r in runs.items() for name, key in names.items()})


def neighbours(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    seed: int = 0,
    only: Iterable[str] = (),
    zoom: int = 1,
) -> Grid:
    """Two samples of each method's mixture, each followed by the training images nearest to it (Fig. 6.3)."""
    runs = by_method(experiment, tier, data, folder, seed, only)
    rows = {label: r.pictures["nearest"][:2].reshape(-1, *r.pictures["nearest"].shape[2:]) for label, r in runs.items()}
    return grid_of(rows, columns=len(next(iter(rows.values()))), zoom=zoom)


def over_methods(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """Distances by where codes are from, over the number in which an experiment's methods differ (Fig. 6.1, 6.2).

    Marks are geometric means over seeds and bars Student's intervals of 95 %; dotted, real images.
    """
    module = experiments.get(experiment)
    key = next(k for k in AXES if len({getattr(m.system, k) for m in module.METHODS}) == len(module.METHODS))
    places = {m.name: float(getattr(m.system, key)) for m in module.METHODS}
    runs = _recorded(experiment, tier, data, folder)
    own = runs[runs.method.isin([*places])].assign(x=lambda f: f.method.map(places))
    distances = {name: seen for name, seen in SEEN.items() if name in set(own.metric) & {*module.COLUMNS}}
    fig, ax = plt.subplots(figsize=(6.4, 3.8))
    ax.set(xscale="log", yscale="log", xlabel=AXES[key], ylabel="FD-squeeze ↓" if distances else quantity("PSNR"))
    # PSNR where the network behind the distances is absent
    for i, (metric, (label, colour, marker)) in enumerate(
        (distances or {"PSNR": ("PSNR", *LOOK["a Gaussian"])}).items()
    ):
        look = {"color": colour, "linestyle": ":" if metric == FLOOR else DASHES[i % 4], "marker": marker}
        _line(ax, own[own.metric == metric], intervals.geometric, label=label, **look)
    ax.set_xticks([*places.values()], [f"{place:g}" for place in places.values()])
    ax.xaxis.set_minor_formatter("")
    plain_ticks(ax.yaxis)
    legend_above(fig, 3)
    return fig


def over_components(experiment: str, tier: str, data: str, folder: Path | None = None) -> Figure:
    """Distances of samples, and log-densities of codes, held-out and of training, over the components of the mixture.

    Means over seeds with Student's intervals of 95 %.
    """
    runs = _recorded(experiment, tier, data, folder)
    more = {f"K = {k}": float(k) for k in COMPONENTS}
    distance = {"FD-squeeze (Gaussian samples)": 1.0, "FD-squeeze (GMM samples)": 10.0}
    distance |= {f"FD-squeeze (GMM samples, {name})": k for name, k in more.items()}
    fits = {"Gaussian": 1.0, "GMM": 10.0} | {f"GMM, {name}": k for name, k in more.items()}
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.6))
    for i, m in enumerate(experiments.get(experiment).METHODS):
        look: dict[str, Any] = {"color": PALETTE[i], "marker": "osD"[i % 3]}
        own = runs[runs.method == m.name]
        _line(left, _at(own, distance), intervals.geometric, label=m.label, **look)
        for whose, style in (
            ("held-out", {"linestyle": "-"}),
            ("training", {"linestyle": ":", "markerfacecolor": "white"}),
        ):
            places = {f"log q of {whose} codes ({name})": k for name, k in fits.items()}
            _line(right, _at(own, places), intervals.student, label="_nolegend_", **look, **style)
    left.set(title="Samples", ylabel="FD-squeeze ↓")
    right.set(title="Codes: held-out (solid), training (dotted)", ylabel="log q (nats) ↑")
    for ax in (left, right):
        ax.set(xscale="log", xlabel="components K")
        ax.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
        ax.xaxis.set_minor_formatter("")
    legend_above(fig)
    return fig


def _recorded(experiment: str, tier: str, data: str, folder: Path | None) -> pd.DataFrame:
    runs = recorded.frame(experiment, tier, data, folder).dropna(subset="value")
    if runs.empty:
        by_method(experiment, tier, data, folder)  # says what is missing
    return runs


def _at(runs: pd.DataFrame, places: Mapping[str, float]) -> pd.DataFrame:
    """The metrics among `places`, each at its x."""
    return runs[runs.metric.isin([*places])].assign(x=lambda f: f.metric.map(dict(places)))


def _line(ax: Axes, own: pd.DataFrame, mean: Callable[..., intervals.Interval], **look: Any) -> None:
    """Means over seeds and their intervals at each x."""
    found: dict[Any, intervals.Interval] = {x: mean(at.value) for x, at in own.groupby("x")}
    middle = [f.mean for f in found.values()]
    bars = [[f.mean - f.low for f in found.values()], [f.high - f.mean for f in found.values()]]
    ax.errorbar([*found], middle, pd.DataFrame(bars).fillna(0).to_numpy(), elinewidth=1, markersize=5, **look)
