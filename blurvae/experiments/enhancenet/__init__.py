"""Sajjadi, Schölkopf and Hirsch, "EnhanceNet: single image super-resolution through automated texture synthesis"."""

from __future__ import annotations

from typing import Any

from blurvae.experiments.base import Given
from blurvae.train import Budget

OWN: dict[str, Any] = {"features": "classifier"}  # in the place of VGG-19, below tier paper
SMALL: dict[str, Any] = {"width": 16, "blocks": 3, "widths": (8, 16, 32), "hidden": 64, "lr": 3e-4}


def given(tier: str) -> Given:
    """What all methods are given, of a tier that is known to be offered.

    At "paper" the networks and crops of the text on the training photographs at hand, which are 180 where the text has
    200,000: 16 crops of 128 px a batch, 40,000 steps, both numbers ours. At "lesson" a generator of 16 feature maps and
    3 blocks on patches of 64 px, whole, and the project's own classifier in the place of VGG-19.
    """
    if tier == "paper":
        return Given(Budget(epochs=100, batch_size=16, passes=36), {}, {"size": 320})
    if tier == "lesson":
        return Given(
            Budget(epochs=8, batch_size=16), SMALL | OWN | {"crop": 0}, {"size": 64, "n_train": 960, "n_test": 100}
        )
    tiny = {"width": 4, "blocks": 1, "widths": (3, 4, 5), "hidden": 6, "crop": 32}
    return Given(Budget(epochs=2, batch_size=8), OWN | tiny, {"size": 64, "n_train": 16, "n_test": 8})
