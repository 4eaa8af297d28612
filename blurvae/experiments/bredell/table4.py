"""Table 4 of the main paper: the second architecture (B), 64×64 px."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Given, Method, make, tuned
from blurvae.experiments.bredell import table2
from blurvae.models.vae import PAPER_WIDTHS
from blurvae.record import Run

TITLE = "A second architecture, 64×64 px (Table 4)"
PAPER_DATA = "celeba"
PAPER_TABLE = "bredell/table4"
NOTES = (table2.NOTES[-1], "β is that of architecture A, in Table 2.")
_NAMES = ("l2", "l1", "ssim", "ffl", "wiener", "lpips-squeeze", "lpips-vgg")
METHODS = tuple(m for m in table2.METHODS if m.name in _NAMES)
VARIANTS: tuple[Method, ...] = ()
COLUMNS: tuple[str, ...] = ()
GRID = {
    "smoke": {"natural": (0,)},
    "lesson": {"natural": (0, 1, 2), "faces64": (0, 1, 2)},
    "paper": {"celeba": (0, 1, 2)},
}
WIDTHS = {"paper": PAPER_WIDTHS["B"], "lesson": (8, 16, 32, 64, 128), "smoke": (4, 8, 8)}


def searched(data: str) -> tuple[str, str]:
    """The (experiment, data set) whose search chose β."""
    return table2.searched(data)


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method.

    Args:
        tier: "smoke", "lesson" (widths 8-16-32-64-128) or "paper", otherwise with the budget of Table 2.
        data: a data set of 64×64 px.
        seeds: one run a method and seed.
    """
    budget, system, run = table2.given(tier)
    given = Given(budget, {**system, "architecture": "B", "widths": WIDTHS[tier]}, run)
    return make("bredell/table4", METHODS, tier, data, seeds, given, tuned(tier, *searched(data)))
