"""Precision and recall of the samples of every recorded model on a data set, whatever experiment it belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from blurvae import experiments
from blurvae.experiments import recorded
from blurvae.pages.figures.looks import BLUE, GREEN, VERMILION
from blurvae.pages.plotting import legend_above
from blurvae.systems import RAE, VAEGAN

DENSITIES = {"samples": "the prior", "GMM samples": "a mixture"}
DATA = "data"
LOOKS: dict[tuple[str, str], dict[str, Any]] = {
    ("VAE", "the prior"): {"color": BLUE, "marker": "o", "markerfacecolor": "white"},
    ("VAE", "a mixture"): {"color": BLUE, "marker": "o"},
    ("autoencoder", "a mixture"): {"color": GREEN, "marker": "s"},
    ("VAE-GAN", "the prior"): {"color": VERMILION, "marker": "^"},
}


def kind(system: object) -> str:
    """What a system is in these figures: "VAE", "autoencoder" (with a deterministic encoder) or "VAE-GAN"."""
    if isinstance(system, VAEGAN):
        return "VAE-GAN"
    return "autoencoder" if isinstance(system, RAE) and system.model.startswith(("rae", "ae")) else "VAE"


def models(data: str, tier: str = "lesson", folder: Path | None = None) -> pd.DataFrame:
    """Precision and recall by clusters of SqueezeNet's features, one row a model and density, means over its seeds.

    A run that several tables show is one model.

    Args:
        data: the data set's name.
        tier: "smoke", "lesson", "study" or "paper".
        folder: of results; the checkout's data/results where None.

    Returns:
        Columns experiment, method, kind (see `kind`), density ("the prior", "a mixture" or "data", the pair of as many
        real images), n (images on each side), precision and recall.
    """
    rows = []
    for name in experiments.EXPERIMENTS:
        if data not in experiments.get(name).GRID.get(tier, {}):
            continue
        for result in recorded.load(name, tier, data, folder):
            metrics = result.record["metrics"]
            for of, density in (DENSITIES | {DATA: DATA}).items():
                entries = [metrics.get(f"{side}-squeeze ({of})", {}) for side in ("precision", "recall")]
                if all("value" in entry for entry in entries):
                    own = (result.run.experiment, result.run.method, kind(result.run.system), density)
                    rows.append((*own, result.run.seed, entries[0]["n"], *(entry["value"] for entry in entries)))
    columns = ["experiment", "method", "kind", "density", "seed", "n", "precision", "recall"]
    found = pd.DataFrame(rows, columns=columns).drop_duplicates(columns[:5])
    return found.groupby(columns[:4], sort=False, as_index=False)[columns[5:]].mean()


def all_models(sets: Sequence[str], tier: str = "lesson", folder: Path | None = None) -> Figure:
    """`model_plane` of the `models` of several data sets; arguments as there."""
    return model_plane({data: models(data, tier, folder) for data in sets})


def model_plane(found: Mapping[str, pd.DataFrame]) -> Figure:
    """Precision over recall, a panel a data set; black crosses, as many real images.

    Args:
        found: of `models`, by data set.
    """
    fig, axes = plt.subplots(1, len(found), figsize=(7.2, 4.7), sharex=True, sharey=True, squeeze=False)
    for ax, (data, every) in zip(axes[0], found.items()):
        ax.plot([0, 1], [0, 1], color="#999999", linewidth=0.8)
        for (what, density), look in LOOKS.items():
            own = every[(every.kind == what) & (every.density == density)]
            if len(own):
                ax.plot(own.recall, own.precision, linestyle="", markersize=4, label=f"{what}, {density}", **look)
        real = every[every.density == DATA]
        ax.plot(real.recall, real.precision, "x", color="black", markersize=6, label="real images")
        ax.set(title=data, xlabel="recall ↑", xlim=(-0.02, 1.03), ylim=(-0.02, 1.03), aspect="equal")
    axes[0][0].set_ylabel("precision ↑")
    legend_above(fig, 3)
    return fig
