"""How far the recorded networks are from a linear model at their own rate: the model's curves, recorded once.

`python -m blurvae.experiments.linear` fits the linear VAE to the training images of every experiment at tier "lesson",
measures it on the same test images at 25 values of β, and writes data/results/linear/<data>-<px>px-<n>-<n>.json. No
network is trained. The deficit of a network is the PSNR of that curve at the network's KL, minus the network's PSNR.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from blurvae import datasets, experiments, losses, metrics, paths
from blurvae.errors import CorruptFile, MissingData
from blurvae.evaluation import centre
from blurvae.experiments import recorded
from blurvae.files import write_json
from blurvae.models.linear import fit_linear_vae, linear_vae
from blurvae.provenance import provenance
from blurvae.record import Run, image_sets
from blurvae.systems import BlurVAE
from blurvae.text import data_stem

BETAS = tuple(float(f"{beta:.4g}") for beta in np.geomspace(0.01, 100, 25))
# Experiments whose networks are set beside the curves.
SHOWN = ("bredell/table5", "bredell/table2", "bredell/table3", "bredell/rate")
TERMS = {"l2": "L2", "wiener": "Wiener"}  # with their names in tables


@dataclass(frozen=True)
class Deficit:
    """One term at one β on one data set, beside the linear model.

    Attributes:
        experiment: whose runs they are.
        data: the data set's name.
        size: px.
        label: of the term.
        beta: β.
        kl: nats per image, one a seed.
        psnr: dB, one a seed.
        linear: dB, the linear model at the KL of each seed.
    """

    experiment: str
    data: str
    size: int
    label: str
    beta: float
    kl: tuple[float, ...]
    psnr: tuple[float, ...]
    linear: tuple[float, ...]

    @property
    def decibels(self) -> tuple[float, ...]:
        """By how much the linear model is better, one a seed."""
        return tuple(a - b for a, b in zip(self.linear, self.psnr))


def path(run: Run, folder: Path | None = None) -> Path:
    """The curve on the images that a run sees, below a folder of results (the checkout's data/results where None)."""
    sizes = f"{run.size}px-{run.n_train or 'all'}-{run.n_test or 'all'}"
    return (folder or paths.results()) / "linear" / f"{data_stem(run.data)}-{sizes}.json"


def curve(run: Run, betas: Sequence[float] = BETAS) -> dict[str, Any]:
    """Fits the linear model to a run's training images, with its length of z, and measures it on its test images.

    Args:
        run: names the data set, its sizes and the length of z.
        betas: the values of β.

    Returns:
        {"run", "data", "beta", "KL", "PSNR", "provenance"}; the measured lists are means over the test images, from
        z = μ, in nats and dB.

    Raises:
        MissingData: the data set is not on this machine.
    """
    train, test = image_sets(run)
    latent = cast(BlurVAE, run.system).latent
    model = fit_linear_vae(datasets.to_float(train.tensor()), latent)
    x = datasets.to_float(test.tensor())
    unit = centre((x + 1) / 2, test)
    measured: dict[str, list[float]] = {"KL": [], "PSNR": []}
    for beta in betas:
        x_hat, kl = linear_vae(model, x, beta)
        shown = centre(((x_hat + 1) / 2).clamp(0, 1), test)
        for name, values in (("KL", kl), ("PSNR", metrics.psnr(unit, shown))):
            measured[name].append(float(f"{values.mean().item():.6g}"))
    seen = {"name": train.name, "checksum": train.checksum, "n_train": len(train), "n_test": len(test)}
    return {
        "run": {"size": run.size, "latent": latent},
        "data": seen,
        "beta": list(betas),
        **measured,
        "provenance": provenance(torch.device("cpu")),
    }


def read(file: Path) -> dict[str, list[float]]:
    """The recorded KL and PSNR of a curve, KL ascending; components that nobody sends are left out.

    Raises:
        CorruptFile: the file is not whole.
    """
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        points = sorted({(kl, psnr) for kl, psnr in zip(record["KL"], record["PSNR"], strict=True) if kl > 0})
        if len(points) < 2 or not np.isfinite(points).all():
            raise ValueError("fewer than two points")
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFile(
            f"{file} is not a whole curve ({error}): remove it and run `python -m blurvae.experiments.linear`."
        ) from error
    return {"KL": [kl for kl, _ in points], "PSNR": [psnr for _, psnr in points]}


def deficits(folder: Path | None = None) -> list[Deficit]:
    """Every recorded L2 and Wiener network of tier "lesson" beside the linear model at its rate.

    A network whose KL lies outside the curve, or whose data set has none, is left out.
    """
    found: dict[tuple[str, str, int, str, float], list[tuple[float, float, float]]] = {}
    curves: dict[Path, dict[str, list[float]]] = {}
    for name in SHOWN:
        for data in experiments.get(name).GRID["lesson"]:
            for result in recorded.load(name, "lesson", data, folder):
                run, measured, file = result.run, result.record["metrics"], path(result.run, folder)
                if (term := _term(run)) not in TERMS or run.experiment != name or not file.exists() or result.diverged:
                    continue
                line = curves[file] if file in curves else curves.setdefault(file, read(file))
                kl, psnr = measured["KL"]["mean"], measured["PSNR"]["mean"]
                if line["KL"][0] <= kl <= line["KL"][-1]:
                    linear = float(np.interp(np.log(kl), np.log(line["KL"]), line["PSNR"]))
                    key = (name, data, run.size, TERMS[term], cast(BlurVAE, run.system).beta)
                    found.setdefault(key, []).append((kl, psnr, linear))
    return [Deficit(*key, *(tuple(column) for column in zip(*rows))) for key, rows in found.items()]


def _term(run: Run) -> str:
    """The name of a VAE's term where it has its own constants, else nothing."""
    term = run.system.term if isinstance(run.system, BlurVAE) else None
    return term.name if term is not None and term == losses.get(term.name) else ""


def table(folder: Path | None = None) -> list[str]:
    """The deficits as lines of a Markdown table, one row a term and data set, over the β that are recorded."""
    groups: dict[tuple[str, str], list[Deficit]] = {}
    for one in deficits(folder):
        where = f"{one.data}, {one.size} px ({one.experiment.partition('/')[2]})"
        groups.setdefault((where, one.label), []).append(one)
    rows = ["| data | term | KL (nats) | network (dB) | linear (dB) | deficit (dB) |", "|---|---|---|---|---|---|"]
    for (where, label), own in groups.items():
        cells = [
            _span([float(np.mean(getattr(one, key))) for one in own], digits)
            for key, digits in (("kl", 0), ("psnr", 1), ("linear", 1), ("decibels", 1))
        ]
        rows.append(f"| {where} | {label} | {' | '.join(cells)} |")
    return rows if groups else ["No curve of the linear model is recorded: `python -m blurvae.experiments.linear`."]


def _span(values: list[float], digits: int) -> str:
    """The one value, or the lowest and the highest."""
    low, high = (f"{value:.{digits}f}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def record_missing(files: Mapping[Path, Run], make: Callable[[Run], dict[str, Any]]) -> None:
    """Records what is missing; a data set that is not here is named and passed over.

    Args:
        files: the run whose images each file is about.
        make: a record of them.
    """
    for file, run in files.items():
        if file.exists():
            continue
        try:
            record = make(run)
        except MissingData as error:
            print(f"{run.data}: {error}", file=sys.stderr)
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, record)
        print(file, flush=True)


def main() -> None:
    """Records the curves that are missing, see `record_missing`."""
    record_missing({path(run): run for run in _runs()}, curve)


def _runs() -> list[Run]:
    """One run for each set of images that the networks of `SHOWN` see."""
    every = [
        run
        for name in SHOWN
        for data in experiments.get(name).GRID["lesson"]
        for run in experiments.get(name).runs("lesson", data, (0,))
    ]
    return list({path(run): run for run in every}.values())


if __name__ == "__main__":
    main()
