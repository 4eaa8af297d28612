"""Table 2, lower half, and Fig. 3 and 7 of the main paper: faces of 256×256 px."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from blurvae.experiments.base import Given, Method, check_tier, make, tuned
from blurvae.experiments.bredell import LESSON, PAPER, SMOKE, table2
from blurvae.record import Run
from blurvae.systems import BlurVAE
from blurvae.train import Budget

TITLE = "Faces and natural patches, 256×256 px (Table 2, lower half; Fig. 3, 7)"
PAPER_DATA = "celeba-hq"
PAPER_TABLE = "bredell/table2"
NOTES = (
    table2.NOTES[0],
    "β is that of 64×64 px, and the lesson is one seed on a few hundred images: it shows that the method runs.",
)


def _at_256(method: Method) -> Method:
    """The row with kernels of 41×41 px, if its term has kernels."""
    system = method.system
    if not (isinstance(system, BlurVAE) and hasattr(system.term, "kernel_size")):
        return method
    return replace(method, system=replace(system, term=replace(cast(Any, system.term), kernel_size=41)))


METHODS = tuple(_at_256(m) for m in table2.METHODS if m.name not in ("watson-2", "lpips-squeeze"))
VARIANTS: tuple[Method, ...] = ()

COLUMNS: tuple[str, ...] = ()
GRID = {
    "smoke": {"natural": (0,)},
    "lesson": {"natural": (0,), "faces256": (0,)},
    "paper": {"celeba-hq": (0, 1, 2)},
}
SAME_AT_64 = {"faces256": "faces64", "celeba-hq": "celeba"}


def searched(data: str) -> tuple[str, str]:
    """The (experiment, data set) whose search chose β."""
    return "bredell/table2", SAME_AT_64.get(data, data)


def given(tier: str) -> Given:
    """What all methods at 256×256 px are given."""
    match check_tier(tier, GRID):
        case "paper":
            system = PAPER | {"widths": (64, 128, 256, 512, 512, 512)}
            return Given(Budget(epochs=200, batch_size=64), system, {"size": 256})
        case "lesson":
            system = LESSON | {"widths": (8, 16, 32, 64, 64, 64), "hidden": 256}
            return Given(Budget(epochs=8, batch_size=8), system, {"size": 256, "n_train": 340, "n_test": 80})
    system = SMOKE | {"widths": (2, 4, 4), "latent": 8, "hidden": 8}
    return Given(Budget(epochs=2, batch_size=4), system, {"size": 256, "n_train": 8, "n_test": 4})


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method.

    Args:
        tier: "smoke" (8 images), "lesson" (340 images, 8 epochs, widths 8-16-32-64-64-64) or "paper".
        data: a data set of 256×256 px.
        seeds: one run a method and seed.
    """
    return make("bredell/table2_256", METHODS, tier, data, seeds, given(tier), tuned(tier, *searched(data)))
