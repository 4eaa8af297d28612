"""Is it more than a change of β? Methods at equal KL: rate–distortion curves over a grid of β (claim B13, ours)."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Given, check_tier, make, over_beta
from blurvae.experiments.bredell import LESSON, PAPER, SMOKE, row, table2
from blurvae.record import Run
from blurvae.train import Budget

TITLE = "Rate and distortion over β (claim B13)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES: tuple[str, ...] = ()
BETAS = (0.05, 0.125, 0.32, 0.8, 2.0, 5.0)
LARGE = ("faces64", "brain")  # of 64×64 px, with the budget of Table 2: L2 and Wiener, the four β in the middle
TERMS = (
    row("l2", "L2", "l2"),
    row("wiener", "Wiener", "wiener"),
    row("wiener-proper", "Wiener-proper", "wiener-proper"),
)
OTHER_TERMS = (
    row("l1", "L1", "l1"),
    row("ce", "CE", "ce"),
    row("wiener-fixed", "Gaussian, variance 2", "wiener-fixed"),
)


def betas(data: str) -> tuple[float, ...]:
    """The values of β that are recorded on a data set."""
    return BETAS[1:5] if data in LARGE else BETAS


METHODS = over_beta(TERMS, BETAS)
VARIANTS = over_beta(OTHER_TERMS, BETAS)

COLUMNS: tuple[str, ...] = ()
GRID = {
    "smoke": {"natural": (0,)},
    "lesson": {"natural": (0, 1, 2), "mnist": (0, 1, 2), "faces64": (0, 1, 2), "brain": (0, 1, 2)},
    "paper": {"cifar10": (0, 1, 2)},
}


def searched(data: str) -> None:
    """β is each method's own."""


def given(tier: str) -> Given:
    """What all methods at 32×32 px are given."""
    match check_tier(tier, GRID):
        case "paper":
            return Given(Budget(epochs=30, batch_size=64), PAPER | {"warm_up": 5}, {})
        case "lesson":
            system = LESSON | {"widths": (16, 32, 64, 128), "hidden": 256}
            return Given(Budget(epochs=8, batch_size=32), system, {"n_train": 3000, "n_test": 1000})
    system = SMOKE | {"widths": (8, 16), "latent": 16, "hidden": 32}
    return Given(Budget(epochs=2, batch_size=16), system, {"n_train": 64, "n_test": 32})


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, term by term and β by β; the other terms at tier "paper" only.

    Args:
        tier: "smoke" (64 images), "lesson" (3,000 images, 8 epochs, widths 16-32-64-128) or "paper" (30 epochs).
        data: a data set of 32×32 px; "faces64" and "brain" at 64×64 px, with the budget of Table 2.
        seeds: one run a method and seed.
    """
    if data in LARGE:
        return make("bredell/rate", over_beta(TERMS[:2], betas(data)), tier, data, seeds, table2.given(tier))
    methods = METHODS + VARIANTS if tier == "paper" else METHODS
    return make("bredell/rate", methods, tier, data, seeds, given(tier))
