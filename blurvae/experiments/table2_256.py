"""Table 2, lower half, and Fig. 3 and 7 of the main paper: faces of 256×256 px."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from blurvae.experiments import Method, check_tier, make, table2, tuned
from blurvae.run import Run
from blurvae.training import Settings

TITLE = "Faces and natural patches, 256×256 px (Table 2, lower half; Fig. 3, 7)"
PAPER_DATA = "celeba-hq"
PAPER_TABLE = "table2"
NOTES = (
    table2.NOTES[0],
    "β is that of 64×64 px, and the lesson is one seed on a few hundred images: it shows that the method runs.",
)
_KERNEL = (("kernel_size", 41),)
METHODS = tuple(
    replace(m, constants=_KERNEL) if m.term.startswith("wiener") else m
    for m in table2.METHODS
    if m.name not in ("watson-2", "lpips-squeeze")
)
VARIANTS: tuple[Method, ...] = ()

PAPER = Settings(epochs=200, warm_up=10, batch_size=64, lr=1e-4)
LESSON = Settings(epochs=8, warm_up=2, batch_size=8, lr=1e-3, kernel_lr=1e-3)
SMOKE = Settings(epochs=2, warm_up=1, batch_size=4, lr=1e-3, kernel_lr=1e-3)

COLUMNS: tuple[str, ...] = ()
GRID = {
    "smoke": {"natural": (0,)},
    "lesson": {"natural": (0,), "faces256": (0,)},
    "paper": {"celeba-hq": (0, 1, 2)},
}
SAME_AT_64 = {"faces256": "faces64", "celeba-hq": "celeba"}


def searched(data: str) -> tuple[str, str]:
    """The (experiment, data set) whose search chose β."""
    return "table2", SAME_AT_64.get(data, data)


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method.

    Args:
        tier: "smoke" (8 images), "lesson" (340 images, 8 epochs, widths 8-16-32-64-64-64) or "paper".
        data: a data set of 256×256 px.
        seeds: one run a method and seed.
    """
    common: dict[str, Any]
    match check_tier(tier):
        case "paper":
            settings, common = PAPER, {"widths": (64, 128, 256, 512, 512, 512)}
        case "lesson":
            settings, common = LESSON, {"widths": (8, 16, 32, 64, 64, 64), "hidden": 256, "n_train": 340, "n_test": 80}
        case _:
            settings, common = SMOKE, {"widths": (2, 4, 4), "latent": 8, "hidden": 8, "n_train": 8, "n_test": 4}
    betas = tuned(tier, *searched(data))
    return make("table2_256", METHODS, tier, data, seeds, settings, betas, size=256, **common)
