"""Table 2.4 of Sajjadi (2024): ENet-E at the two scales of the field, ×4 and ×2."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Method, check_tier, make
from blurvae.experiments.enhancenet import given, table3
from blurvae.record import Run
from blurvae.systems import EnhanceNet

TITLE = "ENet-E at ×2 and ×4 (Table 2.4)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    "Trained on other photographs than the text's (MSCOCO): its numbers stand beside none of these.",
    "A column of Y goes by the protocol of the field, with as many pixels shaved as the scale says.",
    "The row of ×4 is `enhancenet/table3`'s; the seven methods beside it in the text are not at hand.",
)
DOUBLED = Method("e-x2", "ENet-E, ×2", EnhanceNet("E", scale=2))
METHODS = (DOUBLED, *(m for m in table3.METHODS if m.name == "e"))
VARIANTS: tuple[Method, ...] = ()
COLUMNS = tuple(
    f"{metric} ({of})"
    for of in ("Y", "Y, bicubic", "set5", "set14", "bsd100", "urban100")
    for metric in ("PSNR", "SSIM")
)
GRID: dict[str, dict[str, tuple[int, ...]]] = {
    "smoke": {"natural": (0,)},
    "lesson": {"natural": (0, 1, 2)},
    "paper": {"sr-train": (0,)},
}


def searched(data: str) -> None:
    """There is no β."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs at ×2, then Table 2.3's of E at ×4.

    Args:
        tier: "smoke", "lesson" or "paper", see `enhancenet.given`.
        data: a data set in colour, of 64 px below tier "paper" and of 320 px there.
        seeds: one run a method and seed.
    """
    doubled = make("enhancenet/table4", (DOUBLED,), check_tier(tier, GRID), data, seeds, given(tier))
    return doubled + tuple(run for run in table3.runs(tier, data, seeds) if run.method == "e")
