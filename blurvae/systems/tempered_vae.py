"""A VAE whose targets are blurred at first: the hand-made lens of chapter 4 of Sajjadi (2024), on another model.

The dissertation proposes both, lenses made by hand and the tempering of autoencoders, and tries neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from blurvae.blur.diffusion import diffused, taps
from blurvae.losses import Term
from blurvae.models import kl_divergence, reparametrise
from blurvae.systems import shared
from blurvae.systems.gan import LAMBDA
from blurvae.systems.shared import Players
from blurvae.systems.vae import BlurVAE
from blurvae.train import Scene, Turn
from blurvae.train.schedules import Anneal, Schedule


@dataclass(frozen=True)
class TemperedVAE(BlurVAE):
    """`BlurVAE` with the blurred image B x for the target of the reconstruction term; the encoder sees x.

    B is a Gaussian of variance λ σ², with λ(t) from 1 to 0 (eq. 4.4). From step K on, where λ = 0, a step is that of
    `BlurVAE`, bit for bit. A term with a kernel network is given B x throughout, in eq. 12, too.

    Attributes:
        sigma: σ at λ = 1, px.
        anneal: K, steps.

    Raises:
        ValueError: a value out of its range.
    """

    name: ClassVar[str] = "tempered-vae"
    sigma: float = 2.0
    anneal: int = 10_000

    def __post_init__(self) -> None:
        super().__post_init__()
        shared.check_numbers(self, ("sigma",), {}, ("anneal",))

    def schedules(self) -> Mapping[str, Schedule]:
        """λ."""
        return {LAMBDA: Anneal(self.anneal)}

    def target(self, scene: Scene) -> Tensor:
        """B x, (n, c, h, w)."""
        return diffused(scene.x, scene.value[LAMBDA] * self.sigma**2, taps(self.sigma))

    def play(self, players: Players, scene: Scene, term: Term) -> Turn:
        """As `BlurVAE.play`, with B x in the place of x everywhere but before the encoder; λ is measured, too."""
        with scene.autocast():
            mu, log_var = players.vae.encode(scene.x)
        z = reparametrise(mu, log_var, noise=scene.noise["n"])
        y = self.target(scene)
        weighed = shared.weigh(players, y, z, term, scene.autocast)
        kl = kl_divergence(mu, log_var).mean()
        parts = {"reconstruction": weighed.loss, "kl": kl, LAMBDA: scene.value[LAMBDA]}
        return shared.turn(term, y, z, weighed, weighed.loss + self.beta * kl, parts)
