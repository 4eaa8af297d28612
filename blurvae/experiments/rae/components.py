"""Mixtures of 1 to 100 Gaussians, fitted to the codes of one training each (section 6.8.1 of Sajjadi 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from blurvae.evaluation.rae import COMPONENTS, DENSITIES
from blurvae.experiments.base import Given, Method, check_tier, make
from blurvae.experiments.rae import given as budget
from blurvae.experiments.rae import methods as eight
from blurvae.record import Run

TITLE = "How many components a mixture of the codes needs"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = ("Few images a component: covariances are drawn towards the shared one, see `fit_gaussian_mixture`.",)
METHODS = tuple(m for m in eight("mnist") if m.name in ("vae", "rae", "ae"))
VARIANTS: tuple[Method, ...] = ()
COLUMNS = (
    "FD-squeeze (Gaussian samples)",
    "FD-squeeze (GMM samples)",
    *(f"FD-squeeze (GMM samples, K = {k})" for k in COMPONENTS),
    *(f"log q of held-out codes ({name})" for name in DENSITIES),
)
GRID = {
    "smoke": {"natural": (0,)},
    "lesson": {"mnist": (0, 1, 2), "natural": (0, 1, 2)},
    "study": {"mnist": (0, 1, 2)},
    "paper": {"mnist": (0, 1, 2), "cifar10": (0, 1, 2)},
}


def searched(data: str) -> None:
    """β is the authors'."""


def given(tier: str, data: str) -> Given:
    """Table 6.2's, with more mixtures; at "smoke" two."""
    base = budget(tier, data)
    return base._replace(system={**base.system} | {"components": (10, *COMPONENTS) if tier != "smoke" else (10, 2)})


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method.

    Args:
        tier: "smoke", "lesson", "study" or "paper", see `rae.given`.
        data: a data set of 32×32 px, which decides on the weights.
        seeds: one run a method and seed.
    """
    own = {m.name: m for m in eight(data)}
    rows = [replace(m, system=own[m.name].system) for m in METHODS]
    return make("rae/components", rows, check_tier(tier, GRID), data, seeds, given(tier, data))
