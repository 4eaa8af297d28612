"""Tables of ratios between recorded numbers, paired by seed: one metric over another, one method over another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from blurvae import experiments
from blurvae.experiments import intervals, recorded


def text(own: Mapping[int, float], other: Mapping[int, float]) -> str:
    """A number over another, values by seed: "0.45 (0.38–0.53)", Student's interval of 95 % in brackets.

    "not run" where no seed has both; no brackets where a single one has.
    """
    if not own.keys() & other.keys():
        return recorded.NOT_RUN
    mean, low, high = intervals.ratio(own, other)
    return f"{mean:.2f}" + (f" ({low:.2f}–{high:.2f})" if low == low else "")


def within(
    experiment: str, tier: str, data: str, pairs: Mapping[str, tuple[str, str]], folder: Path | None = None
) -> pd.DataFrame:
    """One metric over another of the same run, such as samples of the mixture over those of the prior.

    Args:
        experiment: its name.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        pairs: (metric, metric to divide by), by the heading of the column.
        folder: of results; the checkout's data/results where None.

    Returns:
        Strings as of `text`, one row a method in the order of the experiment; "–" where a method has no such metric.
    """
    found, rows = recorded.by_seed(experiment, tier, data, folder), {}
    known = {method for methods in found.values() for method in methods}
    for m in experiments.get(experiment).METHODS:
        cells, absent = {}, "–" if m.name in known else recorded.NOT_RUN
        for heading, (own, other) in pairs.items():
            measured = all(m.name in found.get(metric, {}) for metric in (own, other))
            cells[heading] = text(found[own][m.name], found[other][m.name]) if measured else absent
        rows[m.label] = cells
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def against(
    experiment: str,
    tier: str,
    data: str,
    rival: str,
    methods: Iterable[str],
    metrics: Mapping[str, str],
    folder: Path | None = None,
) -> pd.DataFrame:
    """Methods over a rival, paired by seed.

    Args:
        experiment: its name.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        rival: the method to divide by.
        methods: one row each.
        metrics: measured columns, by their headings.
        folder: of results; the checkout's data/results where None.

    Returns:
        Strings as of `text`.
    """
    found = recorded.by_seed(experiment, tier, data, folder)
    rows = {
        recorded.label(experiment, name): {
            heading: text(*(found.get(metric, {}).get(one, {}) for one in (name, rival)))
            for heading, metric in metrics.items()
        }
        for name in methods
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def sides(
    experiment: str,
    tier: str,
    data: str,
    pairs: Iterable[tuple[str, str]],
    metric: str,
    folder: Path | None = None,
) -> dict[str, list[str]]:
    """On which side of 1 the interval of each ratio lies.

    Args:
        experiment: its name.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        pairs: (method, rival).
        metric: a measured column.
        folder: of results; the checkout's data/results where None.

    Returns:
        Labels of methods by "below", "above" and "open"; pairs with fewer than two seeds in common are left out.
    """
    known = recorded.by_seed(experiment, tier, data, folder).get(metric, {})
    found = dict[str, list[str]](below=[], above=[], open=[])
    for method, rival in pairs:
        own, other = (known.get(name, {}) for name in (method, rival))
        if len(own.keys() & other.keys()) > 1:
            _, low, high = intervals.ratio(own, other)
            side = "below" if high < 1 else "above" if low > 1 else "open"
            found[side].append(recorded.label(experiment, method))
    return found
