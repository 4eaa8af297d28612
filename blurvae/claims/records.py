"""The recorded numbers behind a piece of evidence."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping
from pathlib import Path

from blurvae import experiments
from blurvae.claims.model import Evidence
from blurvae.experiments import floors, recorded
from blurvae.record import COLLAPSED, Result

DROWNED = 0.5  # of the models' distance, from which on that of real images from real ones leaves it little to say


def values(evidence: Evidence, folder: Path | None) -> dict[str, dict[str, dict[int, float]]]:
    """The recorded numbers of the evidence's experiment, {metric: {method: {seed: value}}}."""
    return recorded.by_seed(evidence.experiment, evidence.tier, evidence.data, folder)


def runs(evidence: Evidence, folder: Path | None) -> list[Result]:
    """The runs of the evidence's method that reached their end, with their histories and pictures."""
    found = recorded.load(evidence.experiment, evidence.tier, evidence.data, folder)
    return [result for result in found if result.run.method == evidence.method and not result.diverged]


def collapsed(rates: Collection[float]) -> str:
    """Says "collapsed" where the code of a method's models tells nothing, by their KL terms, one a seed."""
    return "collapsed" if rates and statistics.fmean(rates) < COLLAPSED else ""


def drowned(metric: str, evidence: Evidence, folder: Path | None, *models: Mapping[int, float]) -> str:
    """Says so where real images are as far from real ones as half of the way that a distance's models are.

    Args:
        metric: a measured column; none but Fréchet distances can drown.
        evidence: whose runs are compared.
        folder: of results.
        models: the distances of one or more models by seed.
    """
    if not (metric.startswith(floors.DISTANCE) and all(models)):
        return ""
    run = experiments.get(evidence.experiment).runs(evidence.tier, evidence.data, (0,))[0]
    floor = floors.load(folder).get(floors.key(run), 0.0)
    near = min(statistics.fmean(values.values()) for values in models)
    return "real against real is as far" if floor >= DROWNED * near else ""


def gaps(own: Mapping[int, float], other: Mapping[int, float]) -> tuple[float, ...]:
    """One number minus another, for the seeds that have both."""
    return tuple(own[seed] - other[seed] for seed in sorted(own.keys() & other.keys()))


def excess(own: Mapping[int, float], other: Mapping[int, float]) -> tuple[float, ...]:
    """By how many per cent one number is larger than another, for the seeds that have both."""
    return tuple(100 * (own[seed] / other[seed] - 1) for seed in sorted(own.keys() & other.keys()))
