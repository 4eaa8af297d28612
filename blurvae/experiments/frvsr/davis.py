"""FR-C1 on real clips: the networks of the text on those of DAVIS at hand, for a GPU."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Method, check_tier, make
from blurvae.experiments.frvsr import given
from blurvae.experiments.frvsr.motion import COLUMNS as MEASURED
from blurvae.record import Run
from blurvae.systems import FRVSR

TITLE = "One frame, three frames, all frames before, on real clips (Section 3.4)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    "PSNR is over all pixels of a clip without its first and last two frames; it is no mean of frames.",
    "Trained on four clips and measured on a fifth: none of the numbers stands beside one of Vid4 or of YouTube clips.",
)
METHODS = (
    Method("sisr", "SISR 10-64", FRVSR("sisr")),
    Method("vsr", "VSR 10-64", FRVSR("vsr")),
    Method("frvsr", "FRVSR 10-64", FRVSR("frvsr")),
)
VARIANTS: tuple[Method, ...] = ()
COLUMNS = MEASURED[:3]
GRID: dict[str, dict[str, tuple[int, ...]]] = {"smoke": {"moving": (0,)}, "paper": {"davis": (0,)}}


def searched(data: str) -> None:
    """There is no β."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method.

    Args:
        tier: "smoke" or "paper", see `frvsr.given`.
        data: a set of clips.
        seeds: one run a method and seed.
    """
    return make("frvsr/davis", METHODS, check_tier(tier, GRID), data, seeds, given(tier))
