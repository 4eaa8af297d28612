"""How often a training fails: counts over seeds with exact intervals, and two methods seed by seed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from blurvae.experiments import intervals, recorded
from blurvae.record import Result

DISTANCE = "FD-squeeze (samples)"


def interval(failed: int, runs: int, level: float = intervals.LEVEL) -> tuple[float, float]:
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
    rows = []
    for method, own in _outcomes(experiment, tier, data, folder).items():
        runs, failed = len(own), sum(own.values())
        rows.append((recorded.label(experiment, method), runs, failed, failed / runs, *interval(failed, runs)))
    return pd.DataFrame(rows, columns=["method", "runs", "failed", "rate", "low", "high"])


def mcnemar(first: int, second: int) -> float:
    """The exact two-sided p-value of two rates over the same seeds (McNemar 1947), in [0, 1].

    Where both methods fail equally often, a seed that one of them alone fails is as often the one's as the other's.

    Args:
        first: seeds that the first method alone fails.
        second: seeds that the second alone fails.

    Example:
        >>> mcnemar(5, 0)
        0.0625
    """
    from scipy.stats import binomtest

    return float(binomtest(first, first + second).pvalue) if first + second else 1.0


def paired_failures(
    experiment: str,
    tier: str,
    data: str,
    pairs: Iterable[tuple[str, str]],
    folder: Path | None = None,
    metric: str = DISTANCE,
) -> pd.DataFrame:
    """Two methods on the same seeds, a row a pair: which of them fail, and how the distances of their samples compare.

    Args:
        experiment: its name; its runs measure "failed".
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        pairs: of names of methods.
        folder: of results; the checkout's data/results where None.
        metric: a distance, above 0.

    Returns:
        Columns method and rival (labels), seeds (that both have), both, only_method, only_rival (of them fail), p (see
        `mcnemar`), ratio, low, high (see `intervals.ratio`; a training that diverged has no distance) and smaller
        (seeds in which the method's distance is). No row where no seed has both.
    """
    outcomes, frame = _outcomes(experiment, tier, data, folder), recorded.frame(experiment, tier, data, folder)
    wide = frame[frame.metric == metric].pivot(index="seed", columns="method", values="value")
    rows = []
    for pair in pairs:
        one, other = (outcomes.get(name, {}) for name in pair)
        if not (seeds := sorted(one.keys() & other.keys())):
            continue
        alone = sum(one[s] > other[s] for s in seeds), sum(one[s] < other[s] for s in seeds)
        both = sum(one[s] and other[s] for s in seeds)
        found = wide.reindex(index=seeds, columns=list(pair)).dropna()
        a, b = (dict(zip(map(int, found.index), found[name])) for name in pair)
        compared = intervals.ratio(a, b) if a else (float("nan"),) * 3
        labels = (recorded.label(experiment, name) for name in pair)
        smaller = sum(a[seed] < b[seed] for seed in a)
        rows.append((*labels, len(seeds), both, *alone, mcnemar(*alone), *compared, smaller))
    columns = ["method", "rival", "seeds", "both", "only_method", "only_rival", "p", "ratio", "low", "high", "smaller"]
    return pd.DataFrame(rows, columns=columns)


def outcome(result: Result) -> bool | None:
    """Whether a recorded training failed; None where the network that the measure needs was absent."""
    if result.diverged:
        return True
    value = result.record["metrics"].get("failed", {}).get("value")
    return None if value is None else value > 0


def _outcomes(experiment: str, tier: str, data: str, folder: Path | None) -> dict[str, dict[int, bool]]:
    """By method and seed whether the training failed, methods in the order of the table."""
    found: dict[str, dict[int, bool]] = {}
    for result in recorded.load(experiment, tier, data, folder):
        if (failed := outcome(result)) is not None:
            found.setdefault(result.run.method, {})[result.run.seed] = failed
    return found
