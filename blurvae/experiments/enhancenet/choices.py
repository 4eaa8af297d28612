"""Fig. 2.4 of Sajjadi (2024), how large the patches of a texture are, and Section 2.3, what the bicubic sum is for.

A Gram matrix sums over a patch, so that L_T of equal textures goes with the square of a patch's area: 4 px in the place
of 16 weigh a 256th, and the whole of 64 px 256 times as much. PAT has the weights of the text at each size. PT leaves
the game out, which makes trainings differ more than patches do, and has the weights that make sizes equal.
"""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Method, check_tier, make
from blurvae.experiments.enhancenet import given, table3
from blurvae.record import Run
from blurvae.systems import EnhanceNet

TITLE = "Patches of a texture, and the bicubic sum (Fig. 2.4, Section 2.3)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    "Features of the project's own classifier, not of VGG-19; the whole is 64 px, where the text has 128.",
    "ENet-PAT has the weights of Table 2.2 at each size of patch; PT has L_T times (16 px / size)⁴.",
)
SHARED = ("e", "pat")  # Table 2.3's, with 16 px and the sum
WHOLE = 64  # px of a picture


def _alone(name: str, label: str, side: int) -> Method:
    """L_P and L_T with patches of a side, 0 for the whole, weighted so that equal textures count as much."""
    return Method(name, label, EnhanceNet("PT", patch=side, texture=(16 / (side or WHOLE)) ** 4))


_OWN = (
    Method("pat-4", "ENet-PAT, patches of 4 px", EnhanceNet("PAT", adversarial=2.0, patch=4)),
    Method("pat-whole", "ENet-PAT, one patch", EnhanceNet("PAT", adversarial=2.0, patch=0)),
    _alone("pt-4", "PT, patches of 4 px", 4),
    _alone("pt-16", "PT, patches of 16 px", 16),
    _alone("pt-whole", "PT, one patch", 0),
    Method("e-no-sum", "ENet-E without the sum", EnhanceNet("E", global_skip=False)),
    Method("pat-no-sum", "ENet-PAT without the sum", EnhanceNet("PAT", adversarial=2.0, global_skip=False)),
)
METHODS = (*(m for m in table3.METHODS if m.name in SHARED), *_OWN)
VARIANTS: tuple[Method, ...] = ()
COLUMNS = table3.COLUMNS[:-4]  # without the field's sets
GRID: dict[str, dict[str, tuple[int, ...]]] = {"smoke": {"natural": (0,)}, "lesson": {"natural": (0, 1, 2)}}


def searched(data: str) -> None:
    """There is no β."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """Table 2.3's runs of E and PAT, then the others, method by method.

    Args:
        tier: "smoke" or "lesson", see `enhancenet.given`.
        data: a data set in colour, of 64 px.
        seeds: one run a method and seed.
    """
    shared = tuple(run for run in table3.runs(check_tier(tier, GRID), data, seeds) if run.method in SHARED)
    return shared + make("enhancenet/choices", _OWN, tier, data, seeds, given(tier))
