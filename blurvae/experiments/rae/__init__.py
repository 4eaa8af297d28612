"""Sajjadi (2024), chapter 6, and Ghosh et al. (ICLR 2020), "From variational to deterministic autoencoders".

The dissertation prints no weight. Those of the authors' code are brought to this package's units, nats per image, by
the factors that `blurvae.systems.rae` derives; N values in an image of c channels, d in a code: MNIST 1024, 1, 16;
CIFAR-10 3072, 3, 128; CelebA 12288, 3, 64. The embedded patches take CIFAR-10's, all sets of 64×64 px CelebA's. λ of
the Jacobian has no source, since the code has another penalty in its place: it is that of the CV-VAE's noise to second
order, σ²/2 (RA-C9), and rows of their own have a tenth and a hundredth of it. The code's penalty has a row, too, with
the code's weight, which is 0 on CIFAR-10.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

from blurvae.experiments.base import Given, Method
from blurvae.systems import RAE
from blurvae.train import Budget

SIGMA = 0.7  # of the CV-VAE, a standard deviation


class Released(NamedTuple):
    """The weights of the authors' code on one data set, in its own units.

    Attributes:
        shape: (c, h, w) of the images.
        latent: length of z, as in Table 6.1.
        kernel: side of the kernels, as there.
        code: of the mean z², by model.
        l2: of ‖θ‖², for "rae-l2".
        squares: of the gradient of the sum of squares, for "rae-gp".
        kl: of KL, by model.
        mmd: of MMD², for "wae".
        per_mmd: nats of ours for one of the WAE's loss there.
    """

    shape: tuple[int, int, int]
    latent: int
    kernel: int
    code: dict[str, float]
    l2: float
    squares: float
    kl: dict[str, float]
    mmd: float
    per_mmd: float

    @property
    def values(self) -> int:
        """N, values in an image."""
        return math.prod(self.shape)

    def beta(self, model: str) -> float:
        """β in our units."""
        if model == "wae":
            return self.per_mmd * self.mmd
        if model in self.kl:
            return 2 * self.shape[0] * self.kl[model]
        return 4 * self.values / self.latent * self.code.get(model, 0.0)

    @property
    def weight_decay(self) -> float:
        """λ of "rae-l2" in our units."""
        return 2 * self.values * self.l2

    @property
    def square_slopes(self) -> float:
        """λ of "rae-gp" with the penalty "squares" in our units."""
        return 2 * self.values / self.latent * self.squares


MNIST = Released(
    (1, 32, 32),
    16,
    4,
    {"rae": 5e-4, "rae-l2": 1e-4, "rae-gp": 1e-4, "rae-sn": 9e-3},
    1e-7,
    5e-8,
    {"vae": 0.312, "cv-vae": 0.039},
    0.03,
    2 * 1024,
)
CIFAR = Released(
    (3, 32, 32),
    128,
    4,
    {"rae": 1e-2, "rae-l2": 1e-3, "rae-gp": 9e-4, "rae-sn": 3e-2},
    1e-6,
    0.0,
    {"vae": 0.024, "cv-vae": 9e-4},
    0.006,
    2 * 3072,
)
CELEBA = Released(
    (3, 64, 64),
    64,
    5,
    {"rae": 1e-4, "rae-l2": 1e-4, "rae-gp": 1e-4, "rae-sn": 2.4e-3},
    1e-7,
    1e-7,
    {"vae": 0.09024, "cv-vae": 0.01},
    100.0,
    2 / 0.05,
)
LABELS = {
    "vae": "VAE",
    "cv-vae": "CV-VAE",
    "wae": "WAE",
    "rae-gp": "RAE-GP",
    "rae-l2": "RAE-L2",
    "rae-sn": "RAE-SN",
    "rae": "RAE",
    "ae": "AE",
}


def released(data: str) -> Released:
    """The weights that a data set is given."""
    return {"mnist": MNIST, "natural": CIFAR, "cifar10": CIFAR}.get(data, CELEBA)


def methods(data: str) -> tuple[Method, ...]:
    """The eight models of Table 6.2 with a data set's weights."""
    source = released(data)
    weights = {"rae-l2": source.weight_decay, "rae-gp": SIGMA**2 / 2}
    given: Any
    made = []
    for name, label in LABELS.items():
        given = {"model": name, "beta": source.beta(name), "weight": weights.get(name, 0.0), "sigma": SIGMA}
        made.append(Method(name, label, RAE(**given), label))
    return tuple(made)


def variants(data: str) -> tuple[Method, ...]:
    """RAE-GP with the penalty of the authors' code, and with a tenth and a hundredth of λ."""
    base = next(m for m in methods(data) if m.name == "rae-gp")
    system = base.system
    assert isinstance(system, RAE)
    changed: dict[tuple[str, str], dict[str, Any]] = {
        ("rae-gp-squares", "RAE-GP, as released"): {"penalty": "squares", "weight": released(data).square_slopes},
        ("rae-gp-tenth", "RAE-GP, λ/10"): {"weight": system.weight / 10},
        ("rae-gp-hundredth", "RAE-GP, λ/100"): {"weight": system.weight / 100},
    }
    return tuple(Method(name, label, replace(system, **fields)) for (name, label), fields in changed.items())


def given(tier: str, data: str) -> Given:
    """What all models are given, of a tier that is known to be offered.

    Table 6.1 has 23 to 40 million parameters; only "paper" takes its widths, with 100 epochs (70 at 64×64 px), batches
    of 100 and 10,000 held-out training images, of CelebA too, where the dissertation has a split of its own. "study"
    has widths 16-32-64-128, 10,000 images, 10 epochs; "lesson" widths 8-16-32-64 and 5,000 images, or 2,500 at 64×64
    px, 4 epochs.
    """
    source = released(data)
    size = source.shape[1]
    system: dict[str, Any] = {"latent": source.latent, "kernel": source.kernel}
    run: dict[str, Any] = {"size": size}
    match tier:
        case "paper":
            budget = Budget(100 if size == 32 else 70, batch_size=100)
            system |= {"held_out": 800 if data == "faces64" else 10_000}  # the former has 836 test images
            run |= {"n_test": 10_000} if data == "celeba" else {}
        case "study":
            budget = Budget(10, batch_size=64)
            system |= {"held_out": 2000, "widths": (16, 32, 64, 128), "patience": 2}
            run |= {"n_train": 12_000, "n_test": 2000}
        case "lesson":
            budget = Budget(4, batch_size=32)
            run |= {"n_train": 6000, "n_test": 1000} if size == 32 else {"n_train": 3000, "n_test": 500}
            system |= {"held_out": run["n_test"], "widths": (8, 16, 32, 64), "patience": 1}
        case _:
            budget = Budget(2, batch_size=16)
            system |= {"held_out": 16, "widths": (4, 8, 16), "latent": 8, "patience": 1, "warm_up": 1}
            run |= {"n_train": 64, "n_test": 32}
    return Given(budget, system, run)
