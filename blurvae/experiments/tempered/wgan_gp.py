"""CIFAR-10: WGAN-GP with no lens, a learned one, a blur, and by both optimisers, for a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from blurvae.experiments.base import Given, Method, check_tier, make
from blurvae.experiments.tempered import SMOKE, annealed, color_mnist, images, on_images
from blurvae.record import Run
from blurvae.systems import GAN
from blurvae.train import Budget

TITLE = "WGAN-GP on CIFAR-10, tempered by a lens (Figs 4.9 and 4.10 of Sajjadi 2024)"
PAPER_DATA = "cifar10"
PAPER_TABLE = "tempered/color_mnist"
NOTES = (
    *images.NOTES,
    "The text has RMSProp, the code that it cites has Adam (erratum TA-E4): rows are by Adam, both are trained.",
)
# As the cited code has them (Gulrajani et al. 2017), but for its kernels of 5×5.
CODE: dict[str, Any] = {"width": 128, "latent": 128, "beta1": 0.5, "beta2": 0.9}
METHODS = (
    on_images("wgan-gp", "none", "WGAN-GP", **CODE),
    on_images("wgan-gp", "learned", "WGAN-GP, lens", **CODE),
    on_images("wgan-gp", "blur", **CODE),
)
VARIANTS = tuple(
    Method(f"{m.name}-rmsprop", f"{m.label}, RMSProp", replace(cast(GAN, m.system), optimiser="rmsprop"))
    for m in METHODS[:2]
)
COLUMNS = images.COLUMNS
FEW = (0, 1, 2)
GRID: dict[str, dict[str, tuple[int, ...]]] = {"smoke": {"natural": (0,)}, "paper": {"cifar10": FEW}}


def searched(data: str) -> None:
    """There is no β."""


def given(tier: str) -> Given:
    """What all methods are given, of a tier that is known to be offered.

    At "paper" 30,000 steps of five batches of 64 images, and the captions' K of 10,000.
    """
    if tier == "paper":
        run = {"n_train": 40_000, "n_test": 10_000}
        return Given(Budget(epochs=120, batch_size=64, passes=2), {}, run)
    return Given(Budget(epochs=2, batch_size=4), SMOKE, {"n_train": 64, "n_test": 32})


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method.

    Args:
        tier: "smoke" or "paper", see `given`.
        data: a data set of 32×32 px.
        seeds: one run a method and seed.
    """
    rows = (*METHODS, *VARIANTS) if check_tier(tier, GRID) == "paper" else METHODS
    made = make("tempered/wgan_gp", rows, tier, data, seeds, given(tier))
    return made if tier == "paper" else annealed(made, color_mnist.SHARE)
