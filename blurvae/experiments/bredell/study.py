"""Between lesson and paper: four terms trained until their pictures can be judged, beside the linear model."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Given, Method, check_tier, make
from blurvae.experiments.bredell import SMOKE, row
from blurvae.record import Run
from blurvae.train import Budget

TITLE = "Four terms at the length of a study, beside the linear model"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    "β = 0.3, where reconstructions show what image they are of, but for Spectral, whose covariance sets the scale of "
    "the error itself: there β = 1. The rate of Wiener lies between those of L2 at its two smaller β.",
)
COLUMNS: tuple[str, ...] = ()
BETA = 0.3
METHODS = (
    row("l2", "L2", "l2", beta=BETA),
    row("wiener", "Wiener", "wiener", beta=BETA),
    row("l2-at-wieners-rate", "L2, β = 0.15", "l2", beta=0.15),  # it was meant to be, and sends less
    row("l2,beta=0.06", "L2, β = 0.06", "l2", beta=0.06),
    row("spectral", "Spectral", "spectral"),
)
VARIANTS: tuple[Method, ...] = ()
GRID = {"smoke": {"natural": (0,)}, "study": {"cifar10": (0, 1, 2), "faces64": (0, 1, 2)}}
LR, LAST = 2e-3, 0.02  # Adam's learning rate at first, and the share of it that the last epoch has
# Of a run of 20 minutes: few halvings and narrow maps, which after as many seconds were nearer to the linear model than
# wider or deeper networks.
SIZES = {
    "cifar10": Given(
        Budget(epochs=16, batch_size=64), {"widths": (16, 32), "hidden": 1000}, {"size": 32, "n_test": 2000}
    ),
    "faces64": Given(
        Budget(epochs=56, batch_size=32), {"widths": (16, 32, 64), "hidden": 512}, {"size": 64, "n_test": 800}
    ),
}


def searched(data: str) -> None:
    """β is each method's own."""


def given(tier: str, data: str) -> Given:
    """What all methods are given: a tenth of the epochs is warm-up, as in the paper.

    Raises:
        ValueError: a tier that there is not, or a data set without a size at tier "study".
    """
    if check_tier(tier, GRID) == "smoke":
        system = SMOKE | {"widths": (8, 16), "latent": 16, "hidden": 32}
        return Given(Budget(epochs=2, batch_size=16), system, {"n_train": 64, "n_test": 32})
    if data not in SIZES:
        raise ValueError(f"The study is of {' and '.join(SIZES)}, not of {data!r}: choose one of them.")
    budget, networks, images = SIZES[data]
    rates = {"lr": LR, "kernel_lr": 1e-3, "decay": LAST ** (1 / budget.epochs)}
    return Given(budget, {"warm_up": budget.epochs // 10, **rates, **networks}, images)


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method.

    Args:
        tier: "smoke" or "study".
        data: "cifar10" or "faces64" at tier "study".
        seeds: one run a method and seed.
    """
    return make("bredell/study", METHODS, tier, data, seeds, given(tier, data))
