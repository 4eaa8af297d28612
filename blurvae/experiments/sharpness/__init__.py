"""Karna and Tanneru, "Introducing sharpness measure in variational autoencoders and …": a student report's experiments.

The released script divides cross-entropy and KL by the number of pixels and adds the sharpness term as a mean with
weight 1: in nats that weight is 784 for variant (a), and 784/676 for sums over the 676 pixels with eight neighbours.
"""

from __future__ import annotations

from typing import Any

from blurvae.experiments.base import Given
from blurvae.losses import CrossEntropy, Sharpness, Sum
from blurvae.systems import SmallVAE
from blurvae.train import Budget

PIXELS, INNER = 28 * 28, 26 * 26
LATE = 15  # epochs without the sharpness term, of 25


def naive() -> SmallVAE:
    """The report's VAE: perceptrons 784-400-20, cross-entropy."""
    return SmallVAE(CrossEntropy(), network="perceptrons", latent=20, output="sigmoid")


def sharpened(variant: Any = "b", weight: float = 1.0, absolute: bool = False, late: int = 0) -> SmallVAE:
    """The same with the sharpness term, at a weight in the unit of the released script."""
    unit = PIXELS if variant == "a" else PIXELS / INNER
    term = Sum(CrossEntropy(), Sharpness(variant, absolute), weight * unit)
    system = naive()
    return SmallVAE(term, first=system.term, late=late, network="perceptrons", latent=20, output="sigmoid")


def given(tier: str) -> Given:
    """What all methods are given, of a tier that is known to be offered.

    At "study" the report's whole protocol: 60,000 images, 25 epochs, batches of 128. At "lesson" 10,000 images.
    """
    if tier == "study":
        return Given(Budget(epochs=25, batch_size=128), {}, {"size": 28})
    if tier == "lesson":
        return Given(Budget(epochs=25, batch_size=128), {}, {"size": 28, "n_train": 10_000, "n_test": 1000})
    return Given(Budget(epochs=2, batch_size=16), {"hidden": 32}, {"size": 28, "n_train": 64, "n_test": 32})
