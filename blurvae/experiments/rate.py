"""Is it more than a change of β? Methods at equal KL: rate–distortion curves over a grid of β (claim B13, ours)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from blurvae.experiments import Method, check_tier, make, table2
from blurvae.run import Run
from blurvae.training import Settings

TITLE = "Rate and distortion over β (claim B13)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES: tuple[str, ...] = ()
BETAS = (0.05, 0.125, 0.32, 0.8, 2.0, 5.0)
LARGE = ("faces64", "brain")  # of 64×64 px, with the budget of Table 2: L2 and Wiener, the four β in the middle
TERMS = (
    Method("l2", "L2", "l2"),
    Method("wiener", "Wiener", "wiener"),
    Method("wiener-proper", "Wiener-proper", "wiener-proper"),
)
OTHER_TERMS = (
    Method("l1", "L1", "l1"),
    Method("ce", "CE", "ce"),
    Method("wiener-fixed", "Gaussian, variance 2", "wiener-fixed"),
)


def betas(data: str) -> tuple[float, ...]:
    """The values of β that are recorded on a data set."""
    return BETAS[1:5] if data in LARGE else BETAS


def _over_beta(terms: Sequence[Method], values: Sequence[float] = BETAS) -> tuple[Method, ...]:
    """Each term at each β, named as a run with a changed β is."""
    return tuple(
        replace(m, name=f"{m.name},beta={beta:g}", label=f"{m.label}, β = {beta:g}", beta=beta)
        for m in terms
        for beta in values
    )


METHODS = _over_beta(TERMS)
VARIANTS = _over_beta(OTHER_TERMS)

PAPER = Settings(epochs=30, warm_up=5, batch_size=64, lr=1e-4)
LESSON = Settings(epochs=8, warm_up=2, batch_size=32, lr=1e-3, kernel_lr=1e-3)
SMOKE = Settings(epochs=2, warm_up=1, batch_size=16, lr=1e-3, kernel_lr=1e-3)

COLUMNS: tuple[str, ...] = ()
GRID = {
    "smoke": {"natural": (0,)},
    "lesson": {"natural": (0, 1, 2), "mnist": (0, 1, 2), "faces64": (0, 1, 2), "brain": (0, 1, 2)},
    "paper": {"cifar10": (0, 1, 2)},
}


def searched(data: str) -> None:
    """β is each method's own."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, term by term and β by β; the other terms at tier "paper" only.

    Args:
        tier: "smoke" (64 images), "lesson" (3,000 images, 8 epochs, widths 16-32-64-128) or "paper" (30 epochs).
        data: a data set of 32×32 px; "faces64" and "brain" at 64×64 px, with the budget of Table 2.
        seeds: one run a method and seed.
    """
    common: dict[str, Any]
    if data in LARGE:
        settings, common = table2.budget(check_tier(tier))
        return make("rate", _over_beta(TERMS[:2], betas(data)), tier, data, seeds, settings, **common)
    match check_tier(tier):
        case "paper":
            settings, common = PAPER, {}
        case "lesson":
            settings, common = LESSON, {"widths": (16, 32, 64, 128), "hidden": 256, "n_train": 3000, "n_test": 1000}
        case _:
            settings, common = SMOKE, {"widths": (8, 16), "latent": 16, "hidden": 32, "n_train": 64, "n_test": 32}
    methods = METHODS + VARIANTS if tier == "paper" else METHODS
    return make("rate", methods, tier, data, seeds, settings, **common)
