"""The main terms of Table 2, each over five values of β: for comparisons at the best β of each, and at equal KL."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Method, check_tier, make, over_beta
from blurvae.experiments.bredell import rate, row, table2
from blurvae.record import Run

TITLE = "Terms over β at 64×64 px (ours, for claims B2, B7 and B9)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = ("L2 and Wiener on faces64 and brain at the four values in the middle are the runs of bredell/rate.",)
NATS, FFL = (0.05, 0.125, 0.32, 0.8, 2.0), (0.006, 0.02, 0.06, 0.2, 0.6)
TERMS = {
    row("l2", "L2", "l2"): NATS,
    row("ce", "CE", "ce"): NATS,
    row("ffl", "FFL", "ffl"): FFL,  # whose value is no nats
    row("wiener", "Wiener", "wiener"): (*NATS[1:], 5.0),
}
METHODS = tuple(method for term, betas in TERMS.items() for method in over_beta([term], betas))
VARIANTS: tuple[Method, ...] = ()
COLUMNS: tuple[str, ...] = ()
GRID = {
    "smoke": {"natural": (0,)},
    "lesson": {"natural": (0, 1, 2), "faces64": (0, 1, 2), "brain": (0, 1, 2)},
}


def searched(data: str) -> None:
    """β is each method's own."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, term by term and β by β, with the budget of Table 2.

    Args:
        tier: "smoke" or "lesson".
        data: a data set of 64×64 px.
        seeds: one run a method and seed.
    """
    given, names = table2.given(check_tier(tier, GRID)), {m.name for m in METHODS}
    borrowed = tuple(r for r in rate.runs(tier, data, seeds) if r.method in names) if data in rate.LARGE else ()
    taken = {r.method for r in borrowed}
    own = [m for m in METHODS if m.name not in taken]
    return (*borrowed, *make("bredell/rate64", own, tier, data, seeds, given))
