"""How often a training fails: counts over seeds with exact intervals."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from blurvae.experiments import recorded

LEVEL = 0.95


def interval(failed: int, runs: int, level: float = LEVEL) -> tuple[float, float]:
    """The exact interval of a probability (Clopper and Pearson 1934), which holds it at least so often.

    Args:
        failed: how many of the runs.
        runs: at least 1.
        level: of confidence, in (0, 1).

    Returns:
        (low, high), in [0, 1].

    Raises:
        ValueError: no runs, or more failures than runs.

    Example:
        >>> round(interval(0, 20)[1], 3)
        0.168
    """
    from scipy.stats import binomtest

    if not 0 <= failed <= runs or runs < 1:
        raise ValueError(f"A rate needs runs, and no more failures than runs, not {failed} of {runs}.")
    found = binomtest(failed, runs).proportion_ci(level, method="exact")
    return float(found.low), float(found.high)


def failure_rates(experiment: str, tier: str, data: str, folder: Path | None = None) -> pd.DataFrame:
    """One row a method, in the order of the table; a training that diverged has failed, too.

    Args:
        experiment: its name; its runs measure "failed".
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.

    Returns:
        Columns method (its label), runs, failed, rate, low, high; runs without the network that the measure needs are
        not counted.
    """
    counts: dict[str, list[bool]] = {}
    for result in recorded.load(experiment, tier, data, folder):
        entry = {} if result.diverged else result.record["metrics"].get("failed", {})
        if result.diverged or "value" in entry:
            own = counts.setdefault(recorded.label(experiment, result.run.method), [])
            own.append(bool(result.diverged) or entry["value"] > 0)
    rows = [
        (label, len(own), sum(own), sum(own) / len(own), *interval(sum(own), len(own))) for label, own in counts.items()
    ]
    return pd.DataFrame(rows, columns=["method", "runs", "failed", "rate", "low", "high"])
