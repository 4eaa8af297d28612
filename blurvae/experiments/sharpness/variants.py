"""The report's figure as a table: the naive VAE, and the sharpness term in variants (a) to (d)."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Method, check_tier, make
from blurvae.experiments.sharpness import INNER, LATE, given, naive, sharpened
from blurvae.record import Run

TITLE = "The sharpness term in a VAE of perceptrons (report, figures (a) to (d))"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    "The report prints no number. Its text has (b) as a sum over pixels, its caption as an average: both are here.",
    "Noise is sharp: neither sharpness nor blur percentage has a better side.",
)
METHODS = (
    Method("naive", "naive VAE", naive()),
    Method("a", "(a) means of an image", sharpened("a")),
    Method("b", "(b) pixel by pixel, mean", sharpened("b")),
    Method("c", "(c) mean squares", sharpened("c")),
    Method("d", "(d) = (b) from epoch 16 on", sharpened("b", late=LATE)),
    Method("b-sum", "(b) as a sum", sharpened("b", weight=INNER)),
    Method("d-sum", "(d) as a sum", sharpened("b", weight=INNER, late=LATE)),
    Method("b-absolute", "(b), largest in size", sharpened("b", absolute=True)),
)
VARIANTS: tuple[Method, ...] = ()
COLUMNS = (
    "PSNR",
    "SSIM",
    "LPIPS-squeeze",
    "sharpness",
    "blur percentage",
    "log-spectrum distance (recon)",
    "FD-squeeze (samples)",
    "KL",
)
GRID = {"smoke": {"dead-leaves": (0,)}, "lesson": {"mnist": (0, 1, 2)}, "study": {"mnist": (0, 1, 2, 3, 4)}}


def searched(data: str) -> None:
    """β is 1, as in the report."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method.

    Args:
        tier: "smoke", "lesson" or "study", see `sharpness.given`.
        data: a data set that comes in 28×28 px.
        seeds: one run a method and seed.
    """
    return make("sharpness/variants", METHODS, check_tier(tier, GRID), data, seeds, given(tier))
