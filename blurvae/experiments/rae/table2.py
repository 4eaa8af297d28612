"""Tables 6.2 and 6.3 of Sajjadi (2024): eight autoencoders, their reconstructions, interpolations and samples."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import check_tier, make
from blurvae.experiments.rae import given, methods, variants
from blurvae.record import Run

TITLE = "Autoencoders from variational to deterministic, and densities fitted ex post (Tables 6.2 and 6.3)"
PAPER_DATA = "mnist"
PAPER_TABLE = "rae/table2"
NOTES = (
    "FID in the paper is over Inception's features, ours over SqueezeNet's: ranks compare, values do not.",
    "N is the prior for VAE and WAE, and a Gaussian fitted to the codes for the others, as in the paper.",
    "RAE-GP penalises the Jacobian's norm; as released, the slope of the sum of squares (erratum RA-E6).",
)
METHODS = methods(PAPER_DATA)
VARIANTS = variants(PAPER_DATA)
COLUMNS = (
    "PSNR",
    "FD-squeeze (held-out recon)",
    "FD-squeeze (N)",
    "FD-squeeze (GMM samples)",
    "FD-squeeze (interpolation)",
    "FD-squeeze (Gaussian samples)",
    "FD-squeeze (samples)",
    "FD-squeeze (data)",
    "log q of training codes (GMM)",
    "log q of held-out codes (GMM)",
)
GRID = {
    "smoke": {"natural": (0,)},
    "lesson": {"mnist": (0, 1, 2), "natural": (0, 1, 2), "cifar10": (0, 1, 2), "faces64": (0, 1, 2)},
    "study": {"mnist": (0, 1, 2)},
    "paper": {"mnist": (0, 1, 2), "cifar10": (0, 1, 2), "faces64": (0, 1, 2), "celeba": (0, 1, 2)},
}


def searched(data: str) -> None:
    """β is the authors'."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method; the variants on MNIST, and at tier "smoke".

    Args:
        tier: "smoke", "lesson", "study" or "paper", see `rae.given`.
        data: a data set of 32×32 or 64×64 px, which decides on the weights.
        seeds: one run a method and seed.
    """
    rows = methods(data) + (variants(data) if data == "mnist" or tier == "smoke" else ())
    return make("rae/table2", rows, check_tier(tier, GRID), data, seeds, given(tier, data))
