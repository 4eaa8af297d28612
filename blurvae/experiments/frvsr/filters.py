"""Fig. 3.9, the other half: fewer and more feature maps of the same SRNet, the motion given.

`frvsr/robust` has fewer and more blocks. Each run says what a frame took, see `evaluation.timing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from blurvae.evaluation.timing import NAME as TIME
from blurvae.experiments.base import Given, Method, check_tier, make
from blurvae.experiments.frvsr import given, motion
from blurvae.record import Run
from blurvae.systems import FRVSR

TITLE = "Fewer and more feature maps, the motion given (Fig. 3.9)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    "PSNR is over all pixels of a clip without its first and last two frames; it is no mean of frames.",
    "The motion is given, so that the time of a frame is without FNet's. Rows of 16 maps are `frvsr/motion`'s.",
    "Times are of the machine that each record names.",
)
FILTERS = (8, 24)


def _with(method: Method, filters: int) -> Method:
    assert isinstance(method.system, FRVSR)
    label = f"{motion.SHARED[method.name]}, {filters} maps"
    return Method(f"{method.name}-{filters}-maps", label, replace(method.system, filters=filters))


_OWN = tuple(_with(method, filters) for filters in FILTERS for method in motion.PLAIN)
METHODS = (*motion.PLAIN, *_OWN)
VARIANTS: tuple[Method, ...] = ()
COLUMNS = (*motion.COLUMNS[:3], TIME)
GRID: dict[str, dict[str, tuple[int, ...]]] = {
    "smoke": {"moving-flow": (0,)},
    "lesson": {"moving-flow": (0, 1, 2)},
}


def searched(data: str) -> None:
    """There is no β."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of `frvsr/motion` with 16 maps, then the others, method by method.

    Args:
        tier: "smoke" or "lesson", see `frvsr.given`; the feature maps are the methods' own.
        data: "moving-flow".
        seeds: one run a method and seed.
    """
    budget, system, images = given(check_tier(tier, GRID))
    shared = {name: value for name, value in system.items() if name != "filters"}
    own = make("frvsr/filters", _OWN, tier, data, seeds, Given(budget, shared, images))
    return motion.plain(tier, data, seeds) + own
