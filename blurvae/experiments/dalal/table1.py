"""Table 1 of Dalal: five losses, codes of length 2; with the term as printed beside the term as released."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Method, check_tier, make
from blurvae.experiments.dalal import INNER, RELEASED, given, small, stft
from blurvae.losses import L1, L2
from blurvae.record import Run

TITLE = "Short-time Fourier loss on black-and-white digits, z of length 2 (Dalal, Table 1)"
PAPER_DATA = "mnist-binary"
PAPER_TABLE = "dalal/table1"
NOTES = (
    "The paper measures images as they leave the decoder, for codes drawn from q: the columns (raw, z ~ q).",
    "The author's SSIM, in training and measuring, leaves 5 px at the border out: so does ours where it says so.",
    "STFT as released: no Hann window, one quadrant of the frequencies, none on the axes, phases not wrapped.",
)
METHODS = (
    Method("l2", "L2", small(L2()), "L2"),
    Method("l1", "L1", small(L1()), "L1"),
    Method("ssim", "SSIM", small(INNER), "SSIM"),
    Method("dft-ssim", "DFT + SSIM", small(INNER, stft(window=28, stride=0, **RELEASED)), "DFT+SSIM"),
    Method("stft-ssim", "STFT + SSIM, as released", small(INNER, stft(**RELEASED)), "Ours"),
    Method("stft-ssim-printed", "STFT + SSIM, as printed", small(INNER, stft())),
)
VARIANTS: tuple[Method, ...] = ()
COLUMNS = (
    "PSNR (raw, z ~ q)",
    "SSIM without border (raw, z ~ q)",
    "PSNR (raw)",
    "SSIM without border (raw)",
    "PSNR",
    "SSIM",
    "LPIPS-squeeze",
    "FD-squeeze (samples)",
    "blur percentage",
    "KL",
)
GRID = {
    "smoke": {"dead-leaves": (0,)},
    "lesson": {"mnist-binary": (0, 1, 2)},
    "study": {"mnist-binary": (0, 1, 2)},
    "paper": {"mnist-binary": (0, 1, 2)},
}


def searched(data: str) -> None:
    """β is the author's."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method.

    Args:
        tier: "smoke", "lesson", "study" or "paper", see `dalal.given`.
        data: a data set that comes in 28×28 px.
        seeds: one run a method and seed.
    """
    return make("dalal/table1", METHODS, check_tier(tier, GRID), data, seeds, given(tier))
