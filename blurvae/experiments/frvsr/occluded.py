"""FR-C8: what FRVSR makes of an estimate that does not fit, behind a square that moves by itself (Section 3.5)."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.evaluation.occlusion import DIGITS as REGIONS
from blurvae.experiments.base import Method, check_tier, make
from blurvae.experiments.frvsr import check_motion, given, motion
from blurvae.record import Run

TITLE = "Something moves by itself, the motion of the scene given (Section 3.5)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    "The motion that is given is that of the scene; that of the square is known to nobody.",
    "PSNR of a region is of all its pixels in all clips; of a frame's uncovered pixels, the frame before has none.",
)
METHODS = motion.PLAIN
VARIANTS: tuple[Method, ...] = ()
COLUMNS = (*REGIONS, *motion.COLUMNS[:3])
GRID: dict[str, dict[str, tuple[int, ...]]] = {
    "smoke": {"moving-occluded": (0,)},
    "lesson": {"moving-occluded": (0, 1, 2)},
}


def searched(data: str) -> None:
    """There is no β."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method.

    Args:
        tier: "smoke" or "lesson", see `frvsr.given`.
        data: "moving-occluded".
        seeds: one run a method and seed.

    Raises:
        ValueError: clips without their motion.
    """
    own = given(check_tier(tier, GRID))
    check_motion(data)
    return make("frvsr/occluded", METHODS, tier, data, seeds, own)
