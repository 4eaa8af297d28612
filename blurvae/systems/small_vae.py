"""A VAE with a small published network: Dalal's on short-time Fourier losses, and that of the report on sharpness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from blurvae.losses import L2, CrossEntropy, Sum, Term
from blurvae.models import kl_divergence, reparametrise
from blurvae.models.small import Network, Output, SmallCoder
from blurvae.systems import shared
from blurvae.systems.shared import Players
from blurvae.train import Draw, Move, Scene, System, Turn
from blurvae.train.optimisers import Adam
from blurvae.train.schedules import Constant, Cyclical, Schedule


@dataclass(frozen=True)
class SmallVAE(System[Players]):
    """term + β·KL, minimised by Adam, whose learning rate may go up and down in cycles.

    Attributes:
        term: the reconstruction term.
        beta: β, the weight of the KL term.
        first: the term of the first epochs, where `late` says that there are any.
        late: the epoch from which `term` is on, counted from 0.
        network: "conv" (Dalal) or "perceptrons" (the report).
        latent: length of z.
        hidden: width of the perceptrons' hidden layers.
        output: "linear" or "sigmoid".
        lr: Adam's learning rate, or the highest of a cycle.
        half_cycle: steps from the lowest learning rate to the highest; 0 keeps it at `lr`.
        lr_low: the lowest learning rate of a cycle; the way up to `lr` is half as long from cycle to cycle.

    Raises:
        ValueError: a value out of its range.
    """

    name: ClassVar[str] = "small-vae"
    term: Term = field(default_factory=L2)
    beta: float = 1.0
    first: Term = field(default_factory=L2)
    late: int = 0
    network: Network = "conv"
    latent: int = 2
    hidden: int = 400
    output: Output = "linear"
    lr: float = 1e-3
    half_cycle: int = 0
    lr_low: float = 1e-4

    def __post_init__(self) -> None:
        if not (self.beta >= 0 and 0 < self.lr_low <= self.lr < 1):
            raise ValueError(
                f"beta is ≥ 0 and 0 < lr_low ≤ lr < 1, not {self.beta!r}, {self.lr_low!r} and {self.lr!r}."
            )
        if min(self.late, self.half_cycle) < 0:
            raise ValueError(f"late and half_cycle are ≥ 0, not {self.late!r} and {self.half_cycle!r}.")
        for term in (self.term, self.first):
            if term.kernel_path is not None:
                raise ValueError(f"The term {term.name!r} wants a kernel network, which the system 'vae' has: use it.")
            shared.learns_nothing(term, self.name)
            if self.output == "linear" and _wants_a_logit(term):
                raise ValueError("Cross-entropy wants images that stay within [−1, 1]: set output='sigmoid'.")

    def players(self, shape: tuple[int, ...]) -> Players:
        """The network for square images (c, h, h), initialised from torch's global generator."""
        channels, height, _ = shape
        given: dict[str, Any] = {"latent": self.latent, "hidden": self.hidden, "output": self.output}
        return Players(SmallCoder(self.network, size=height, channels=channels, **given), None)

    def needs(self, shape: tuple[int, ...]) -> str:
        """See `System.needs`."""
        return self.term.needs(shape) or self.first.needs(shape)

    def optimisers(self) -> Mapping[str, Adam]:
        """Adam."""
        lr: Schedule = Constant(self.lr)
        if self.half_cycle:
            lr = Cyclical(self.lr_low, self.lr, self.half_cycle)
        return {"vae": Adam(lr)}

    def phase(self, epoch: int) -> str:
        """Before `late` "first", then "train"."""
        return "train" if epoch >= self.late else "first"

    def moves(self, phase: str) -> tuple[Move[Players], ...]:
        """One move."""
        term = self.term if phase == "train" else self.first

        def play(players: Players, scene: Scene) -> Turn:
            return self.play(players, scene, term)

        return (Move("vae", play, {"n": Draw("normal", (self.latent,))}),)

    def play(self, players: Players, scene: Scene, term: Term) -> Turn:
        """The negative ELBO of one batch, with β and any term."""
        with scene.autocast():
            mu, log_var = players.vae.encode(scene.x)
        z = reparametrise(mu, log_var, noise=scene.noise["n"])
        weighed = shared.weigh(players, scene.x, z, term, scene.autocast)
        kl = kl_divergence(mu, log_var).mean()
        parts = {"reconstruction": weighed.loss, "kl": kl}
        return shared.turn(term, scene.x, z, weighed, weighed.loss + self.beta * kl, parts)


def _wants_a_logit(term: Term) -> bool:
    if isinstance(term, Sum):
        return _wants_a_logit(term.first) or _wants_a_logit(term.second)
    return isinstance(term, CrossEntropy)
