"""Bounds on −log p as a table for pages: as printed, as densities, and with fitted covariances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from blurvae import experiments
from blurvae.experiments.recorded import frame, label
from blurvae.pages.runs import not_recorded
from blurvae.systems import BlurVAE

COLUMNS = ("−log p as printed", "−ELBO", "−ELBO, σ² fitted", "−ELBO, spectrum fitted")


def bounds(experiment: str, tier: str, data: str, folder: Path | None = None) -> pd.DataFrame:
    """Bounds on −log p of L2, the Wiener term and its proper variant in every form, means over the seeds in nats.

    Returns:
        Columns "−log p as printed" (as Table 6 of the main paper), "−ELBO" of the density that the model defines, and
        those with a covariance that is fitted to errors of training images, see `evaluation.fitted`.

    Raises:
        ValueError: no run of L2 is recorded.
    """
    runs = frame(experiment, tier, data, folder)
    if "l2" not in set(runs.method):
        raise not_recorded(experiment, tier, data, pictures=False)
    means = runs.groupby(["method", "metric"]).value.mean().unstack()
    methods = experiments.get(experiment).METHODS + experiments.get(experiment).VARIANTS
    rows = [m.name for m in methods if _term(m) in ("l2", "wiener", "wiener-proper")]
    shown: Any = means.reindex(index=rows, columns=list(COLUMNS))
    shown = shown.rename(index=lambda method: label(experiment, method))
    return shown.map(lambda nats: "–" if pd.isna(nats) else f"{nats:.0f}").rename_axis(columns=None)


def _term(method: experiments.Method) -> str:
    """The name of a VAE's reconstruction term, empty for another system."""
    return method.system.term.name if isinstance(method.system, BlurVAE) else ""
