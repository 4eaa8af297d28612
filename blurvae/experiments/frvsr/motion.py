"""FR-C1 with known motion: what the frames before, or the ones beside, are worth to the same network."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Method, check_tier, make
from blurvae.experiments.frvsr import check_motion, given
from blurvae.record import Run
from blurvae.systems import FRVSR

TITLE = "One frame, three frames, all frames before (Sections 3.4 and 3.5)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    "PSNR is over all pixels of a clip without its first and last two frames; it is no mean of frames.",
    "The motion of these clips is uniform and known; nothing is hidden or comes into sight but at the border.",
)
METHODS = (
    Method("sisr", "SISR", FRVSR("sisr", motion="carried")),
    Method("vsr", "VSR", FRVSR("vsr", motion="carried")),
    Method("frvsr", "FRVSR", FRVSR("frvsr", motion="carried")),
    Method("vsr-given", "VSR, motion given", FRVSR("vsr", motion="given")),
    Method("frvsr-given", "FRVSR, motion given", FRVSR("frvsr", motion="given")),
)
SHARED = {"sisr": "SISR", "vsr-given": "VSR", "frvsr-given": "FRVSR"}  # without FNet: what other experiments vary
PLAIN = tuple(m for m in METHODS if m.name in SHARED)
VARIANTS: tuple[Method, ...] = ()
COLUMNS = (
    "PSNR (video)",
    "SSIM (video)",
    "PSNR (video, bicubic)",
    "temporal error",
    "temporal error (bicubic)",
    "flow error",
    "flow error (no flow)",
)
GRID: dict[str, dict[str, tuple[int, ...]]] = {
    "smoke": {"moving-flow": (0,)},
    "lesson": {"moving-flow": (0, 1, 2, 3, 4)},
}


def searched(data: str) -> None:
    """There is no β."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method.

    Args:
        tier: "smoke" or "lesson", see `frvsr.given`.
        data: "moving-flow".
        seeds: one run a method and seed.

    Raises:
        ValueError: clips without their motion.
    """
    own = given(check_tier(tier, GRID))
    check_motion(data)
    return make("frvsr/motion", METHODS, tier, data, seeds, own)


def plain(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """Those of `runs` without FNet, of the methods `PLAIN`."""
    return tuple(run for run in runs(tier, data, seeds) if run.method in SHARED)
