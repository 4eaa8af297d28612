"""Comparisons as tables for chapters."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pandas as pd

from blurvae.claims.ledger import load
from blurvae.claims.rules import findings
from blurvae.claims.verdict import NOT_TESTED, Finding
from blurvae.pages.claims.words import decided


def found(name: str, experiments: Collection[str], tier: str = "lesson") -> list[Finding]:
    """What the recorded runs of some experiments say of one claim.

    Args:
        name: of the claim, such as "B2".
        experiments: names of experiments.
        tier: "smoke", "lesson", "study" or "paper".
    """
    claim = next(c for c in load() if c.name == name)
    return [f for f in findings(claim) if f.evidence.experiment in experiments and f.evidence.tier == tier]


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
