"""The blur lens on a VAE's targets: L2 whose targets are blurred at first, beside L2 of Table 5 of the main paper."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Method, check_tier, make
from blurvae.experiments.bredell import table5
from blurvae.experiments.tempered import annealed
from blurvae.record import Run
from blurvae.systems import TemperedVAE

TITLE = "A VAE whose targets are blurred at first (an idea of chapter 4 of Sajjadi 2024), 32×32 px"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    "The dissertation proposes to temper autoencoders, and blur as a lens, and tries neither.",
    "Both see as many images for as long; the targets of the second are blurred with σ = 2 px at first and are the "
    "images themselves after 40 % of the steps.",
    "All is measured against the images, −ELBO too.",
)
SHARE = 0.4  # of the steps, K, as on Color MNIST
PLAIN, *_ = table5.METHODS
METHODS = (PLAIN, Method("l2-blur", "L2, blurred targets", TemperedVAE()))
VARIANTS: tuple[Method, ...] = ()
COLUMNS = (
    "PSNR",
    "SSIM",
    "LPIPS-squeeze",
    "FD-squeeze (recon)",
    "FD-squeeze (samples)",
    "high-frequency ratio",
    "log-spectrum distance (recon)",
    "log-spectrum distance (samples)",
    "KL",
    "−ELBO",
)
GRID = {"smoke": {"natural": (0,)}, "lesson": {"natural": (0, 1, 2, 3, 4)}}


def searched(data: str) -> None:
    """β is 1."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier: those of L2 are Table 5's.

    Args:
        tier: "smoke" or "lesson", with the budget of Table 5.
        data: a data set of 32×32 px.
        seeds: one run a method and seed.
    """
    plain = tuple(run for run in table5.runs(check_tier(tier, GRID), data, seeds) if run.method == PLAIN.name)
    return (*plain, *annealed(make("tempered/targets", METHODS[1:], tier, data, seeds, table5.given(tier)), SHARE))
