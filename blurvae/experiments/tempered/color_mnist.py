"""Color MNIST, whose 1,000 kinds of images can be counted: DCGAN and LSGAN with no lens, a learned one, a blur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from blurvae.experiments.base import Given, check_tier, make
from blurvae.experiments.tempered import CHANGES, SMOKE, annealed, changed, on_images
from blurvae.record import Run
from blurvae.train import Budget

TITLE = "GANs on Color MNIST, tempered by a lens (Figs 4.6 and 4.7 of Sajjadi 2024)"
PAPER_DATA = "color-mnist"
PAPER_TABLE = "tempered/color_mnist"
NOTES = (
    "The dissertation has FID over Inception's features, ours are FD over SqueezeNet's: ranks compare, values do not.",
    "Its numbers are the best, or the best and the worst, of at least three seeds; ours are means over all.",
    "Modes are counted with the project's own classifier of digits among 10,000 samples, of 1,000 that there are.",
    "A training has failed where its samples are further from the test images than the training set's mean image is, "
    "in FD-squeeze, or are all of one kind.",
)
SHARE = 0.4  # of the steps, K
METHODS = (
    on_images("dcgan", "none", "DCGAN"),
    on_images("dcgan", "learned", "DCGAN, lens"),
    on_images("dcgan", "blur"),
    on_images("lsgan", "none", "LSGAN"),
    on_images("lsgan", "learned", "LSGAN, lens"),
    on_images("lsgan", "blur"),
)
VARIANTS = changed(METHODS)
COLUMNS = (
    "modes (samples)",
    "FD-squeeze (samples)",
    "FD-squeeze (mean image)",
    "FD-squeeze (data)",
    "precision-squeeze (samples)",
    "recall-squeeze (samples)",
    "precision-squeeze (data)",
    "recall-squeeze (data)",
    "log-spectrum distance (samples)",
    "failed",
)
FEW = tuple(range(5))
GRID: dict[str, dict[str, tuple[int, ...]]] = {
    "smoke": {"natural": (0,)},
    "study": {"color-mnist": FEW},
    "paper": {"color-mnist": FEW},
}


def searched(data: str) -> None:
    """There is no β."""


def given(tier: str) -> Given:
    """What all methods are given, of a tier that is known to be offered.

    At "paper" 150,000 steps of 64 images, the learning rate of the text, and both K that are printed. At "study"
    networks of half the width, a lens of 8 filters, and 3,000 steps of 32 images at ten times that learning rate.
    """
    if tier == "paper":
        return Given(Budget(epochs=160, batch_size=64), {}, {"n_train": 60_000, "n_test": 4096})
    if tier == "study":
        system: dict[str, Any] = {"width": 8, "filters": 8, "lr": 1e-3}
        return Given(Budget(epochs=12, batch_size=32), system, {"n_train": 8000, "n_test": 1000})
    return Given(Budget(epochs=2, batch_size=16), SMOKE, {"n_train": 64, "n_test": 32})


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method; those variants that its length has a use for.

    Args:
        tier: "smoke", "study" or "paper", see `given`.
        data: a data set of 32×32 px.
        seeds: one run a method and seed.
    """
    variants = {"paper": CHANGES, "study": ("mean",)}.get(check_tier(tier, GRID), ())
    rows = (*METHODS, *(m for m in VARIANTS if m.name.endswith(tuple(variants))))
    made = make("tempered/color_mnist", rows, tier, data, seeds, given(tier))
    return made if tier == "paper" else annealed(made, SHARE)
