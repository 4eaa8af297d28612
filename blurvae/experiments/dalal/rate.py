"""Short-time Fourier and focal frequency terms at equal KL, beside L2 and the main paper's term (claims D1 and B13)."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Method, check_tier, make, over_beta, term_of
from blurvae.experiments.bredell import rate, row, table2
from blurvae.experiments.dalal import small, stft
from blurvae.experiments.dalal.choices import STRONG
from blurvae.losses import SSIM
from blurvae.record import Run
from blurvae.systems import BlurVAE

TITLE = "Terms of frequencies at equal KL: STFT, focal frequency, Wiener (ours)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = ("L2 and Wiener are the runs of bredell/rate.", "STFT + SSIM has 100 times the released weight of the former.")
BETAS = {"ssim": (0.03, 0.1, 0.3, 1.0), "stft-ssim": (0.03, 0.1, 0.3, 1.0), "ffl": (0.02, 0.06, 0.2, 0.6)}
TERMS = (
    row("ssim", "SSIM", "ssim"),
    Method("stft-ssim", "STFT + SSIM", BlurVAE(small(SSIM(), stft(scale=STRONG)).term)),
    row("ffl", "FFL", "ffl"),
)
METHODS = (
    *over_beta(rate.TERMS[:2], rate.BETAS),
    *(method for term in TERMS for method in over_beta([term], BETAS[term.name])),
)
VARIANTS: tuple[Method, ...] = ()
COLUMNS: tuple[str, ...] = ()
GRID = {
    "smoke": {"natural": (0,)},
    "lesson": {"natural": (0, 1, 2), "mnist": (0, 1, 2), "faces64": (0, 1, 2)},
}


def searched(data: str) -> None:
    """β is each method's own."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, term by term and β by β, with the budget of bredell/rate, whose are those of L2 and Wiener.

    Args:
        tier: "smoke" or "lesson".
        data: a data set of `bredell.rate`.
        seeds: one run a method and seed.
    """
    given = (table2 if data in rate.LARGE else rate).given(check_tier(tier, GRID))
    borrowed = [r for r in rate.runs(tier, data, seeds) if r.method in {m.name for m in METHODS}]
    own = [m for m in METHODS if term_of(m.name) in BETAS]
    return (*borrowed, *make("dalal/rate", own, tier, data, seeds, given))
