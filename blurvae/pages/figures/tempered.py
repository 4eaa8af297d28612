"""Figures of GANs with a lens: how often trainings on points fail, what lenses change, and the points over time."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from blurvae import experiments
from blurvae.datasets.points import CENTRES
from blurvae.evaluation.gan import REACH
from blurvae.experiments import recorded
from blurvae.pages.figures.adversaries import coordinates
from blurvae.pages.figures.health import failures
from blurvae.pages.figures.looks import AMBER, BLUE, DASHED, DOTTED, GREEN, SOLID
from blurvae.pages.grids import Grid, image_grid
from blurvae.pages.plotting import legend_above
from blurvae.pages.runs import by_method, not_recorded

CHANGE = "lens_residual"
GROUND, MODE = 240, 150  # greys: of a square without points, and of one where a mode is
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


def film(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    game: str = "gan",
    seed: int = 0,
    lenses: tuple[str, ...] = ("none", "learned", "constant", "noise"),
    side: int = 40,
) -> Grid:
    """Points at the moments of which runs keep pictures, a row each of the data under a lens and of the samples.

    Args:
        experiment: its name; its data are points.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        game: of the methods.
        seed: of the runs, whose pictures are recorded.
        lenses: their names; of "none" there are samples alone.
        side: px of a picture.

    Returns:
        A grid whose rows are courses of time, which the book plays; see `point_picture`.

    Raises:
        ValueError: a run is not recorded with its pictures.
    """
    methods = [f"{game}-{lens}" for lens in lenses]
    found = {r.run.method: r for r in by_method(experiment, tier, data, folder, seed, methods).values()}
    rows, moments = dict[str, np.ndarray](), list[str]()
    for lens, method in zip(lenses, methods):
        if method not in found or "snapshot_epoch" not in found[method].pictures:
            raise not_recorded(experiment, tier, data)
        pictures = found[method].pictures
        moments = [f"epoch {epoch}" for epoch in pictures["snapshot_epoch"]]
        label = LENSES[lens][0] if lens in LENSES else "no lens"
        for name, key, colour in (("data", "lensed", BLUE), ("samples", "sample", AMBER)):
            if lens == "none" and name == "data":
                continue
            kept = [coordinates(points) for points in pictures[f"snapshot_{key}"]]
            rows[f"{label}: {name}"] = np.stack(
                [point_picture(points, CENTRES[data], REACH, side, colour) for points in kept]
            )
    return image_grid(rows, zoom=1, moments=moments)


def film_of_images(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    method: str = "dcgan-learned",
    seed: int = 0,
    count: int = 3,
) -> Grid:
    """Images at the moments of which a run keeps pictures (Figs 4.5, 4.7, 4.8 and 4.10): under the lens, and samples.

    Args:
        experiment: its name; its data are images.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        method: its name.
        seed: of the run, whose pictures are recorded.
        count: how many images of each kind, at most 8.

    Returns:
        A grid whose rows are courses of time, which the book plays.

    Raises:
        ValueError: the run is not recorded with its pictures.
    """
    found = by_method(experiment, tier, data, folder, seed, (method,))
    pictures = next(iter(found.values())).pictures
    if "snapshot_epoch" not in pictures:
        raise not_recorded(experiment, tier, data, seed)
    rows = {
        f"{name} {i + 1}": pictures[f"snapshot_{key}"][:, i]
        for name, key in (("data", "lensed"), ("sample", "sample"))
        for i in range(min(count, pictures[f"snapshot_{key}"].shape[1]))
    }
    return image_grid(rows, zoom=2, moments=[f"epoch {epoch}" for epoch in pictures["snapshot_epoch"]])


def point_picture(points: np.ndarray, centres: np.ndarray, reach: float, side: int, colour: str) -> np.ndarray:
    """Points of the plane counted in squares: light where there is none, the fuller the more there are.

    Args:
        points: (n, 2).
        centres: (m, 2), of modes, grey where no point is.
        reach: of the picture, from −reach to reach in both directions; points beyond are left out.
        side: px.
        colour: of a square with four points or more, as "#rrggbb".

    Returns:
        uint8, (3, side, side), the second coordinate upwards.
    """

    def counted(places: np.ndarray) -> np.ndarray:
        limits = ((-reach, reach), (-reach, reach))
        counts: np.ndarray = np.histogram2d(places[:, 1], places[:, 0], bins=side, range=limits)[0]
        return counts[::-1]

    counts = counted(np.asarray(points, np.float64))
    full = np.where(counts > 0, np.minimum(1, 0.4 + 0.15 * counts), 0)
    ink = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float64)[:, None, None]
    picture = GROUND * (1 - full) + ink * full
    picture[:, (counts == 0) & (counted(np.asarray(centres)) > 0)] = MODE
    return np.rint(picture).astype(np.uint8)
