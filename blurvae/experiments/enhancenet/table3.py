"""Table 2.3 of Sajjadi (2024): the same generator trained by six losses."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Method, check_tier, make
from blurvae.experiments.enhancenet import given
from blurvae.record import Run
from blurvae.systems import EnhanceNet
from blurvae.systems.enhancenet import LOSSES

TITLE = "One generator, six losses, ×4 (Table 2.3)"
PAPER_DATA = "set5"
PAPER_TABLE = "enhancenet/table3"
NOTES = (
    "Trained on other photographs than the text's (MSCOCO): its numbers stand beside none of these.",
    "Below tier paper the losses of features run on the project's own classifier, not on VGG-19.",
    "A column of Y goes by the protocol of the field; PSNR and SSIM without that are over RGB, with the border.",
)
METHODS = tuple(
    Method(loss.lower(), f"ENet-{loss}", EnhanceNet(loss, adversarial=2.0 if loss == "PAT" else 1.0), paper=loss)
    for loss in LOSSES
)
VARIANTS: tuple[Method, ...] = ()
COLUMNS = (
    "PSNR (Y)",
    "SSIM (Y)",
    "PSNR (Y, bicubic)",
    "LPIPS-squeeze",
    "LPIPS-alex",
    "texture distance",
    "texture distance (bicubic)",
    "colour error",
    "checkerboard",
    "checkerboard (data)",
    "high-frequency ratio",
    "PSNR (set5)",
    "PSNR (set14)",
    "PSNR (bsd100)",
    "PSNR (urban100)",
)
GRID: dict[str, dict[str, tuple[int, ...]]] = {
    "smoke": {"natural": (0,)},
    "lesson": {"natural": (0, 1, 2)},
    "paper": {"sr-train": (0,)},
}


def searched(data: str) -> None:
    """There is no β."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, loss by loss.

    Args:
        tier: "smoke", "lesson" or "paper", see `enhancenet.given`.
        data: a data set in colour, of 64 px below tier "paper" and of 320 px there.
        seeds: one run a method and seed.
    """
    return make("enhancenet/table3", METHODS, check_tier(tier, GRID), data, seeds, given(tier))
