"""Table 6 of the main paper: bounds on −log p, at β = 1, with what makes them comparable."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.evaluation import KS
from blurvae.experiments.base import Given, Method, make
from blurvae.experiments.bredell import row, table2
from blurvae.record import Run

TITLE = "Likelihood, 64×64 px (Table 6)"
PAPER_DATA = "celeba"
PAPER_TABLE = "bredell/table6"
NOTES = (
    "β = 1, where the objective is the bound. What is printed of the Wiener term lacks a normaliser, by erratum E5 of "
    "at least 0.149 nats a value.",
)
COLUMNS = (
    "PSNR",
    "SSIM",
    "FD-squeeze (recon)",
    "FD-squeeze (samples)",
    "KL",
    "−log p as printed",
    "−ELBO",
    *(f"{what}, K = {k}" for what in ("−log p bound", "bits/dim bound") for k in KS),
)
METHODS = (
    row("l2", "L2", "l2", paper="L2"),
    row("eps-0.5", "Wiener, ε = 0.5", "wiener", epsilon=0.5),
    # Table 6 has the SSIM and FID of Table 2's "Ours", rounded: its ε = 0.5 is in the printed −log p, not in training.
    row("wiener", "Wiener, ε large", "wiener", paper="Ours"),
    row("wiener-proper", "Wiener-proper", "wiener-proper"),
)
VARIANTS: tuple[Method, ...] = ()
GRID = {
    "smoke": {"natural": (0,)},
    "lesson": {"natural": (0, 1, 2), "faces64": (0, 1, 2)},
    "paper": {"celeba": (0, 1, 2)},
}
IMAGES = {"smoke": 4, "lesson": 25, "paper": 200}


def searched(data: str) -> None:
    """β is each method's own."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method.

    Args:
        tier: "smoke", "lesson" or "paper", with the budget of Table 2 and β = 1.
        data: a data set of 64×64 px.
        seeds: one run a method and seed.
    """
    budget, system, run = table2.given(tier)
    given = Given(budget, system, {**run, "n_bound": IMAGES[tier]})
    return make("bredell/table6", METHODS, tier, data, seeds, given)
