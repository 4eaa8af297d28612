"""FR-C1 on real clips, those of DAVIS at hand: small networks, and those of the text for a GPU."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.evaluation.whole_clips import DIGITS as WHOLE
from blurvae.experiments.base import Method, check_tier, make
from blurvae.experiments.frvsr import given
from blurvae.experiments.frvsr.motion import COLUMNS as MEASURED
from blurvae.record import Run
from blurvae.systems import FRVSR
from blurvae.train import Budget

TITLE = "One frame, three frames, all frames before, on real clips (Section 3.4)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    "PSNR is over all pixels of a clip without its first and last two frames; it is no mean of frames.",
    "Trained on four clips and measured on a fifth: none of the numbers stands beside one of YouTube clips.",
    "Of Vid4 the first ten frames are measured, of which six count: no number of Table 3.2 is of these.",
)
METHODS = (
    Method("sisr", "SISR", FRVSR("sisr")),
    Method("vsr", "VSR", FRVSR("vsr")),
    Method("frvsr", "FRVSR", FRVSR("frvsr")),
)
VARIANTS: tuple[Method, ...] = ()
COLUMNS = (*MEASURED[:3], *WHOLE)
GRID: dict[str, dict[str, tuple[int, ...]]] = {
    "smoke": {"moving": (0,)},
    "lesson": {"davis": (0, 1, 2)},
    "paper": {"davis": (0,)},
}


def searched(data: str) -> None:
    """There is no β."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method.

    Args:
        tier: "smoke", "lesson" or "paper", see `frvsr.given`; at "lesson" parts of 64 px of the 16 clips of ten frames,
            which are seen 16 times an epoch.
        data: a set of clips.
        seeds: one run a method and seed.
    """
    own = given(check_tier(tier, GRID))
    if tier == "lesson":
        parts, images = {**own.system, "crop": 64}, {"size": 240, "n_train": 16, "n_test": 4}
        own = own._replace(budget=Budget(epochs=8, batch_size=4, passes=16), system=parts, run=images)
    return make("frvsr/davis", METHODS, tier, data, seeds, own)
