"""Rules that compare measured columns, seed by seed: the method beside its rivals, at one β or at equal KL."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from blurvae.claims import records
from blurvae.claims.model import Comparison, Evidence
from blurvae.experiments import derived, recorded


def better(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """The method minus each rival on each metric, seed by seed."""
    values, made = records.values(evidence, folder), []
    for metric in dict.fromkeys((*evidence.metrics, *evidence.worse)):
        side = 1 if recorded.HIGHER_IS_BETTER[metric] else -1
        sign = side if metric in evidence.metrics else -side
        for rival in evidence.rivals:
            own, other = (values.get(metric, {}).get(name, {}) for name in (evidence.method, rival))
            gaps = records.gaps(own, other)
            label, digits = recorded.label(evidence.experiment, rival), recorded.DIGITS[metric]
            rates = values.get("KL", {})
            silent = max(records.collapsed(rates.get(name, {}).values()) for name in (evidence.method, rival))
            made.append(Comparison(metric, label, gaps, sign, digits=digits, silent=silent))
    return made


def smaller_change(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether the step to the second rival changes a metric by more than the step to the first."""
    values, made = records.values(evidence, folder), []
    names = (evidence.method, *evidence.rivals)
    near, far = (recorded.label(evidence.experiment, rival) for rival in evidence.rivals)
    for metric in evidence.metrics:
        own, one, two = (values.get(metric, {}).get(name, {}) for name in names)
        seeds = sorted(own.keys() & one.keys() & two.keys())
        gaps = tuple(abs(own[s] - two[s]) - abs(own[s] - one[s]) for s in seeds)
        against = f"change to {far} minus change to {near}"
        made.append(Comparison(metric, against, gaps, digits=recorded.DIGITS[metric]))
    return made


def fitted_covariance(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """The method's −ELBO minus that of L2 with one variance, and with one spectrum, fitted to its errors."""
    own = records.values(evidence, folder).get("−ELBO", {}).get(evidence.method, {})
    squared = records.runs(replace(evidence, method="l2"), folder)
    rivals = {r.run.seed: derived.fitted_bounds(r) for r in squared}
    made = []
    for name in derived.FITTED:
        seeds = sorted(seed for seed in own if name in rivals.get(seed, {}))
        gaps = tuple(own[seed] - rivals[seed][name] for seed in seeds)
        made.append(Comparison("−ELBO", f"L2, {name}", gaps, sign=-1, digits=0))
    return made


def equal_rate(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """The mean height of the method's curve over KL above a rival's, seed by seed, all β recorded."""
    made, runs = [], recorded.frame(evidence.experiment, evidence.tier, evidence.data, folder)
    for metric in evidence.metrics:
        for rival in evidence.rivals:
            gaps = tuple(derived.equal_rate(runs, evidence.method, rival, metric).values())
            sign = 1 if recorded.HIGHER_IS_BETTER[metric] else -1
            against, digits = f"{recorded.label(evidence.experiment, rival)} at equal KL", recorded.DIGITS[metric]
            made.append(Comparison(metric, against, gaps, sign, digits=digits))
    return made
