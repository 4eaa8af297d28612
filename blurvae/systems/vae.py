"""The VAE of the main paper: eq. 11 for θ and φ, eq. 12 for γ, with a warm-up in which Σ = I."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from blurvae.losses import L2, Term
from blurvae.models import VAE, KernelNet, kl_divergence, reparametrise
from blurvae.systems import shared
from blurvae.systems.shared import Players, Seen
from blurvae.train import Draw, Move, Scene, System, Turn
from blurvae.train.optimisers import Adam
from blurvae.train.schedules import Constant, Exponential

__all__ = ["BlurVAE", "Players", "Seen"]


@dataclass(frozen=True)
class BlurVAE(System[Players]):
    """A VAE with any reconstruction term and, for terms that weight by a kernel, the network that estimates it.

    Attributes:
        term: the reconstruction term.
        beta: β, the weight of the KL term; 1 is the ELBO.
        warm_up: epochs at the start with Σ = I, in which the kernel network trains already (10 for CelebA).
        lr: Adam's learning rate of encoder and decoder.
        kernel_lr: Adam's learning rate of the kernel network.
        architecture: "A" or "B".
        widths: feature maps of the encoder's blocks.
        latent: length of z.
        hidden: hidden width of the perceptrons.
        one_kernel: whether the kernel is a parameter, the same for all images, instead of read off z.
        spectrum_lr: Adam's learning rate of log v, for terms that learn a spectrum. A step changes log v by about as
            much, and v has to come down from 1 to the errors' power, e⁻² to e⁻⁸, within the training.
        decay: factor of `lr` after each epoch, in (0, 1].

    Raises:
        ValueError: a value out of its range.
    """

    name: ClassVar[str] = "vae"
    term: Term = field(default_factory=L2)
    beta: float = 1.0
    warm_up: int = 10
    lr: float = 1e-4
    kernel_lr: float = 1e-4
    architecture: str = "A"
    widths: tuple[int, ...] = (64, 128, 256, 512)
    latent: int = 256
    hidden: int = 1000
    one_kernel: bool = False
    spectrum_lr: float = 0.02
    decay: float = 1.0

    def __post_init__(self) -> None:
        if type(self.warm_up) is not int or self.warm_up < 0:
            raise ValueError(f"warm_up must be a whole number ≥ 0, not {self.warm_up!r}.")
        weights = {"beta": "the weight of the KL term"}
        shared.check_numbers(self, ("lr", "kernel_lr", "spectrum_lr", "decay"), weights, ("widths", "latent", "hidden"))
        if self.decay > 1:
            raise ValueError(f"decay, the factor of lr after each epoch, is at most 1, not {self.decay!r}.")

    def players(self, shape: tuple[int, ...]) -> Players:
        """The networks for images of this shape (c, h, w), initialised from torch's global generator."""
        config = self.config(shape)
        vae = VAE(**config["vae"])  # first, so that all terms start from the same weights
        kernel_net = KernelNet(**config["kernel_net"]) if config["kernel_net"] else None
        return Players(vae, kernel_net, self.term.network(shape))

    def config(self, shape: tuple[int, ...]) -> dict[str, Any]:
        """The arguments of the networks' constructors, JSON, as `models.save_model` keeps them."""
        channels, height, width = shape
        size = height if height == width else [height, width]
        vae = {"architecture": self.architecture, "size": size, "channels": channels, "widths": [*self.widths]}
        kernel_net = shared.kernel_config(self.term, self.latent, self.one_kernel)
        return {"vae": vae | {"latent": self.latent, "hidden": self.hidden}, "kernel_net": kernel_net}

    def needs(self, shape: tuple[int, ...]) -> str:
        """See `System.needs`."""
        return self.term.needs(shape)

    def cost(self, shape: tuple[int, ...]) -> float:
        """Pixels × the square of the first width: see `System.cost`."""
        return float(shape[-1] * shape[-2] * self.widths[0] ** 2)

    def optimisers(self) -> Mapping[str, Adam]:
        """Adam for each; only the rate of encoder and decoder decays."""
        rates = {"kernel_net": self.kernel_lr, "spectrum": self.spectrum_lr}
        others = {player: Adam(Constant(lr)) for player, lr in rates.items()}
        return {"vae": Adam(Exponential(self.lr, self.decay)), **others}

    def phase(self, epoch: int) -> str:
        """For terms that warm up "warm-up", then "weighted"; else "train" throughout."""
        return shared.phase(self.term, self.warm_up, epoch)

    def moves(self, phase: str) -> tuple[Move[Players], ...]:
        """One move for both players; in warm-up squared error stands in for the term."""
        term = L2() if phase == "warm-up" else self.term

        def play(players: Players, scene: Scene) -> Turn:
            return self.play(players, scene, term)

        return (Move("vae", play, {"n": Draw("normal", (self.latent,))}),)

    def play(self, players: Players, scene: Scene, term: Term) -> Turn:
        """Eq. 11 and eq. 12 of one batch.

        γ learns from eq. 12, ‖x * G_γ(z) − x̂‖², but for the path "elbo", where it learns from eq. 11 as θ and φ do. On
        the path "detached" φ gets no gradient of eq. 11 through the kernel.
        """
        x = scene.x
        with scene.autocast():
            mu, log_var = players.vae.encode(x)
        z = reparametrise(mu, log_var, noise=scene.noise["n"])
        weighed = shared.weigh(players, x, z, term, scene.autocast)
        kl = kl_divergence(mu, log_var).mean()
        objective = weighed.loss + self.beta * kl  # eq. 11
        parts = {"reconstruction": weighed.loss, "kl": kl}
        return shared.turn(term, x, z, weighed, objective, parts)

    def check(self, players: Players, samples: int, batch: int) -> None:
        """See `System.check`."""
        shared.check(players, self.term, self.latent, batch)
