"""ENet-E and ENet-PAT with VGG-19 on photographs, as far as one thread brings them in twenty minutes."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Given, Method, check_tier, make
from blurvae.experiments.enhancenet import given, table3
from blurvae.record import Run
from blurvae.train import Budget

TITLE = "ENet-E and ENet-PAT with VGG-19, on parts of photographs (Section 2.4)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    "Fewer blocks and feature maps than the text's, crops of 64 px in the place of 128, and 180 photographs.",
    "A column of Y goes by the protocol of the field; PSNR and SSIM without that are over RGB, with the border.",
)
METHODS = tuple(m for m in table3.METHODS if m.name in ("e", "pat"))
VARIANTS: tuple[Method, ...] = ()
COLUMNS = table3.COLUMNS
GRID: dict[str, dict[str, tuple[int, ...]]] = {"smoke": {"natural": (0,)}, "study": {"sr-train": (0,)}}
_SMALL = {"width": 32, "blocks": 4, "widths": (16, 32, 64, 128), "hidden": 256, "lr": 3e-4, "crop": 64}


def searched(data: str) -> None:
    """There is no β."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier: squared error, then PAT, which at "study" needs VGG-19's weights.

    Args:
        tier: "smoke", see `enhancenet.given`, or "study": 4 blocks of 32 maps, 1,760 steps of 8 crops.
        data: a data set in colour, of 64 px at tier "smoke" and of 320 px at "study".
        seeds: one run a method and seed.
    """
    own = given("smoke")
    if check_tier(tier, GRID) == "study":
        own = Given(Budget(epochs=10, batch_size=8, passes=8), _SMALL, {"size": 320})
    return make("enhancenet/study", METHODS, tier, data, seeds, own)
