"""The linear model as a row of a table: all that is measured of a network, at the network's KL, without any training.

`python -m blurvae.experiments.pca` fits the linear VAE (principal components, chapter 4) to the training images of all
recorded tables of the main paper and measures it at 9 values of β by the evaluation that measures the networks, on the
same test images; it writes data/results/pca/<data>-<px>px-<n>-<n>.json. `blurvae.experiments.linear` has PSNR on a
finer grid.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch

from blurvae import datasets, experiments, paths
from blurvae.datasets import ImageSet
from blurvae.errors import CorruptFile
from blurvae.evaluation import Measured
from blurvae.evaluation.fitted import fitted_bounds
from blurvae.evaluation.vae import VAEEvaluation
from blurvae.experiments import linear, recorded
from blurvae.losses import L2
from blurvae.models.linear import LinearCoder, LinearVAE, fit_linear_vae
from blurvae.provenance import provenance
from blurvae.record import Result, Run, image_sets
from blurvae.systems import BlurVAE
from blurvae.systems.vae import Players

NAME = "pca"
BETAS = linear.BETAS[2:20:2]  # 0.02 to 10
TABLES = ("bredell/table5", "bredell/table2", "bredell/table3", "bredell/rate", "bredell/study", "bredell/longer")


@dataclass(frozen=True)
class Images:
    """What a run sees, and the linear model of it.

    Attributes:
        run: the run.
        train: its training images.
        test: its test images.
        model: of `fit_linear_vae`, with the run's length of z.
    """

    run: Run
    train: ImageSet
    test: ImageSet
    model: LinearVAE

    def measure(self, beta: float) -> Measured:
        """All that `VAEEvaluation` measures of a network, and its pictures, of the linear model at β.

        Left out is what takes a mixture over the codes. "−ELBO" is that of Σ = I; those with fitted covariances are
        there too.
        """
        coder, seed, cpu = LinearCoder(self.model, beta), self.run.seed, torch.device("cpu")
        system = BlurVAE(L2(), beta, latent=coder.latent)
        measured = VAEEvaluation(system, self.run.budget, None, self.test, cpu).measure(Players(coder, None))
        for name, nats in fitted_bounds(coder, self.train, self.test, cpu, seed + 3).items():
            measured.add(name, nats)
        return measured


def images(run: Run) -> Images:
    """Loads what a run sees and fits the linear model to its training images.

    Raises:
        MissingData: the data set is not on this machine.
    """
    train, test = image_sets(run)
    model = fit_linear_vae(datasets.to_float(train.tensor()), cast(BlurVAE, run.system).latent)
    return Images(run, train, test, model)


def path(run: Run, folder: Path | None = None) -> Path:
    """The curves on the images that a run sees, below a folder of results (the checkout's data/results where None)."""
    return (folder or paths.results()) / NAME / linear.path(run).name


def curves(run: Run, betas: Sequence[float] = BETAS) -> dict[str, Any]:
    """Every metric of the linear model of a run's images over β.

    Returns:
        {"run", "data", "beta", "metrics", "provenance"}; "metrics" has a list by name, means over the test images or
        distances; a metric whose network is not here is left out.

    Raises:
        MissingData: the data set is not on this machine.
    """
    seen = images(run)
    found: dict[str, list[float]] = {}
    for beta in betas:
        for name, entry in seen.measure(beta).metrics.items():
            if "state" not in entry:
                found.setdefault(name, []).append(float(f"{entry.get('mean', entry.get('value')):.6g}"))
    data = {"name": seen.train.name, "checksum": seen.train.checksum}
    return {
        "run": {"size": run.size, "latent": seen.model.basis.shape[1]},
        "data": data | {"n_train": len(seen.train), "n_test": len(seen.test)},
        "beta": list(betas),
        "metrics": found,
        "provenance": provenance(torch.device("cpu")),
    }


def at_equal_kl(result: Result, folder: Path | None = None) -> dict[str, float]:
    """What the linear model measures at the KL of a recorded run, linear in log KL between the recorded values of β.

    Args:
        result: a run that has a KL term.
        folder: of results; the checkout's data/results where None.

    Returns:
        By metric; empty where no curve of these images is recorded, the run diverged, or its KL is beyond the curve.

    Raises:
        CorruptFile: the curve is not whole.
    """
    file = path(result.run, folder)
    kl = None if result.diverged else result.record["metrics"].get("KL", {}).get("mean")
    if kl is None or not file.exists():
        return {}
    try:
        table = pd.DataFrame(json.loads(file.read_text(encoding="utf-8"))["metrics"], dtype=float).sort_values("KL")
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFile(
            f"{file} is not a whole record ({error}): remove it and run `python -m blurvae.experiments.pca`."
        ) from error
    table = table[table.KL > 0]
    if not table.KL.min() <= kl <= table.KL.max():
        return {}
    found = {str(name): float(np.interp(np.log(kl), np.log(table.KL), table[name])) for name in table}
    return found | {"KL": kl}  # by definition: it is no straight line over its own logarithm


def rows(experiment: str, tier: str, data: str, folder: Path | None = None) -> pd.DataFrame:
    """The row of the linear model for each recorded run of a table, beside the run's own values.

    Returns:
        Columns method (the run's), seed, metric, value (the run's), linear (at the run's KL), deficit (by how much the
        linear model is better in the metric's own unit, negative where the network is; NaN for a metric of which
        neither side is better).
    """
    found = []
    planned = experiments.get(experiment).runs(tier, data, (0,))
    known = any(path(run, folder).exists() for run in planned)  # else no record has to be read
    for result in recorded.load(experiment, tier, data, folder) if known else ():
        for metric, linear_value in at_equal_kl(result, folder).items():
            entry = result.record["metrics"].get(metric, {})
            own = entry.get("mean", entry.get("value"))
            if own is not None:
                higher = recorded.HIGHER_IS_BETTER.get(metric)
                sign = np.nan if higher is None else 1.0 if higher else -1.0
                deficit = sign * (linear_value - own)
                found.append((result.run.method, result.run.seed, metric, own, linear_value, deficit))
    return pd.DataFrame(found, columns=["method", "seed", "metric", "value", "linear", "deficit"])


def main() -> None:
    """Records the curves that are missing, see `linear.record_missing`."""
    every = (
        result.run
        for name in TABLES
        for tier, sets in experiments.get(name).GRID.items()
        for data in sets
        if tier != "smoke"
        for result in recorded.load(name, tier, data)
    )
    linear.record_missing({path(run): run for run in every}, curves)


if __name__ == "__main__":
    main()
