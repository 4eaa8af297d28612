"""FR-C1 where the small frames are damaged (Table 3.1), FR-C3 (clip length) and Fig. 3.9 (blocks), the motion given.

Of the levels of Table 3.1 the milder ones cost bicubic enlargement of these clips about 1 dB, which is what motion may
bring; JPEG at quality 40 costs 2 dB, and noise of σ 0.075 nearly 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from blurvae.experiments.base import Given, Method, check_tier, make
from blurvae.experiments.frvsr import given, motion
from blurvae.record import Run
from blurvae.systems import FRVSR
from blurvae.systems.frvsr import Method as Kind

TITLE = "Damaged frames, short clips, fewer and more blocks, the motion given (Table 3.1, Sections 3.4.3 and 3.4.4)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    "PSNR is over all pixels of a clip without its first and last two frames; it is no mean of frames.",
    "The motion is given in the place of a flow that is learned: what is compared is what the samples are worth.",
    "Trained and measured on frames damaged alike; rows with no damage, 2 blocks and ten frames are `frvsr/motion`'s.",
)


def _method(name: str, label: str, kind: Kind, blocks: int = 2, **fields: Any) -> Method:
    return Method(name, label, FRVSR(kind, motion="given", blocks=blocks, filters=16, **fields))


DAMAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "noise-0.025": ("noise of σ 0.025", {"noise": 0.025}),
    "jpeg-70": ("JPEG at quality 70", {"jpeg": 70}),
    "noise-0.075": ("noise of σ 0.075", {"noise": 0.075}),
    "jpeg-40": ("JPEG at quality 40", {"jpeg": 40}),
}
_OWN = (
    *(
        _method(f"{kind}-{name}", f"{kind.upper()}, {said}", kind, **fields)
        for name, (said, fields) in DAMAGES.items()
        for kind in ("sisr", "vsr", "frvsr")
    ),
    *(_method(f"frvsr-{n}-frames", f"FRVSR, clips of {n} frames", "frvsr", frames=n) for n in (2, 5)),
    _method("sisr-4-blocks", "SISR, 4 blocks", "sisr", 4),
    _method("vsr-4-blocks", "VSR, 4 blocks", "vsr", 4),
    _method("frvsr-1-block", "FRVSR, 1 block", "frvsr", 1),
)
METHODS = (*motion.PLAIN, *_OWN)
VARIANTS: tuple[Method, ...] = ()
COLUMNS = motion.COLUMNS[:5]
GRID: dict[str, dict[str, tuple[int, ...]]] = {
    "smoke": {"moving-flow": (0,)},
    "lesson": {"moving-flow": (0, 1, 2)},
}


def searched(data: str) -> None:
    """There is no β."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of `frvsr/motion` without damage, then the others, method by method.

    Args:
        tier: "smoke" or "lesson", see `frvsr.given`; blocks and filters are the methods' own.
        data: "moving-flow".
        seeds: one run a method and seed.
    """
    budget, system, images = given(check_tier(tier, GRID))
    shared = {name: value for name, value in system.items() if name not in ("blocks", "filters")}
    own = make("frvsr/robust", _OWN, tier, data, seeds, Given(budget, shared, images))
    return motion.plain(tier, data, seeds) + own
