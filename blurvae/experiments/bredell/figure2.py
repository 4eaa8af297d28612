"""Fig. 2 of the main paper: kernels and reconstructions of four images through the training of Table 2's Wiener run."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Method
from blurvae.experiments.bredell import table2
from blurvae.record import Run

TITLE = "The kernel through training (Fig. 2)"
PAPER_DATA = "celeba"
PAPER_TABLE = ""
NOTES: tuple[str, ...] = ()
METHODS = tuple(m for m in table2.METHODS if m.name == "wiener")
VARIANTS: tuple[Method, ...] = ()
COLUMNS: tuple[str, ...] = ()
GRID = table2.GRID


searched = table2.searched


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """Table 2's runs of the Wiener term: each follows its kernels through the training.

    Args:
        tier: "smoke", "lesson" or "paper".
        data: a data set of 64×64 px.
        seeds: one run a seed.
    """
    return tuple(run for run in table2.runs(tier, data, seeds) if run.method == "wiener")
