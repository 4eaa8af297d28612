"""Fig. 2.11 of Sajjadi (2024): faces enlarged by a network that was trained on faces (ENet-PAT-F), and by ENet-E."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Method, check_tier, make
from blurvae.experiments.enhancenet import given, table3
from blurvae.record import Run

TITLE = "Faces by networks that were trained on faces (Fig. 2.11)"
PAPER_DATA = "celeba"
PAPER_TABLE = ""
NOTES = (
    "Published as pictures, without numbers.",
    "Grey portraits of 64 px; below tier paper the features are those of the project's own classifier, not of VGG-19.",
)
METHODS = tuple(m for m in table3.METHODS if m.name in ("e", "pat"))
VARIANTS: tuple[Method, ...] = ()
COLUMNS = ("PSNR (Y)", "SSIM (Y)", "PSNR (Y, bicubic)", "LPIPS-squeeze", "LPIPS-alex", "checkerboard")
GRID: dict[str, dict[str, tuple[int, ...]]] = {"smoke": {"natural": (0,)}, "lesson": {"faces64": (0, 1, 2)}}


def searched(data: str) -> None:
    """There is no β."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier: squared error, then ENet-PAT-F.

    Args:
        tier: "smoke" or "lesson", see `enhancenet.given`.
        data: a data set of 64 px.
        seeds: one run a method and seed.
    """
    return make("enhancenet/faces", METHODS, check_tier(tier, GRID), data, seeds, given(tier))
