"""The report's VAE-GAN with and without the sharpness term, as printed and as released, and how often it fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from blurvae.experiments.base import Given, Method, check_tier, make
from blurvae.losses import Sharpness
from blurvae.record import Run
from blurvae.systems import VAEGAN
from blurvae.train import Budget

TITLE = "VAE-GAN with and without the sharpness term (report, second half)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    'The report prints no number. A row without "released" is as its text prints it, with samples from the prior as '
    "second fakes, as Larsen has them.",
    "Equilibrium and margin come from released code and stand in no paper.",
    "A training has failed where its samples are further from the test images than the training set's mean image is, "
    "in FD-squeeze, or where a classifier sees one digit in them alone.",
)
RELEASED: dict[str, Any] = {"gamma": 1e-6, "equilibrium": 0.68, "margin": 0.35}
AS_PRINTED: dict[str, Any] = {"term_encoder": 1.0, "term_decoder": 1.0}
AS_RELEASED: dict[str, Any] = {"term": Sharpness(scale=0.5), "term_encoder": 1.0, "term_decoder": 5e-7}

METHODS = (
    Method("vae-gan", "VAE-GAN", VAEGAN()),
    Method("sharpness", "VAE-GAN + sharpness", VAEGAN(**AS_PRINTED)),
    Method("equilibrium", "VAE-GAN, equilibrium rule", VAEGAN(equilibrium=0.68, margin=0.35)),
    Method("released", "released VAE-GAN", VAEGAN(**RELEASED)),
    Method("released-sharpness", "released VAE-GAN + sharpness", VAEGAN(**RELEASED | AS_RELEASED)),
)
VARIANTS = (
    Method("layer-conv1", "VAE-GAN, layer conv1", VAEGAN(layer="conv1")),
    Method("layer-conv2", "VAE-GAN, layer conv2", VAEGAN(layer="conv2")),
    Method("layer-hidden", "VAE-GAN, layer hidden", VAEGAN(layer="hidden")),
    Method("reconstructions-only", "VAE-GAN, no samples judged", VAEGAN(prior_fakes=False)),
    Method("non-saturating", "VAE-GAN, non-saturating", VAEGAN(generator="non-saturating")),
)
COLUMNS = (
    "PSNR",
    "SSIM",
    "LPIPS-squeeze",
    "FD-squeeze (recon)",
    "FD-squeeze (samples)",
    "FD-squeeze (mean image)",
    "precision-squeeze (samples)",
    "recall-squeeze (samples)",
    "failed",
    "KL",
    "sharpness",
    "shift 1 px (features)",
    "shift 1 px (pixels)",
    "shift 1 px (sharpness)",
)
MANY, FEW = tuple(range(20)), (0, 1, 2)
GRID: dict[str, dict[str, tuple[int, ...]]] = {
    "smoke": {"natural": (0,)},
    "lesson": {"mnist": MANY, "natural": FEW, "faces64": FEW},
    "study": {"mnist": FEW, "faces64": FEW},
    "paper": {"mnist": FEW},
}


def searched(data: str) -> None:
    """β is 1, as in the report."""


def given(tier: str, data: str) -> Given:
    """What all methods are given, of a tier that is known to be offered.

    At "paper" the report's 50,000 images of 32×32 px and the constants of its code. At "lesson" networks of an eighth
    of its widths, in which the likelihood of as many fewer features keeps its weight by its precision, 2,000 images
    (1,500 of 64×64 px) and 4 epochs. At "study" networks of a quarter, 10,000 images (3,000) and the 7 epochs of the
    code.
    """
    size = 64 if data == "faces64" else 32
    if tier == "paper":
        return Given(Budget(epochs=7, batch_size=32), {}, {"size": size, "n_train": 50_000})
    if tier == "study":
        system = {"widths": (16, 32, 64), "latent": 32, "hidden": 256, "feature_precision": 4.0}
        images = {"n_train": 3000 if size == 64 else 10_000, "n_test": 500}
        return Given(Budget(epochs=7, batch_size=16), system, {"size": size, **images})
    if tier == "lesson":
        images = {"n_train": 1500 if size == 64 else 2000, "n_test": 500}
        system = {"widths": (8, 16, 32), "latent": 16, "hidden": 128, "feature_precision": 8.0}
        return Given(Budget(epochs=4, batch_size=16), system, {"size": size, **images})
    smoke = {"widths": (2, 4, 8), "latent": 4, "hidden": 8}
    return Given(Budget(epochs=2, batch_size=16), smoke, {"size": size, "n_train": 64, "n_test": 32})


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method; the variants at tier "lesson" only.

    Args:
        tier: "smoke", "lesson", "study" or "paper", see `given`.
        data: a data set of 32×32 px, or "faces64".
        seeds: one run a method and seed.
    """
    what = check_tier(tier, GRID), data
    methods = METHODS + VARIANTS if tier == "lesson" else METHODS
    return make("sharpness/vae_gan", methods, *what, seeds, given(*what))
