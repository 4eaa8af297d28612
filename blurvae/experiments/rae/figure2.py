"""Fig. 6.2 of Sajjadi (2024): reconstructions of a VAE that draws k codes of each image in a step."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Given, Method, check_tier, make
from blurvae.experiments.rae import MNIST, released
from blurvae.experiments.rae import given as budget
from blurvae.record import Run
from blurvae.systems import RAE

TITLE = "Codes drawn of an image in a step (Fig. 6.2)"
PAPER_DATA = "mnist"
PAPER_TABLE = ""
NOTES = (
    "Published as a figure, without numbers and with smaller networks that are not described.",
    "Batch norm sees k times as many decoded images in a step, which is part of what k changes.",
)
KS = (1, 2, 4, 8)
METHODS = tuple(Method(f"k-{k}", f"k = {k}", RAE("vae", beta=MNIST.beta("vae"), draws=k)) for k in KS)
VARIANTS: tuple[Method, ...] = ()
COLUMNS = (
    "PSNR",
    "FD-squeeze (recon)",
    "FD-squeeze (held-out recon)",
    "FD-squeeze (samples)",
    "FD-squeeze (data)",
    "KL",
)
GRID = {
    "smoke": {"natural": (0,)},
    "lesson": {"mnist": (0, 1, 2), "natural": (0, 1, 2)},
    "paper": {"mnist": (0, 1, 2)},
}


def searched(data: str) -> None:
    """β is the authors'."""


def given(tier: str, data: str) -> Given:
    """Table 6.2's, but at "lesson" 2,000 images: the step of k = 8 takes several times as long as that of k = 1."""
    base = budget(tier, data)
    return base._replace(run={**base.run, "n_train": 3000}) if tier == "lesson" else base


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, k by k.

    Args:
        tier: "smoke", "lesson" or "paper".
        data: a data set of 32×32 px, which decides on β.
        seeds: one run a method and seed.
    """
    beta = dict.fromkeys((m.name for m in METHODS), released(data).beta("vae"))
    return make("rae/figure2", METHODS, check_tier(tier, GRID), data, seeds, given(tier, data), beta)
