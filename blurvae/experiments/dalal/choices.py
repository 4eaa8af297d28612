"""What Dalal chose: window and stride, the weight of the phase, that of the whole, and the pixel term (D3 to D6).

At the released weight the Fourier term is so small a part of the loss that no choice within it could be seen (the rows
of `SCALES` show that), so windows and phases are compared at a hundred times that weight; with codes of length 16.
"""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Method, check_tier, make
from blurvae.experiments.dalal import INNER, STFT_WEIGHT, given, small, stft
from blurvae.losses import L1, L2, CrossEntropy
from blurvae.record import Run

TITLE = "Choices within the short-time Fourier loss (Dalal, claims D3 to D6)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    "Codes of length 16, the term as printed; the rows of windows and phases have 100 times the released weight of it.",
    "The rows of pixel terms have the released weight, which beside a mean over pixels is large.",
)
STRONG = 100 * STFT_WEIGHT
WINDOWS = ((8, 4), (8, 2), (16, 12), (16, 4), (28, 0))
PHASES = (0.0, 0.1, 0.5, 0.9, 1.0)  # beside an amplitude with the rest of the weight
SCALES = (1.0, 10.0, 1000.0)  # times the released weight
METHODS = (
    Method("ssim", "SSIM alone", small(INNER)),
    *(
        Method(
            f"window-{w}-{s}",
            f"window {w}, stride {s}" if s else "global transform",
            small(INNER, stft(window=w, stride=s, scale=STRONG)),
        )
        for w, s in WINDOWS
    ),
    *(
        Method(
            f"phase-{phase:g}",
            f"phase {phase:g}, amplitude {1 - phase:g}",
            small(INNER, stft(phase=phase, amplitude=round(1 - phase, 3), scale=STRONG)),
        )
        for phase in PHASES
        if phase != 0.9  # that is window-16-4
    ),
    *(
        Method(f"scale-{k:g}", f"{k:g} × the released weight", small(INNER, stft(scale=k * STFT_WEIGHT)))
        for k in SCALES
    ),
    *(
        Method(f"pixel-{pixel.name}", f"{label} + STFT", small(pixel, stft()))
        for pixel, label in ((L1(), "L1"), (L2(), "L2"), (CrossEntropy(), "CE"))
    ),
)
VARIANTS: tuple[Method, ...] = ()
# Choice by choice: what the paper, or the released code, chose, and the rows that differ in nothing else.
GROUPS: dict[str, tuple[str, dict[str, str]]] = {
    "window / stride": (
        "window-16-4",
        {"8 / 2": "window-8-2", "8 / 4": "window-8-4", "16 / 4": "window-16-4", "16 / 12": "window-16-12"}
        | {"global": "window-28-0"},
    ),
    "weight of the phase": (
        "window-16-4",
        {f"{phase:g}": "window-16-4" if phase == 0.9 else f"phase-{phase:g}" for phase in PHASES},
    ),
    "× released weight": (
        "scale-1",
        {"0": "ssim", "1": "scale-1", "10": "scale-10", "100": "window-16-4", "1000": "scale-1000"},
    ),
    "pixel term": ("scale-1", {"SSIM": "scale-1", "L1": "pixel-l1", "L2": "pixel-l2", "CE": "pixel-ce"}),
}
COLUMNS = ("PSNR", "SSIM", "LPIPS-squeeze", "log-spectrum distance (recon)", "blur percentage", "KL")
GRID = {"smoke": {"dead-leaves": (0,)}, "lesson": {"mnist-binary": (0, 1, 2)}}


def searched(data: str) -> None:
    """β is the author's."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method; arguments as in `table1.runs`."""
    return make("dalal/choices", METHODS, check_tier(tier, GRID), data, seeds, given(tier, latent=16))
