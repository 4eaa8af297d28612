"""What is measured of a system, by its kind: a watch after each epoch and a measure at the end."""

from __future__ import annotations

from typing import Any

from blurvae.evaluation.base import Evaluation, Measured, centre, real
from blurvae.evaluation.enhancenet import EnhanceNetEvaluation
from blurvae.evaluation.frvsr import FRVSREvaluation
from blurvae.evaluation.gan import GANEvaluation
from blurvae.evaluation.rae import RAEEvaluation
from blurvae.evaluation.samples import precision_recall
from blurvae.evaluation.small_vae import SmallVAEEvaluation
from blurvae.evaluation.vae import KS, VAEEvaluation
from blurvae.evaluation.vae_gan import VAEGANEvaluation

EVALUATIONS: dict[str, type[Any]] = {  # by the name of a system
    "vae": VAEEvaluation,
    "small-vae": SmallVAEEvaluation,
    "rae": RAEEvaluation,
    "vae-gan": VAEGANEvaluation,
    "gan": GANEvaluation,
    "tempered-vae": VAEEvaluation,
    "enhancenet": EnhanceNetEvaluation,
    "frvsr": FRVSREvaluation,
}

__all__ = [
    "EVALUATIONS",
    "KS",
    "EnhanceNetEvaluation",
    "Evaluation",
    "FRVSREvaluation",
    "GANEvaluation",
    "Measured",
    "RAEEvaluation",
    "SmallVAEEvaluation",
    "VAEEvaluation",
    "VAEGANEvaluation",
    "centre",
    "precision_recall",
    "real",
]
