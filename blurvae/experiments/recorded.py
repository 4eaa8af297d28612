"""Recorded runs and published tables as data: read from files, never typed, with the columns that runs measure."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from blurvae import datasets, experiments, paths, text
from blurvae.evaluation import KS, enhancenet, frvsr
from blurvae.evaluation.fitted import COVARIANCES
from blurvae.evaluation.kernels import WHOSE
from blurvae.evaluation.pieces import SECOND
from blurvae.evaluation.rae import COMPONENTS, DENSITIES
from blurvae.evaluation.samples import SIDES
from blurvae.evaluation.small_vae import LIKENESSES
from blurvae.evaluation.vae_gan import SHIFTED
from blurvae.experiments.base import term_of
from blurvae.metrics.shift import SHIFTS
from blurvae.record import Result, read_once

SAMPLED = ("samples", "Gaussian samples", "GMM samples", "N", "data")  # sets with a precision and a recall
HOWS = ("", " (z ~ q)", " (raw)", " (raw, z ~ q)")  # likenesses are measured
DIGITS = {
    **{f"{name}{how}": 2 if name == "PSNR" else 3 for name in LIKENESSES for how in HOWS},
    **{f"LPIPS-{network}": 3 for network in ("squeeze", SECOND)},
    **{f"FD-squeeze ({of})": 0 for of in ("recon", "held-out recon", "interpolation", *SAMPLED)},
    **{f"FD-squeeze (GMM samples, K = {k})": 0 for k in COMPONENTS},
    **{f"FD-{SECOND} ({of})": 0 for of in ("recon", *SAMPLED)},
    **{f"{side}-{features} ({of})": 3 for features in ("squeeze", "pixels") for of in SAMPLED for side in SIDES},
    "high-frequency ratio": 2,
    "log-spectrum distance (recon)": 3,
    "log-spectrum distance (samples)": 3,
    "KL": 1,
    "−ELBO": 0,
    **dict.fromkeys(COVARIANCES, 0),
    "−log p as printed": 0,
    **{f"−log p bound, K = {k}": 0 for k in KS},
    **{f"bits/dim bound, K = {k}": 3 for k in KS},
    "active units": 0,
    "kernel width": 2,
    **{f"kernel error ({whose})": 1 for whose in WHOSE},
    "sharpness": 3,
    "blur percentage": 1,
    **{f"log q of {whose} codes ({name})": 1 for name in DENSITIES for whose in ("training", "held-out")},
    **{"FD-squeeze (mean image)": 0, "modes (samples)": 1, "good samples": 3, "failed": 2},
    **{f"shift {pixels} px ({of})": 2 for pixels in SHIFTS for of in SHIFTED},
    **enhancenet.DIGITS,
    **frvsr.DIGITS,
}
# The high-frequency ratio is best at 1, KL is a price, a printed −log p is lower where more is left out of it (E5),
# noise is sharp, codes of another scale have another density, real images are no model's: none has a better side.
NO_SIDE = (
    "high-frequency ratio",
    *("KL", "−log p as printed", "active units", "kernel width", "sharpness", "blur percentage"),
    *(f"log q of {whose} codes ({name})" for name in DENSITIES for whose in ("training", "held-out")),
    *(f"{what} (data)" for what in ("FD-squeeze", *(f"{side}-{of}" for side in SIDES for of in ("squeeze", "pixels")))),
    "FD-squeeze (mean image)",
    *(name for name in DIGITS if name.startswith(("shift", "kernel error")) or "bicubic" in name),
    *enhancenet.SIDELESS,
    *frvsr.SIDELESS,
)
HIGHER = ("PSNR", "SSIM", "modes", "good", "whole bars", *SIDES)
HIGHER_IS_BETTER = {name: name.startswith(HIGHER) for name in DIGITS if name not in NO_SIDE}
_UNITS = {
    "PSNR": "dB",
    "blur percentage": "%",
    **dict.fromkeys(("KL", "−ELBO", "−log p", "log-spectrum", "log q", "checkerboard"), "nats"),
    **dict.fromkeys(("colour error", "temporal error"), "grey levels"),
    **dict.fromkeys(("flow error", "kernel width"), "px"),
    "time of a frame": "ms",
}
# The paper's columns and the measured one that each stands beside. LPIPS and Fréchet distances use other networks.
PAPER_COLUMNS = {
    "PSNR": "PSNR",
    "SSIM": "SSIM",
    "LPIPS": "LPIPS-squeeze",
    "FID recon": "FD-squeeze (recon)",
    "FID samples": "FD-squeeze (samples)",
    "FID best": "FD-squeeze (samples)",
    "−log p": "−log p as printed",
    "FID Rec": "FD-squeeze (held-out recon)",
    "FID N": "FD-squeeze (N)",
    "FID GM": "FD-squeeze (GMM samples)",
    "FID Int": "FD-squeeze (interpolation)",
    "precision N": "precision-squeeze (N)",
    "recall N": "recall-squeeze (N)",
    "precision GMM": "precision-squeeze (GMM samples)",
    "recall GMM": "recall-squeeze (GMM samples)",
    "PSNR raw": "PSNR (raw, z ~ q)",
    "SSIM raw": "SSIM without border (raw, z ~ q)",
}
NOT_RUN = "not run"
NOTHING = ""  # the metric of a training that diverged
FAILED = "failed"  # 1 of a training that did, 0 of others


def unit(metric: str) -> str:
    """The unit of a metric; empty where it has none."""
    return next((unit for start, unit in _UNITS.items() if metric.startswith(start)), "")


def arrow(metric: str) -> str:
    """The mark behind a metric: " ↑" where more is better, " ↓" where less is, nothing where neither."""
    higher = HIGHER_IS_BETTER.get(metric)
    return "" if higher is None else " ↑" if higher else " ↓"


def load(experiment: str, tier: str, data: str, folder: Path | None = None) -> list[Result]:
    """Every recorded run of an experiment at a tier on a data set, methods in the experiment's order, then seeds.

    Runs that its table shares with another experiment are read from that one's folder.

    Args:
        experiment: its name.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.

    Raises:
        ValueError: an unknown experiment, tier or data set, or a folder that does not exist.
        CorruptFile: a record that cannot be read.
    """
    experiment = experiments.resolve(experiment)
    known = [m.name for m in experiments.get(experiment).METHODS + experiments.get(experiment).VARIANTS]
    experiments.check_tier(tier)
    datasets.describe(data)  # refuses a name that no data set has
    folder = paths.results() if folder is None else Path(folder)
    if not folder.is_dir():
        raise ValueError(
            f"There is no folder of results {folder}: make it with `blurvae run {experiment} --out {folder}`."
        )
    shared = {(run.experiment, run.method) for run in experiments.borrowed(experiment, tier, data)}
    found = [
        result
        for source in dict.fromkeys([experiment, *(owner for owner, _ in shared)])
        for result in _records(folder, source, tier, data)
        if (result.run.data, result.run.tier) == (data, tier)
        and (source == experiment or (source, result.run.method) in shared)
    ]

    def order(result: Result) -> tuple[int, str, int]:
        method = result.run.method
        return known.index(method) if method in known else len(known), method, result.run.seed

    return sorted(found, key=order)


def _records(folder: Path, experiment: str, tier: str, data: str) -> Iterator[Result]:
    """The records in files that name the data set; one that is named otherwise than its run is passed over, aloud.

    A browser or a cloud drive leaves copies, which would count a seed twice.
    """
    for file in sorted((folder / experiment).glob(f"*{text.data_stem(data)}-*-{tier}-s*.json"), key=str):
        if file.name.startswith("."):  # macOS's own
            continue
        result = read_once(file) if re.fullmatch(r".*-s-?\d+", file.stem) else None
        if result is not None and (result.run.experiment, result.run.name) == (experiment, file.stem):
            yield result
        else:
            held = f"the record of {result.run.name}" if result else "no run's record by its name"
            warnings.warn(f"{file} is passed over: it holds {held}. Rename it or remove it.", stacklevel=2)


def frame(experiment: str, tier: str, data: str, folder: Path | None = None) -> pd.DataFrame:
    """One row for each run and metric; one for a run that diverged, its metric empty and its value NaN.

    Returns:
        Columns experiment, data, method, tier, seed, beta, metric, value (mean over images, or the distance), sd_images
        (over the images, NaN for distances), state ("recorded", "diverged (epoch n)", "not finite" or "needs weights
        (file)").
    """
    rows = [
        {
            "experiment": experiment,
            "data": data,
            "method": result.run.method,
            "tier": tier,
            "seed": result.run.seed,
            "beta": result.run.beta,
            "metric": metric,
            "value": entry.get("mean", entry.get("value")),
            "sd_images": entry.get("sd"),
            "state": result.diverged or _state(entry),
        }
        for result in load(experiment, tier, data, folder)
        for metric, entry in ({NOTHING: {}} if result.diverged else result.record["metrics"]).items()
    ]
    columns = ["experiment", "data", "method", "tier", "seed", "beta", "metric", "value", "sd_images", "state"]
    return pd.DataFrame(rows, columns=columns).astype({"value": float, "sd_images": float})


def _state(entry: dict[str, Any]) -> str:
    if "state" in entry:
        return f"{entry['state']} ({entry['what']})"
    return "not finite" if entry.get("mean", entry.get("value")) is None else "recorded"


def lost_as_failed(runs: pd.DataFrame) -> pd.DataFrame:
    """Rows of `frame`, in which a training that diverged has `FAILED`, a value as those of the others."""
    alike = {"metric": FAILED, "value": 1.0, "state": "recorded"}
    return runs.assign(**{column: runs[column].mask(runs.metric == NOTHING, own) for column, own in alike.items()})


def by_seed(
    experiment: str, tier: str, data: str, folder: Path | None = None
) -> dict[str, dict[str, dict[int, float]]]:
    """The values of `frame` that there are: {metric: {method: {seed: value}}}; a training that diverged has failed."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    runs = lost_as_failed(frame(experiment, tier, data, folder)).dropna(subset="value")
    for metric, method, seed, value in zip(runs.metric, runs.method, runs.seed, runs.value):
        found.setdefault(metric, {}).setdefault(method, {})[seed] = value
    return found


def history(experiment: str, tier: str, data: str, folder: Path | None = None) -> pd.DataFrame:
    """One row a run and epoch: method, seed and what `train.fit` returns of an epoch."""
    runs = load(experiment, tier, data, folder)
    rows = [{"method": r.run.method, "seed": r.run.seed, **epoch} for r in runs for epoch in r.record["history"]]
    return pd.DataFrame(rows)


def paper_table(name: str) -> pd.DataFrame:
    """A published table, as printed; one without a folder is the main paper's."""
    return pd.read_csv(paths.paper() / f"{name if '/' in name else f'{experiments.MAIN}/{name}'}.csv")


def paper_data(experiment: str, data: str) -> str:
    """The data set of an experiment's published table that is this one, or that this one stands in for; else empty."""
    module = experiments.get(experiment)
    published = {*paper_table(module.PAPER_TABLE).data} if module.PAPER_TABLE else {module.PAPER_DATA}
    replaced = (datasets.describe(data)["stands_in_for"] or "").lower()
    alike = [name for name in published if name and (name == data or replaced.startswith(name))]
    return data if data in alike else max(alike, key=len, default="")


def label(experiment: str, method: str) -> str:
    """A method's name in tables: "L2" for "l2", "L2, beta=0.4" for a run with a change, "l2,beta=0.4"."""
    module = experiments.get(experiment)
    labels = {m.name: m.label for m in (*module.METHODS, *module.VARIANTS)}
    if method in labels:
        return labels[method]
    # A term of the rate curves is a method at every β, and none without.
    terms = {term_of(name): label.partition(", β")[0] for name, label in labels.items()}
    name, *changes = method.split(",")
    return ", ".join([labels.get(name, terms.get(name, name)), *changes])
