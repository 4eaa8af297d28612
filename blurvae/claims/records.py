"""The recorded numbers behind a piece of evidence."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping
from pathlib import Path

from blurvae.claims.model import Evidence
from blurvae.experiments import recorded
from blurvae.record import COLLAPSED, Result


def values(evidence: Evidence, folder: Path | None) -> dict[str, dict[str, dict[int, float]]]:
    """The recorded numbers of the evidence's experiment, {metric: {method: {seed: value}}}."""
    return recorded.by_seed(evidence.experiment, evidence.tier, evidence.data, folder)


def runs(evidence: Evidence, folder: Path | None) -> list[Result]:
    """The runs of the evidence's method that reached their end, with their histories and pictures."""
    found = recorded.load(evidence.experiment, evidence.tier, evidence.data, folder)
    return [result for result in found if result.run.method == evidence.method and not result.diverged]


def collapsed(rates: Collection[float]) -> bool:
    """Whether the code of a method's models tells nothing, by their KL terms, one a seed."""
    return bool(rates) and statistics.fmean(rates) < COLLAPSED


def gaps(own: Mapping[int, float], other: Mapping[int, float]) -> tuple[float, ...]:
    """One number minus another, for the seeds that have both."""
    return tuple(own[seed] - other[seed] for seed in sorted(own.keys() & other.keys()))
