"""Table 3 and Fig. 4 and 9 of the main paper: slices of brain MRI, 64×64 px, one channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from blurvae.experiments.base import Given, Method, make, tuned
from blurvae.experiments.bredell import table2
from blurvae.record import Run

TITLE = "Brain MRI, 64×64 px patches (Table 3; Fig. 4, 9)"
PAPER_DATA = "hcp"
PAPER_TABLE = "bredell/table3"
NOTES = ("On patches of photographs the rows are Table 2's.",)
_NAMES = ("l2", "l1", "ssim", "ce", "ffl", "wiener", "wiener-proper")
METHODS = tuple(m for m in table2.METHODS if m.name in _NAMES)
VARIANTS: tuple[Method, ...] = ()
COLUMNS: tuple[str, ...] = ()
GRID = {
    "smoke": {"natural": (0,)},
    "lesson": {"natural": (0, 1, 2), "brain": (0, 1, 2)},
    "paper": {"brain": (0, 1, 2), "hcp": (0, 1, 2)},
}


def searched(data: str) -> tuple[str, str]:
    """The (experiment, data set) whose search chose β."""
    return ("bredell/table2" if data == "natural" else "bredell/table3"), data


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method; on `natural` they are Table 2's.

    Args:
        tier: "smoke", "lesson" with the budget of Table 2, or "paper" (400 epochs, 20 of them warm-up).
        data: a data set of 64×64 px.
        seeds: one run a method and seed.
    """
    if data == "natural":
        return tuple(run for run in table2.runs(tier, data, seeds) if run.method in _NAMES)
    given = table2.given(tier)
    if tier == "paper":
        given = Given(replace(given.budget, epochs=400), {**given.system, "warm_up": 20}, given.run)
    return make("bredell/table3", METHODS, tier, data, seeds, given, tuned(tier, *searched(data)))
