"""Does a sharper likelihood still help once the density of the codes is fitted ex post? Terms by densities (ours)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from blurvae import losses
from blurvae.experiments.base import Given, Method, check_tier, make
from blurvae.experiments.rae import given as budget
from blurvae.experiments.rae import methods
from blurvae.record import Run
from blurvae.systems import RAE

TITLE = "Reconstruction terms by densities of the codes"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = ("β is that of the squared error in all rows, in nats per image; FFL has β times 0.2, as in Bredell's tables.",)
TERMS = {"l2": "L2", "wiener": "Wiener", "wiener-proper": "Wiener-proper", "ffl": "FFL"}
MODELS = ("vae", "rae")
COLUMNS = (
    "PSNR",
    "LPIPS-squeeze",
    "FD-squeeze (held-out recon)",
    "FD-squeeze (samples)",
    "FD-squeeze (Gaussian samples)",
    "FD-squeeze (GMM samples)",
    "FD-squeeze (interpolation)",
    "FD-squeeze (data)",
    "KL",
)
GRID = {
    "smoke": {"natural": (0,)},
    "lesson": {"mnist": (0, 1, 2), "natural": (0, 1, 2), "faces64": (0, 1, 2)},
    "paper": {"mnist": (0, 1, 2), "cifar10": (0, 1, 2), "faces64": (0, 1, 2)},
}


def _rows(data: str) -> tuple[Method, ...]:
    """Each term in each model."""
    made = []
    for base in (m for m in methods(data) if m.name in MODELS):
        assert isinstance(base.system, RAE)
        for term, label in TERMS.items():
            beta = base.system.beta * (0.2 if term == "ffl" else 1.0)
            system = replace(base.system, term=losses.get(term), beta=beta)
            made.append(Method(f"{base.name}-{term}", f"{base.label}, {label}", system))
    return tuple(made)


METHODS = _rows("mnist")
VARIANTS: tuple[Method, ...] = ()


def searched(data: str) -> None:
    """β is each method's own."""


def given(tier: str, data: str) -> Given:
    """Table 6.2's; the warm-up of terms with a kernel is an epoch, or at "paper" ten."""
    base = budget(tier, data)
    return base._replace(system={**base.system} | {"warm_up": 10 if tier == "paper" else 1})


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, model by model and term by term.

    Args:
        tier: "smoke", "lesson" or "paper", see `rae.given`.
        data: a data set of 32×32 or 64×64 px, which decides on the weights.
        seeds: one run a method and seed.
    """
    return make("rae/terms", _rows(data), check_tier(tier, GRID), data, seeds, given(tier, data))
