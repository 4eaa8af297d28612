"""Tables of quality and rate: what each term takes at each β, and how terms compare at one β and at one rate."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from blurvae.experiments import derived, intervals, recorded, term_of
from blurvae.experiments.bredell.rate import TERMS, betas
from blurvae.pages import tables
from blurvae.pages.figures import RATE_PANELS
from blurvae.pages.runs import by_rate

NO_KL = "no KL in common"
_NOT_FOR_PHOTOGRAPHS = {"mnist": ("LPIPS-squeeze",)}  # it was learned on photographs


def runs(data: str, tier: str, folder: Path | None = None, experiment: str = "rate") -> pd.DataFrame:
    """The runs of a rate experiment: columns method, term, beta, seed, and a column for each metric."""
    return by_rate(experiment, tier, data, folder)


def kl_table(data: str, tier: str, folder: Path | None = None) -> pd.DataFrame:
    """Nats per test image, mean ± standard deviation over seeds: one row a term, one column a value of β."""
    cells = runs(data, tier, folder).groupby(["term", "beta"]).KL.agg(["mean", "std"])
    text = cells.apply(lambda cell: f"{cell['mean']:.1f} ± {cell['std']:.1f}", axis=1).unstack("beta")
    labels = {term.name: term.label for term in TERMS if term.name in text.index}
    return text.loc[list(labels)].rename(labels).rename_axis(columns="β")


def heights(
    term: str,
    rival: str,
    data: str,
    tier: str,
    folder: Path | None = None,
    *,
    experiment: str = "rate",
    log_rate: bool = True,
) -> dict[str, intervals.Interval | None]:
    """A term minus its rival at equal KL, by metric: the mean over seeds and Student's interval of 95 %.

    None where no seed has both at all of their β with some KL between the least and the largest of both; no metric at
    all where one of the two is not recorded.

    Args:
        term: name of the term, such as "wiener".
        rival: name of the other term.
        data: data set.
        tier: size of the runs.
        folder: of results; the recorded ones where None.
        experiment: with both terms at several β.
        log_rate: average over the logarithm of the KL term, or over the term itself.
    """
    measured = recorded.frame(experiment, tier, data, folder).dropna(subset="value")
    if not {term, rival} <= {*measured.method.map(term_of)}:
        return {}
    present = set(measured.metric) - set(_NOT_FOR_PHOTOGRAPHS.get(data, ()))
    panels = (panel for panel in RATE_PANELS if panel in present)
    found = {m: derived.equal_rate(measured, term, rival, m, log_rate=log_rate) for m in panels}
    return {m: intervals.student(by_seed.values()) if by_seed else None for m, by_seed in found.items()}


def height_text(found: dict[str, intervals.Interval | None], metric: str) -> str:
    """One of `heights` in words: "+0.12 (+0.03 to +0.21)", "not run" or "no KL in common"."""
    if metric not in found:
        return recorded.NOT_RUN
    height = found[metric]
    return NO_KL if height is None else f"{height:+.{recorded.DIGITS[metric]}f}"


def equal_kl(
    term: str,
    data: str,
    tier: str,
    folder: Path | None = None,
    *,
    log_rate: bool = True,
) -> dict[str, str]:
    """`heights` of a term over L2 in words, by metric; no metric where one of the two is not recorded."""
    found = heights(term, "l2", data, tier, folder, log_rate=log_rate)
    return {metric: height_text(found, metric) for metric in found}


def sides(found: dict[str, intervals.Interval | None]) -> dict[str, list[str]]:
    """Metrics by which side of 0 the intervals of `heights` lie on: "ahead", "behind" or "open".

    Metrics without a better side, and those of which a single seed says nothing, are left out.
    """
    made = dict[str, list[str]](ahead=[], behind=[], open=[])
    for metric, height in found.items():
        higher = recorded.HIGHER_IS_BETTER.get(metric)
        if higher is not None and height is not None and height.low == height.low:
            low, high = (height.low, height.high) if higher else (-height.high, -height.low)
            made["ahead" if low > 0 else "behind" if high < 0 else "open"].append(metric)
    return made


def side_by_side(term: str, data: str, tier: str, folder: Path | None = None) -> pd.DataFrame:
    """A term minus L2: one row for each β that both were trained at, and one for equal KL."""
    level = equal_kl(term, data, tier, folder)
    rows = {}
    for beta in betas(data):
        at_beta = tables.compare(
            "rate", tier, data, f"{term},beta={beta:g}", (f"l2,beta={beta:g}",), tuple(level), folder
        )
        rows[f"β = {beta:g}"] = at_beta.iloc[:, 0]
    return pd.DataFrame(rows | {"equal KL": pd.Series(level)}).T
