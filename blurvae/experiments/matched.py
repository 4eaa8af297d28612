"""Squared error at the rate of a table's method: the control that a comparison at one β lacks, without a training.

Where L2 is recorded at several β with the images, networks and budget of a table, it is read off at the KL of a method,
seed by seed, on a straight line over log KL between its runs (`derived.at_its_rate`).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from blurvae import experiments
from blurvae.experiments import derived, recorded

CURVES = "bredell/rate64"  # with L2 at several β
TABLES = ("bredell/table1", "bredell/table2", "bredell/table3", "bredell/table6")  # of the same budget
TIER = "lesson"


def rows(experiment: str, tier: str, data: str, folder: Path | None = None, *, method: str = "wiener") -> pd.DataFrame:
    """L2 at the KL of a method of a table.

    Args:
        experiment: its name.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        method: whose KL it is.

    Returns:
        Columns seed, metric, value; for the seeds in which the KL of the method lies between those of two runs of L2,
        nothing is extrapolated. Empty for a table of another budget, and where no such runs are recorded.
    """
    name, found = experiments.resolve(experiment), []
    if name in TABLES and tier == TIER and data in experiments.get(CURVES).GRID[TIER]:
        own = recorded.by_seed(name, tier, data, folder)
        known = recorded.by_seed(CURVES, tier, data, folder)
        levels = sorted(m for m in known.get("KL", {}) if experiments.term_of(m) == "l2")
        for metric, by_method in own.items() if len(levels) > 1 else ():
            values = {key: {**known.get(key, {}), method: own[key].get(method, {})} for key in ("KL", metric)}
            for seed, gap in derived.at_its_rate(values, method, levels, metric).items():
                at_rate = by_method[method][seed] - (gap if metric != "KL" else 0)
                found.append((seed, metric, at_rate))
    return pd.DataFrame(found, columns=["seed", "metric", "value"])
