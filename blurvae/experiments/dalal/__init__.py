"""Dalal, "Deblurring variational autoencoders with short-time Fourier transform": its experiments.

The author's code divides squared error, absolute error and cross-entropy by the number of pixels D and weights SSIM by
500, KL by 0.005 and the Fourier term by 0.0015. His SSIM is TensorFlow's, which leaves the border out (`INNER`). A loss
as a whole may be multiplied by anything, so each is brought to the unit of its pixel term in this package (`unit`): β
is 7.84 for L2 and L1 at 28×28 px, 3.92 for CE, 0.00392 for SSIM.
"""

from __future__ import annotations

from typing import Any

from blurvae.experiments.base import Given
from blurvae.losses import SSIM, STFT, CrossEntropy, Sum, Term
from blurvae.systems import SmallVAE
from blurvae.train import Budget

PIXELS = 28 * 28
KL_WEIGHT, SSIM_WEIGHT, STFT_WEIGHT = 0.005, 500.0, 0.0015
PHASE, AMPLITUDE = 0.9, 0.1  # by the name of the released weights
INNER = SSIM(border=False)
RELEASED: dict[str, Any] = {"hann": False, "form": "released"}
SYSTEM: dict[str, Any] = {"lr": 1e-3, "lr_low": 1e-4, "half_cycle": 2000}  # of the paper


def stft(**constants: Any) -> STFT:
    """The Fourier term in the author's unit, with his weights where nothing else is given."""
    return STFT(**({"phase": PHASE, "amplitude": AMPLITUDE, "scale": STFT_WEIGHT} | constants))


def unit(pixel: Term) -> float:
    """By what the author's value of a pixel term is multiplied to give ours."""
    if isinstance(pixel, SSIM):
        return PIXELS / 2 / SSIM_WEIGHT  # D (1 − SSIM)/2 for 500 (1 − SSIM)
    return PIXELS if isinstance(pixel, CrossEntropy) else 2 * PIXELS  # ½‖e‖² and ‖e‖₁ on [−1, 1] for means on [0, 1]


def small(pixel: Term, fourier: STFT | None = None) -> SmallVAE:
    """The author's network with a pixel term, at his weight of KL, and with a Fourier term at his weight of that."""
    term = pixel if fourier is None else Sum(pixel, fourier, unit(pixel))
    output: Any = "sigmoid" if isinstance(pixel, CrossEntropy) else "linear"
    return SmallVAE(term, unit(pixel) * KL_WEIGHT, output=output)


def given(tier: str, latent: int = 2) -> Given:
    """What all methods are given, of a tier that is known to be offered.

    At "paper" 50 epochs of all images, batches of 50; at "study" 10 of them, three cycles of the learning rate; at
    "lesson" 10,000 images, 5 epochs, cycles a tenth as long.
    """
    system = SYSTEM | {"latent": latent}
    match tier:
        case "paper" | "study":
            return Given(Budget(epochs=50 if tier == "paper" else 10, batch_size=50), system, {"size": 28})
        case "lesson":
            run = {"size": 28, "n_train": 10_000, "n_test": 1000}
            return Given(Budget(epochs=5, batch_size=50), system | {"half_cycle": 200}, run)
    run = {"size": 28, "n_train": 64, "n_test": 32}
    return Given(Budget(epochs=2, batch_size=16), system | {"half_cycle": 4}, run)
