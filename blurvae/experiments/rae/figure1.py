"""Fig. 6.1 of Sajjadi (2024): reconstructions and samples of a VAE over the weight of KL."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Method, check_tier, make
from blurvae.experiments.rae import given
from blurvae.record import Run
from blurvae.systems import RAE

TITLE = "A VAE over the weight of KL (Fig. 6.1)"
PAPER_DATA = "mnist"
PAPER_TABLE = ""
NOTES = ("Published as a figure, without numbers and with smaller networks that are not described.",)
BETAS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
METHODS = tuple(Method(f"vae,beta={b:g}", f"VAE, β = {b:g}", RAE("vae", beta=b)) for b in BETAS)
VARIANTS: tuple[Method, ...] = ()
COLUMNS = (
    "PSNR",
    "FD-squeeze (held-out recon)",
    "FD-squeeze (samples)",
    "FD-squeeze (Gaussian samples)",
    "FD-squeeze (GMM samples)",
    "FD-squeeze (data)",
    "KL",
)
GRID = {
    "smoke": {"natural": (0,)},
    "lesson": {"mnist": (0, 1, 2), "natural": (0, 1, 2)},
    "paper": {"mnist": (0, 1, 2)},
}


def searched(data: str) -> None:
    """β is each method's own."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, β by β.

    Args:
        tier: "smoke", "lesson" or "paper", see `rae.given`.
        data: a data set of 32×32 px.
        seeds: one run a method and seed.
    """
    return make("rae/figure1", METHODS, check_tier(tier, GRID), data, seeds, given(tier, data))
