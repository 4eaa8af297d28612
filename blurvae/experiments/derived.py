"""Numbers made of recorded ones: bounds with a fitted covariance, and terms at equal rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from blurvae import datasets
from blurvae.blur import hermitian_weights
from blurvae.experiments.base import term_of
from blurvae.metrics.fitted import scalar_nats, stationary_nats
from blurvae.metrics.rate_curves import Curve, mean_difference
from blurvae.record import COLLAPSED, Result

BySeed = Mapping[str, Mapping[str, Mapping[int, float]]]  # {metric: {method: {seed: value}}}
SCALE, SPECTRUM = FITTED = ("σ² fitted", "one spectrum fitted")  # the covariances of `fitted_bounds`


def fitted_bounds(result: Result) -> dict[str, float]:
    """The −ELBO of a recorded L2 run once its Σ is fitted to the errors of its own test images, in nats per image.

    Args:
        result: a run of the squared error; its parts are read from "−log p as printed" = ½‖e‖² + KL.

    Returns:
        "σ² fitted": Σ = σ²I, which is D/2·(log 2πσ² + 1) + KL.
        "one spectrum fitted": Σ = F* diag(v) F, one variance a frequency for all images and channels. An estimate:
        records hold the error's power at z = μ, here scaled to the squared error at z ~ q.
        Either is absent where the record lacks what it is made of.
    """
    values = {name: entry.get("mean") for name, entry in result.record["metrics"].items()}
    kl, printed = values.get("KL"), values.get("−log p as printed")
    if kl is None or printed is None:
        return {}
    size, channels = result.run.size, datasets.describe(result.run.data)["shape"][0]
    squared_error = 2 * (printed - kl)
    found = {SCALE: scalar_nats(squared_error, channels * size**2) + kl}
    if "error_power" in result.pictures:
        power = torch.from_numpy(result.pictures["error_power"].astype(np.float64))  # (h, w//2+1), mean of the channels
        power *= squared_error / (channels * (power * hermitian_weights((size, size))).sum())
        found[SPECTRUM] = channels * stationary_nats(power, power, (size, size)).item() + kl
    return found


def scale_gain(result: Result) -> float:
    """By how much a scale of its own would lower the −ELBO of a run, in nats per image: an estimate.

    Records hold no weighted error of test images, so this takes that of the last epoch of training, ½‖We‖², for a term
    that is nothing else ("ε large").

    Returns:
        D/2·(ρ − 1 − log ρ) at ρ = ‖We‖²/D, which is D/2·log of the fitted scale and the error that it leaves.
    """
    size = datasets.describe(result.run.data)["shape"][0] * result.run.size**2
    ratio = 2 * result.record["history"][-1]["reconstruction"] / size
    return size / 2 * (ratio - 1 - math.log(ratio))


def chosen(runs: pd.DataFrame, term: str, criterion: str) -> dict[int, str]:
    """The row of a term, one of several β, that the other seeds choose, by seed.

    Args:
        runs: of `frame`, of an experiment with terms at several β.
        term: such as "wiener".
        criterion: a metric that is to be low, in the mean over the other seeds.

    Returns:
        {seed: method}, for the seeds in which the term is recorded at every β that it has anywhere.
    """
    own = runs[(runs.method.map(term_of) == term) & (runs.metric == criterion)]
    wanted = own.pivot(index="seed", columns="method", values="value").dropna()
    seeds = wanted.index if len(wanted) > 1 else ()
    return {int(seed): str(wanted.drop(index=seed).mean().idxmin()) for seed in seeds}


def at_the_best_beta(runs: pd.DataFrame, term: str, criterion: str) -> dict[int, dict[str, float]]:
    """The values of a term at the β that the other seeds choose, {seed: {metric: value}}; arguments as of `chosen`."""
    found = {}
    for seed, method in chosen(runs, term, criterion).items():
        own = runs[(runs.seed == seed) & (runs.method == method)]
        found[seed] = dict(zip(own.metric, own.value))
    return found


def equal_rate(runs: pd.DataFrame, term: str, rival: str, metric: str, *, log_rate: bool = True) -> dict[int, float]:
    """How much higher a term's curve of a metric over the KL term runs than a rival's, seed by seed.

    Args:
        runs: of `frame`, of an experiment with terms at several β.
        term: the one in question, such as "wiener".
        rival: the term it is compared with.
        metric: a measured column.
        log_rate: see `mean_difference`.

    Returns:
        The mean difference by seed, for the seeds in which both terms are recorded at every β that they have anywhere
        and some KL lies between the least and the largest of both: nothing is extrapolated. A β at which a term's codes
        have collapsed is no point of its curve.

    Raises:
        ValueError: see `mean_difference`.
    """
    rates = runs[runs.metric == "KL"].groupby("method").value.mean()
    speak = {m for m in runs.method if not rates.get(m, COLLAPSED) < COLLAPSED}
    points = {name: sorted(m for m in speak if term_of(m) == name) for name in (rival, term)}
    found: dict[int, float] = {}
    if not all(points.values()):
        return found
    for seed in sorted(set(runs.seed)):
        own = runs[runs.seed == seed]
        wide = own.pivot(index="method", columns="metric", values="value").reindex(columns=["KL", metric])
        a, b = (wide.reindex(points[name]) for name in (rival, term))
        if pd.concat([a, b]).isna().any(axis=None):
            continue
        if max(c["KL"].min() for c in (a, b)) < min(c["KL"].max() for c in (a, b)):
            curves = (Curve(c["KL"].to_numpy(), c[metric].to_numpy()) for c in (a, b))
            found[seed] = mean_difference(*curves, log_rate=log_rate)
    return found


def at_its_rate(values: BySeed, method: str, rival: Sequence[str], metric: str) -> dict[int, float]:
    """How much more a method measures than a rival at the method's own KL, seed by seed.

    Args:
        values: of `recorded.by_seed`.
        method: a row at one β.
        rival: the rows of the rival at several β, between which a straight line over log KL is drawn.
        metric: a measured column.

    Returns:
        The difference by seed, for the seeds in which all are recorded and the KL of the method lies between those of
        the rival: nothing is extrapolated.
    """
    columns = [values.get(column, {}).get(name, {}) for column in ("KL", metric) for name in (method, *rival)]
    found: dict[int, float] = {}
    for seed in sorted(set.intersection(*map(set, columns))):
        kl, value = values["KL"][method][seed], values[metric][method][seed]
        rate, quality = zip(*sorted((values["KL"][name][seed], values[metric][name][seed]) for name in rival))
        if rate[0] <= kl <= rate[-1]:
            found[seed] = value - float(np.interp(np.log(kl), np.log(rate), quality))
    return found
