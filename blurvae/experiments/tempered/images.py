"""MNIST, CIFAR-10 and faces at 32 px: DCGAN and LSGAN with no lens, a learned one, a blur, for a GPU."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Given, check_tier, make
from blurvae.experiments.tempered import SMOKE, annealed, changed, color_mnist, on_images
from blurvae.record import Run
from blurvae.train import Budget

TITLE = "GANs on digits, small photographs and faces, tempered by a lens (Figs 4.5 and 4.8 of Sajjadi 2024)"
PAPER_DATA = "mnist"
PAPER_TABLE = "tempered/color_mnist"
NOTES = (*color_mnist.NOTES[:2], color_mnist.NOTES[-1])
METHODS = (  # the one that fades no lens after those of its game
    *color_mnist.METHODS[:3],
    on_images("dcgan", "constant", "DCGAN, lens, λ = 1"),
    *color_mnist.METHODS[3:],
)
VARIANTS = changed(METHODS)
COLUMNS = (
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
FEW = (0, 1, 2)
GRID: dict[str, dict[str, tuple[int, ...]]] = {
    "smoke": {"natural": (0,)},
    "paper": {"mnist": FEW, "cifar10": FEW, "faces64": FEW},
}
# Passes over the data in each of the epochs, and test images: the text measures 4,096 samples of DCGAN and LSGAN and
# 10,000 of CIFAR-10; of faces there are no more than the test images.
LONG: dict[str, tuple[int, int, dict[str, int]]] = {
    "mnist": (160, 1, {"n_train": 60_000, "n_test": 4096}),
    "cifar10": (120, 2, {"n_train": 40_000, "n_test": 10_000}),
    "faces64": (144, 20, {"n_train": 3341, "n_test": 836}),
}


def searched(data: str) -> None:
    """There is no β."""


def given(tier: str, data: str) -> Given:
    """What all methods are given, of a tier that is known to be offered.

    At "paper" 150,000 steps of 64 images, the learning rate of the text, and both K that are printed.
    """
    if tier == "paper":
        epochs, passes, sizes = LONG.get(data, (160, 1, {}))
        return Given(Budget(epochs=epochs, batch_size=64, passes=passes), {}, {"size": 32} | sizes)
    return Given(Budget(epochs=2, batch_size=16), SMOKE, {"n_train": 64, "n_test": 32})


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method; variants where it has a use for both K.

    Args:
        tier: "smoke" or "paper", see `given`.
        data: a data set, whose images are brought to 32×32 px.
        seeds: one run a method and seed.
    """
    rows = (*METHODS, *VARIANTS) if check_tier(tier, GRID) == "paper" else METHODS
    made = make("tempered/images", rows, tier, data, seeds, given(tier, data))
    return made if tier == "paper" else annealed(made, color_mnist.SHARE)
