"""Tables 6.2 and 6.3 of Sajjadi (2024) in few columns, printed beside measured, and terms by densities of the codes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from blurvae import experiments
from blurvae.experiments import recorded
from blurvae.pages import ratios, tables
from blurvae.pages.figures.ex_post import FLOOR, SOURCES

DISTANCES = {
    "Rec": "FD-squeeze (held-out recon)",
    "N": "FD-squeeze (N)",
    "GM": "FD-squeeze (GMM samples)",
    "Int": "FD-squeeze (interpolation)",
}
SETS = {"N": "N", "GMM": "GMM samples"}  # of Table 6.3, as its columns name them and as ours do


def distances(tier: str, data: str, folder: Path | None = None) -> tuple[pd.DataFrame, str]:
    """Table 6.2: each model's four distances, ours in thousands with half of Student's interval of 95 %.

    Args:
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.

    Returns:
        Strings, one row a model, the columns ("Rec", "paper"), ("Rec", "ours") and so on, the former where the paper
        has the data set; and the distance of as many real images, which is a model's floor.
    """
    columns = (*DISTANCES.values(), FLOOR)
    wide = tables.table("rae/table2", tier, data, folder, columns=columns, over="interval").loc[_models()]
    sides = {}
    for short, column in DISTANCES.items():
        if f"FID {short} (paper)" in wide:
            sides[short, "paper"] = wide[f"FID {short} (paper)"]
        sides[short, "ours"] = wide[column].map(_thousands)
    return pd.DataFrame(sides), _thousands(wide[FLOOR].iloc[0])


def pairs(tier: str, data: str, folder: Path | None = None) -> pd.DataFrame:
    """Table 6.3: "precision / recall" of each model's samples, means over seeds; arguments as of `distances`."""
    wide = tables.table("rae/table3", tier, data, folder, over="seeds").loc[_models()]
    made = {}
    for short, ours in SETS.items():
        for who, names in (
            ("paper", [f"{side} {short} (paper)" for side in ("precision", "recall")]),
            ("ours", [f"{side}-squeeze ({ours})" for side in ("precision", "recall")]),
        ):
            if set(names) <= {*wide}:
                first, second = (wide[name].map(_mean) for name in names)
                measured = first.str[:1].str.isdigit()
                made[short, who] = (first + " / " + second).where(measured, first)
    return pd.DataFrame(made)


def stacked(made: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables of `distances` or `pairs` below one another by data set; "–" where the paper has no such data set."""
    whole = pd.concat(made, names=["data"]).fillna("–")
    shorts = dict.fromkeys(whole.columns.get_level_values(0))
    order = [(short, who) for short in shorts for who in ("paper", "ours")]
    return whole[[column for column in order if column in whole]]


def terms(tier: str, data: str, folder: Path | None = None) -> pd.DataFrame:
    """Each term's distances over those of the squared error of the same model, by where codes are from, see `ratios`.

    Below 1 the term helps; "–" where a model has no such density. One row a model and term; arguments as of
    `distances`.
    """
    names = [m.name for m in experiments.get("rae/terms").METHODS]
    metrics = {source: metric for metric, source in SOURCES.items()}
    parts = []
    for model in dict.fromkeys(name.partition("-")[0] for name in names):
        first, *others = (name for name in names if name.startswith(f"{model}-"))
        table = ratios.against("rae/terms", tier, data, first, others, metrics, folder)
        missing = table == recorded.NOT_RUN
        absent = [str(source) for source in table if missing[source].all() and not missing.all(axis=None)]
        parts.append(table.assign(**dict.fromkeys(absent, "–")))
    return pd.concat(parts)


def _models() -> list[str]:
    return [m.label for m in experiments.get("rae/table2").METHODS]


def _thousands(cell: str) -> str:
    """A distance and its half interval, in thousands; a word as it is."""
    parts = cell.split(" ± ") if cell[:1].isdigit() else []
    return "±".join(f"{float(part) / 1000:.1f}" for part in parts) or cell


def _mean(cell: str) -> str:
    """The mean of a cell with two digits; a word as it is."""
    return f"{float(cell.partition(' ')[0]):.2f}" if cell[:1].isdigit() else cell
