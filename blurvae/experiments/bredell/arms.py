"""Rivals and controls that the paper does not have: a learned covariance, a learned σ², one change at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from blurvae.experiments.base import Given, Method, check_tier, make
from blurvae.experiments.bredell import row, table2, table6
from blurvae.record import Run

TITLE = "A learned covariance, a learned σ² and one change at a time, 64×64 px"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    "β = 1, where the objective is the bound, but for the rows that say another: L2's are meant to enclose the KL of "
    "Wiener, and those of λ^(−1/2) that of L2. A seed in which they do not is left out of comparisons at equal KL.",
)
COLUMNS: tuple[str, ...] = ()
SHARED = ("l2", "wiener", "wiener-proper")  # Table 6's rows
NEVER = 1000  # epochs of warm-up, more than any training has


def changed(method: Method, **fields: Any) -> Method:
    """A method with other fields of its system."""
    return replace(method, system=cast(Any, replace(cast(Any, method.system), **fields)))


OWN = (
    row("spectral", "Spectral, each colour axis", "spectral"),
    row("spectral-shared", "Spectral, one for all", "spectral", spectra="shared"),
    row("sigma", "L2, σ² learned", "spectral", spectra="flat"),
    row("l2,beta=0.5", "L2, β = 0.5", "l2", beta=0.5),
    row("power-law,beta=0.1", "Weight λ^(−1/2), β = 0.1", "power-law", beta=0.1),
    row("power-law,beta=0.05", "Weight λ^(−1/2), β = 0.05", "power-law", beta=0.05),
    changed(row("one-kernel", "Wiener, one kernel", "wiener"), one_kernel=True),
    row("fixed-2-late", "Gaussian, variance 2, late", "wiener-fixed", variance=2.0, late=True),
    row("fixed-4-late", "Gaussian, variance 4, late", "wiener-fixed", variance=4.0, late=True),
    changed(row("never", "Wiener, never weighted", "wiener"), warm_up=NEVER),
    row("window-5", "Wiener, kernel of 5 px", "wiener", kernel_size=5),
    row("window-21", "Wiener, kernel of 21 px", "wiener", kernel_size=21),
)
METHODS = (*(m for m in table6.METHODS if m.name in SHARED), *OWN)
VARIANTS: tuple[Method, ...] = ()
GRID = {"smoke": {"natural": (0,)}, "lesson": {"natural": (0, 1, 2), "faces64": (0, 1, 2)}}


def searched(data: str) -> None:
    """β is each method's own."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method; the first three are Table 6's.

    Args:
        tier: "smoke" or "lesson", with the budget of Table 2.
        data: a data set of 64×64 px.
        seeds: one run a method and seed.
    """
    check_tier(tier, GRID)
    budget, system, run = table2.given(tier)
    given = Given(budget, system, {**run, "n_bound": table6.IMAGES[tier]})
    own = make("bredell/arms", OWN, tier, data, seeds, given)
    never = (replace(run, system=replace(cast(Any, run.system), warm_up=NEVER)) for run in own if run.method == "never")
    shared = (run for run in table6.runs(tier, data, seeds) if run.method in SHARED)
    return (*shared, *(next(never) if run.method == "never" else run for run in own))
