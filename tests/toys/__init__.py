"""Tiny systems of every kind, and the list of systems over which each property of the training core is tested."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from blurvae import losses
from blurvae.systems import FRVSR as RealFRVSR
from blurvae.systems import GAN, RAE, VAEGAN, BlurVAE, SmallVAE, TemperedVAE
from blurvae.systems import EnhanceNet as RealEnhanceNet
from blurvae.systems.classifier import Classification
from blurvae.train import System
from toys.broken import Diverging, Reading
from toys.enhancenet import EnhanceNet
from toys.frvsr import FRVSR
from toys.samples import CLIPS, IMAGES, LARGER, POINTS, RECORDS, Pictures, smooth
from toys.two_terms import TwoTerms

WITHOUT_WEIGHTS = [name for name in losses.TERMS if name not in ("lpips", "watson-dft")]  # terms


def blur_vae(term: str, **constants: Any) -> BlurVAE:
    """The first real system at the size of the toys."""
    small: dict[str, Any] = {"widths": (4, 6), "latent": 3, "hidden": 8, "lr": 1e-3, "kernel_lr": 1e-3}
    return BlurVAE(losses.get(term, **constants), warm_up=1, **small)


def with_term(name: str) -> tuple[BlurVAE, Pictures]:
    """The first real system with a reconstruction term, weighted from the first step on, and images that all accept."""
    constants: dict[str, Any] = {"kernel_size": 3} if name.startswith("wiener") else {}
    return replace(blur_vae(name, **constants), warm_up=0), Pictures("images of 32 px", smooth(8, 32))


def tempered_vae(term: str, **constants: Any) -> TemperedVAE:
    """The same with blurred targets."""
    return TemperedVAE(**vars(blur_vae(term, **constants)), sigma=1.0, anneal=12)


def vae_gan(**fields: Any) -> VAEGAN:
    """The VAE-GAN at the size of the toys; its rule withholds steps unless `equilibrium` is given as 0."""
    small: dict[str, Any] = {"layer": "conv1", "widths": (4, 6), "latent": 3, "hidden": 8}
    return VAEGAN(**small | {"gamma": 1e-2, "equilibrium": 0.7, "margin": 0.08} | fields)


SMALL_RAE: dict[str, Any] = {
    "widths": (4, 6), "latent": 3, "start": 4, "held_out": 1, "patience": 0, "warm_up": 1
}  # fmt: skip


def enhancenet(loss: str, **fields: Any) -> RealEnhanceNet:
    """EnhanceNet at the size of the toys; its rule withholds steps."""
    small: dict[str, Any] = {"scale": 2, "crop": 0, "patch": 4, "width": 4, "blocks": 1, "widths": (3, 4), "hidden": 5}
    small |= {"features": "classifier", "threshold": 0.5, "lr": 1e-3, "loss": loss}
    return RealEnhanceNet(**small | fields)


def frvsr(method: str, **fields: Any) -> RealFRVSR:
    """Frame-recurrent super-resolution and its rivals at the size of the toys."""
    small: dict[str, Any] = {"scale": 2, "blocks": 1, "filters": 4, "flow_widths": (3, 4), "reach": 2.0, "lr": 1e-3}
    return RealFRVSR(method, **small | fields)  # type: ignore[arg-type]


def rae(model: str, term: str = "l2", **constants: Any) -> RAE:
    """The family of regularised autoencoders at the size of the toys; the watch's loss decides on its learning rate."""
    return RAE(model, losses.get(term, **constants), beta=1e-2, weight=1e-2, **SMALL_RAE)  # type: ignore[arg-type]


def small_vae() -> SmallVAE:
    """One with everything that it can have: perceptrons, a sum of terms from the second epoch on, cycles."""
    term = losses.Sum(losses.CrossEntropy(), losses.Sharpness())
    small: dict[str, Any] = {"network": "perceptrons", "hidden": 6, "output": "sigmoid", "half_cycle": 4}
    return SmallVAE(term, first=losses.CrossEntropy(), late=1, **small)


def gan(game: str = "gan", **fields: Any) -> GAN:
    """GANs at the size of the toys; a lens has one block, and so many filters that no pixel is dead in all."""
    small: dict[str, Any] = {"width": 4, "latent": 3, "filters": 8, "blocks": 1, "lr": 1e-3, "beta2": 0.9}
    return GAN(game, **small | ({"critics": 2} if game == "wgan-gp" else {}) | fields)  # type: ignore[arg-type]


CASES: dict[str, tuple[System[Any], Pictures]] = {
    "l2": (blur_vae("l2"), IMAGES),
    "wiener, detached": (blur_vae("wiener", kernel_size=3), IMAGES),
    "wiener, live": (blur_vae("wiener", kernel_size=3, kernel_path="live"), IMAGES),
    "wiener-proper, elbo": (blur_vae("wiener-proper", kernel_size=3, kernel_path="elbo"), IMAGES),
    "spectral": (blur_vae("spectral"), IMAGES),
    "tempered vae, wiener": (tempered_vae("wiener", kernel_size=3, kernel_path="live"), IMAGES),
    "small vae, cyclical, a late term": (small_vae(), IMAGES),
    "two terms": (TwoTerms(), IMAGES),
    "vae-gan": (vae_gan(), IMAGES),
    "vae-gan, with a term": (
        vae_gan(
            term=losses.L1(),
            term_encoder=1.0,
            term_decoder=0.5,
            equilibrium=0.0,
            prior_fakes=False,
            generator="non-saturating",
            optimiser="adam",
        ),
        IMAGES,
    ),
    "ae": (rae("ae"), IMAGES),
    "rae, wiener": (rae("rae", "wiener", kernel_size=3), IMAGES),
    "rae-l2": (rae("rae-l2"), IMAGES),
    "rae-gp": (rae("rae-gp"), IMAGES),
    "rae-gp of squares": (replace(rae("rae-gp"), penalty="squares"), IMAGES),
    "rae-sn": (rae("rae-sn"), IMAGES),
    "cv-vae, three draws": (replace(rae("cv-vae"), draws=3), IMAGES),
    "wae": (rae("wae"), IMAGES),
    "gan": (gan(), LARGER),
    "gan with a lens, by rmsprop": (gan(lens="learned", anneal=12, optimiser="rmsprop"), LARGER),
    "lsgan with a lens": (gan("lsgan", lens="learned", anneal=12), IMAGES),
    "lsgan with a sigmoid and a blur lens": (gan("lsgan", sigmoid=True, lens="blur", sigma=1.0, anneal=12), IMAGES),
    "wgan-gp": (gan("wgan-gp"), IMAGES),
    "wgan-gp with a lens": (gan("wgan-gp", lens="learned", reduction="mean", anneal=6), IMAGES),
    "gan of points with a lens": (gan(lens="learned", schedule="constant", identity=True), POINTS),
    "wgan-gp of points with noise": (gan("wgan-gp", lens="noise", sigma=0.5, anneal=6), POINTS),
    "enhancenet": (EnhanceNet(), IMAGES),
    "enet-e, cropped": (enhancenet("E", crop=6), IMAGES),
    "enet-pat": (enhancenet("PAT", adversarial=2.0), IMAGES),
    "enet-pt, one patch, without the sum": (enhancenet("PT", patch=0, global_skip=False), IMAGES),
    "enet-ea, cropped": (enhancenet("EA", crop=4, widths=(3, 4), patch=4), IMAGES),
    "frvsr": (FRVSR(), CLIPS),
    "frvsr, of three frames": (frvsr("frvsr"), CLIPS),
    "vsr": (frvsr("vsr", border="zeros", global_skip=True), CLIPS),
    "sisr, noisy parts": (frvsr("sisr", noise=0.05, crop=4), CLIPS),
    "classifier": (Classification((3, 8, 8), 3, (4, 6), flip=True, shift=1), RECORDS),
}

DIVERGING: tuple[System[Any], Pictures] = Diverging("ae", **SMALL_RAE), IMAGES
READING: tuple[System[Any], Pictures] = Reading("gan", width=4, latent=3, filters=8, blocks=1, lens="learned"), LARGER
