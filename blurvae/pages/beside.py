"""What stands beside what: a method beside its rival, by seed, and trained networks beside the linear model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from blurvae import experiments
from blurvae.experiments import intervals, pca, recorded
from blurvae.pages.tables import spread

MEASURED = ("PSNR", "SSIM", "LPIPS-squeeze", "LPIPS-alex")
ONE_SEED = "one seed"


def mean_gap(gaps: Sequence[float], form: str = "+.2f") -> str:
    """What differences of two methods say, a number a seed, as a cell of a table has it.

    Args:
        gaps: as `claims.records.gaps` pairs them.
        form: of each number.

    Returns:
        Their mean with Student's interval of 95 %; "one seed" where there is one, "not run" where there is none.

    Example:
        >>> mean_gap([1.0, 2.0, 3.0])
        '+2.00 (−0.48 to +4.48)'
    """
    if len(gaps) < 2:
        return ONE_SEED if gaps else recorded.NOT_RUN
    return format(intervals.student(gaps), form)


def linear(
    experiment: str, tier: str, data: str, folder: Path | None = None, metrics: Sequence[str] = MEASURED
) -> pd.DataFrame:
    """Each method of an experiment and, below it, the linear model at the KL of its runs.

    Args:
        experiment: its name.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        metrics: measured columns, after the KL term.

    Returns:
        Strings, mean ± sd over seeds; "not run" where nothing is recorded, "–" where no curve of the linear model is.
    """
    runs = recorded.frame(experiment, tier, data, folder)
    sides = pca.rows(experiment, tier, data, folder)
    rows = {}
    for m in experiments.get(experiment).METHODS:
        own, other = runs[runs.method == m.name], sides[sides.method == m.name]
        other = other.assign(value=other.linear, state="recorded", sd_images=float("nan"))
        for name, cells in (("network", own), ("linear model", other)):
            empty = "–" if len(own) else recorded.NOT_RUN
            columns = ("KL", *metrics)
            rows[m.label, name] = {c: spread(cells, c, "seeds") if len(cells) else empty for c in columns}
    return pd.DataFrame.from_dict(rows, orient="index")


def deficits(
    experiment: str, tier: str, data: str, metric: str = "PSNR", folder: Path | None = None
) -> dict[str, intervals.Interval]:
    """By how much the linear model at a network's own KL is better, by the label of its method.

    Args:
        experiment: its name.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        metric: a measured column with a better side.
        folder: of results; the checkout's data/results where None.

    Returns:
        The mean over seeds and Student's interval of 95 %, in the metric's unit, negative where the network is better;
        without the methods of which no run or no curve is recorded.
    """
    found = pca.rows(experiment, tier, data, folder)
    found = found[found.metric == metric].dropna(subset="deficit")
    by_method = {str(method): list(own) for method, own in found.groupby("method").deficit}
    known = experiments.get(experiment).METHODS
    return {m.label: intervals.student(by_method[m.name]) for m in known if m.name in by_method}


def said(found: dict[str, intervals.Interval], unit: str = "dB", digits: int = 1) -> str:
    """Deficits as a sentence says them: "L2 1.2 dB (0.9 to 1.5), Wiener 0.8 dB"; "not run" where there are none."""
    parts = []
    for label, interval in found.items():
        mean, *bounds = f"{interval:.{digits}f}".partition(" ")
        parts.append(f"{label} {mean} {unit}{''.join(bounds)}")
    return ", ".join(parts) or recorded.NOT_RUN
