"""Fig. 3.5: which blur before decimation the networks want that see one frame, three, or all before, the motion given.

The best linear estimate has its own answer, which needs no training: see `frvsr.theory.best_blur`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from blurvae.experiments.base import Method, check_tier, make
from blurvae.experiments.frvsr import given, motion
from blurvae.record import Run
from blurvae.systems import FRVSR

TITLE = "One frame, three frames, all frames before, over the blur before decimation (Fig. 3.5)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    "PSNR is over all pixels of a clip without its first and last two frames; it is no mean of frames.",
    "Trained and measured at the same σ; the motion is given. Rows of σ = 1.5 px are `frvsr/motion`'s.",
    "Published as curves; of numbers there are the best σ, and how far apart the best of the three are.",
)
SIGMAS = (0.0, 1.0, 1.5, 2.0, 3.0)  # px; the printed best ones, 1.5 and 2, among them


def _at(method: Method, sigma: float) -> Method:
    """The method with another blur."""
    system = method.system
    assert isinstance(system, FRVSR)
    if sigma == system.sigma:
        return method
    label = f"{motion.SHARED[method.name]}, σ = {sigma:g} px"
    return Method(f"{method.name}-sigma-{sigma:g}", label, replace(system, sigma=sigma))


METHODS = tuple(_at(method, sigma) for method in motion.PLAIN for sigma in SIGMAS)
_OWN = tuple(m for m in METHODS if m not in motion.PLAIN)
VARIANTS: tuple[Method, ...] = ()
COLUMNS = motion.COLUMNS[:5]
GRID: dict[str, dict[str, tuple[int, ...]]] = {
    "smoke": {"moving-flow": (0,)},
    "lesson": {"moving-flow": (0, 1, 2)},
}


def over_sigma(method: str) -> dict[float, str]:
    """The names of a method's rows by σ, rising.

    Args:
        method: of `motion.SHARED`, such as "frvsr-given".

    Raises:
        ValueError: another name.
    """
    if method not in motion.SHARED:
        raise ValueError(f"Over σ there are {', '.join(motion.SHARED)}, not {method!r}.")
    plain = next(m for m in motion.PLAIN if m.name == method)
    return {sigma: _at(plain, sigma).name for sigma in SIGMAS}


def searched(data: str) -> None:
    """There is no β."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of `frvsr/motion` at σ = 1.5 px, then those at other σ, method by method.

    Args:
        tier: "smoke" or "lesson", see `frvsr.given`.
        data: "moving-flow".
        seeds: one run a method and seed.
    """
    return motion.plain(check_tier(tier, GRID), data, seeds) + make("frvsr/blur", _OWN, tier, data, seeds, given(tier))
