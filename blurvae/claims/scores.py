"""Rules that compare measured columns, seed by seed: the method beside its rivals, at one β or at equal KL."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from blurvae import experiments
from blurvae.claims import records
from blurvae.claims.model import Comparison, Evidence
from blurvae.experiments import derived, recorded
from blurvae.experiments.floors import DISTANCE


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
            silent = silent or records.drowned(metric, evidence, folder, own, other)
            made.append(Comparison(metric, label, gaps, sign, digits=digits, silent=silent))
    return made


def hardly_differs(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether the method differs from each rival by less than the metric's margin; distances in % of the rival's."""
    values, made = records.values(evidence, folder), []
    for metric, margin in zip(evidence.metrics, evidence.margins, strict=True):
        for rival in evidence.rivals:
            own, other = (values.get(metric, {}).get(name, {}) for name in (evidence.method, rival))
            gaps, what, digits = records.gaps(own, other), metric, recorded.DIGITS[metric]
            if metric.startswith(DISTANCE):
                gaps, what, digits = records.excess(own, other), f"{metric}, %", 1
            label = f"{recorded.label(evidence.experiment, rival)}, within ±{margin:g}"
            silent = records.drowned(metric, evidence, folder, own, other)
            made.append(Comparison(what, label, gaps, digits=digits, near=margin, silent=silent))
    return made


def at_the_best_beta(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """The method minus each rival, each at the β at which the other seeds' samples are nearest to the test images.

    The main paper chose β by the distance of samples. A seed has no part in the choice of its own β.
    """
    runs = recorded.frame(evidence.experiment, evidence.tier, evidence.data, folder)
    found = {
        term: derived.at_the_best_beta(runs, term, f"{DISTANCE} (samples)")
        for term in (evidence.method, *evidence.rivals)
    }
    made = []
    for metric in evidence.metrics:
        sign = 1 if recorded.HIGHER_IS_BETTER[metric] else -1
        for rival in evidence.rivals:
            own, other = (
                {seed: values[metric] for seed, values in found[term].items()} for term in (evidence.method, rival)
            )
            label, gaps = recorded.label(evidence.experiment, rival), records.gaps(own, other)
            silent = records.drowned(metric, evidence, folder, own, other)
            made.append(Comparison(metric, label, gaps, sign, digits=recorded.DIGITS[metric], silent=silent))
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
            heights = runs[
                (runs.metric == metric) & runs.method.map(experiments.term_of).isin((evidence.method, rival))
            ]
            silent = records.drowned(metric, evidence, folder, dict(enumerate(heights.value)))
            made.append(Comparison(metric, against, gaps, sign, digits=digits, silent=silent))
    return made


def at_its_rate(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """The method minus one rival at the KL of the method, seed by seed; `rivals` are the rival's rows at several β."""
    values, rows, made = records.values(evidence, folder), (evidence.method, *evidence.rivals), []
    against = f"{recorded.label(evidence.experiment, evidence.rivals[0])} at its KL"
    silent = max(records.collapsed(values.get("KL", {}).get(name, {}).values()) for name in rows)
    for metric in evidence.metrics:
        gaps = tuple(derived.at_its_rate(values, evidence.method, evidence.rivals, metric).values())
        sign = 1 if recorded.HIGHER_IS_BETTER[metric] else -1
        near = records.drowned(metric, evidence, folder, *(values.get(metric, {}).get(name, {}) for name in rows))
        made.append(Comparison(metric, against, gaps, sign, digits=recorded.DIGITS[metric], silent=silent or near))
    return made
