"""Rules that compare measured columns, seed by seed: the method beside its rivals, at one β or at equal KL."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from blurvae import experiments
from blurvae.claims import records
from blurvae.claims.model import Comparison, Evidence
from blurvae.experiments import derived, recorded
from blurvae.experiments.floors import DISTANCE
from blurvae.experiments.tune import CRITERION


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

    The main paper chose β by the distance of samples. A seed has no part in the choice of its own β. Nothing is decided
    where the choice is none: at an end of the grid, or by a distance that is as large between real images.
    """
    runs = recorded.frame(evidence.experiment, evidence.tier, evidence.data, folder)
    terms = (evidence.method, *evidence.rivals)
    found = {term: derived.at_the_best_beta(runs, term, CRITERION) for term in terms}
    unchosen = {term: _unchosen(evidence, folder, runs, term) for term in terms}
    made = []
    for metric in evidence.metrics:
        sign = 1 if recorded.HIGHER_IS_BETTER[metric] else -1
        for rival in evidence.rivals:
            own, other = (
                {seed: values[metric] for seed, values in found[term].items() if metric in values}
                for term in (evidence.method, rival)
            )
            label, gaps = recorded.label(evidence.experiment, rival), records.gaps(own, other)
            silent = unchosen[evidence.method] or unchosen[rival]
            silent = silent or records.drowned(metric, evidence, folder, own, other)
            made.append(Comparison(metric, label, gaps, sign, digits=recorded.DIGITS[metric], silent=silent))
    return made


def _unchosen(evidence: Evidence, folder: Path | None, runs: pd.DataFrame, term: str) -> str:
    """Why the β that is chosen for a term is no best one; empty where it is."""
    own = runs[runs.method.map(experiments.term_of) == term]
    distances = own[own.metric == CRITERION]
    if records.drowned(CRITERION, evidence, folder, dict(enumerate(distances.value))):
        return "no β can be chosen"
    chosen = {*derived.chosen(runs, term, CRITERION).values()}
    ends = {own.beta.min(), own.beta.max()}
    return "β at an end of its grid" if ends & {*own[own.method.isin(chosen)].beta} else ""


def fitted_covariance(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """The method's −ELBO minus that of L2 with one variance, and with one spectrum, fitted to its errors.

    The first decides nothing: the method has no scale of its own, which alone can turn the sign (chapter 17).
    """
    own = records.values(evidence, folder).get("−ELBO", {}).get(evidence.method, {})
    squared = records.runs(replace(evidence, method="l2"), folder)
    rivals = {r.run.seed: derived.fitted_bounds(r) for r in squared}
    made = []
    for name in derived.FITTED:
        seeds = sorted(seed for seed in own if name in rivals.get(seed, {}))
        gaps = tuple(own[seed] - rivals[seed][name] for seed in seeds)
        silent = "the method has no scale" if name == derived.SCALE else ""
        made.append(Comparison("−ELBO", f"L2, {name}", gaps, sign=-1, digits=0, silent=silent))
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
