"""Comparisons as tables for chapters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from blurvae import paths
from blurvae.claims.ledger import load
from blurvae.claims.model import Claim, Evidence
from blurvae.claims.rules import findings
from blurvae.claims.verdict import NOT_TESTED, Finding
from blurvae.pages.claims.words import decided


def found(name: str, experiments: Collection[str], tier: str = "lesson", folder: Path | None = None) -> list[Finding]:
    """What the runs of some experiments say of one claim.

    Args:
        name: of the claim, such as "B2".
        experiments: names of experiments.
        tier: "smoke", "lesson", "study" or "paper".
        folder: of results; the checkout's data/results where None.
    """
    claim = next(c for c in load() if c.name == name)
    return _judged(claim, lambda e: e.experiment in experiments and e.tier == tier, folder)


def _judged(claim: Claim, asked: Callable[[Evidence], bool], folder: Path | None) -> list[Finding]:
    """The findings on those pieces of a claim's evidence that are asked for; the runs of no other are read."""
    return [*findings(replace(claim, evidence=tuple(filter(asked, claim.evidence))), folder)]


def pieces(made: Iterable[Finding]) -> pd.DataFrame:
    """The verdict of each piece and what is decided in it, one row a piece."""
    rows = [
        {
            "data": f.evidence.data,
            "compared at": f.evidence.point or "–",
            "verdict": f.verdict,
            "decided": "–" if f.verdict == NOT_TESTED else decided(f),
        }
        for f in made
    ]
    return pd.DataFrame(rows).set_index("data")


def decisions(source: str, experiment: str, tier: str, data: str, folder: Path | None = None) -> pd.DataFrame:
    """What the runs of one experiment on one data set decide of each claim that they test, one row a piece.

    Args:
        source: whose claims, such as "tempered".
        experiment: its name.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.

    Returns:
        Columns verdict and what is decided (with the seeds that would decide the rest), by claim, rule and method.
    """
    of = experiment, tier, data
    rows = [
        (claim.name, f.evidence.rule, f.evidence.method, f.verdict, decided(f))
        for claim in load(paths.claims() / f"{source}.toml")
        for f in _judged(claim, lambda e: (e.experiment, e.tier, e.data) == of, folder)
    ]
    by = ["claim", "rule", "method"]
    return pd.DataFrame(rows, columns=[*by, "verdict", "what is decided"]).set_index(by)


def calls(finding: Finding) -> pd.DataFrame:
    """The comparisons of a piece, rivals by metrics: the mean difference, its interval, and how it is called."""
    cells = {(j.comparison.against, j.comparison.what): str(j) for j in finding.judged}
    table = pd.Series(cells).unstack()
    order = [list(dict.fromkeys(names)) for names in zip(*cells, strict=True)]
    return table.reindex(index=order[0], columns=order[1]).fillna("–")


def comparisons(made: Iterable[Finding]) -> pd.DataFrame:
    """Every comparison behind findings: the mean, its interval, and what follows, one a row."""
    rows = [
        {
            "experiment": f.evidence.experiment,
            "data": f.evidence.data,
            "what is measured": j.comparison.what,
            "claimed": j.comparison.against,
            "found": str(j),
        }
        for f in made
        for j in f.judged
    ]
    return pd.DataFrame(rows).set_index("data")
