"""Fig. 2.2 of Sajjadi (2024): bars that one grey pixel hides, answered by their mean and by one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from blurvae.experiments.base import Given, Method, check_tier, make
from blurvae.experiments.enhancenet import SMALL
from blurvae.record import Run
from blurvae.systems import EnhanceNet
from blurvae.train import Budget

TITLE = "Bars behind a grey pixel, by squared error and by a discriminator (Fig. 2.2)"
PAPER_DATA = "bars"
PAPER_TABLE = ""
NOTES = (
    "Published as a figure, without numbers.",
    "With half of the cells empty the mean has 9.03 dB and a drawn bar 6.02 dB in expectation, both exactly.",
)
_TOY: dict[str, Any] = {"scale": 2, "kernel": "box", "crop": 0}
METHODS = (
    Method("e", "squared error", EnhanceNet("E", **_TOY)),
    Method("ea", "squared error and discriminator", EnhanceNet("EA", **_TOY)),
)
VARIANTS: tuple[Method, ...] = ()
COLUMNS = ("PSNR", "sharp pixels", "whole bars", "checkerboard", "high-frequency ratio")
GRID: dict[str, dict[str, tuple[int, ...]]] = {"smoke": {"bars": (0,)}, "lesson": {"bars": (0, 1, 2)}}


def searched(data: str) -> None:
    """There is no β."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method.

    Args:
        tier: "smoke" or "lesson".
        data: "bars".
        seeds: one run a method and seed.
    """
    if check_tier(tier, GRID) == "lesson":
        budget, images = Budget(epochs=50, batch_size=16), {"size": 32, "n_train": 1024, "n_test": 256}
        return make("enhancenet/figure2", METHODS, tier, data, seeds, Given(budget, SMALL, images))
    tiny = {"width": 4, "blocks": 1, "widths": (3, 4), "hidden": 6}
    images = {"size": 32, "n_train": 32, "n_test": 8}
    return make("enhancenet/figure2", METHODS, tier, data, seeds, Given(Budget(epochs=2, batch_size=8), tiny, images))
