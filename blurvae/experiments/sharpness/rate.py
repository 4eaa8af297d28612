"""The sharpness term at equal KL: is it more than a change of β? (ours, after the report)."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Method, check_tier, make, over_beta
from blurvae.experiments.sharpness import INNER, given, naive, sharpened
from blurvae.record import Run

TITLE = "The sharpness term at equal KL (ours)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES: tuple[str, ...] = ()
LOW, HIGH = (0.02, 0.08, 0.3, 1.0, 4.0), (1.0, 4.0, 16.0, 64.0, 256.0)
BETAS = {"naive": LOW, "b": LOW, "b-sum": HIGH}  # so that all have some KL in common
TERMS = (
    Method("naive", "naive VAE", naive()),
    Method("b", "(b), mean", sharpened("b")),
    Method("b-sum", "(b), sum", sharpened("b", weight=INNER)),
)
METHODS = tuple(method for term in TERMS for method in over_beta([term], BETAS[term.name]))
VARIANTS: tuple[Method, ...] = ()
COLUMNS: tuple[str, ...] = ()
GRID = {"smoke": {"dead-leaves": (0,)}, "lesson": {"mnist": (0, 1, 2)}}


def searched(data: str) -> None:
    """β is each method's own."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, term by term and β by β; arguments as in `variants.runs`."""
    return make("sharpness/rate", METHODS, check_tier(tier, GRID), data, seeds, given(tier))
