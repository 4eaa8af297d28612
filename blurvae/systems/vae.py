"""The VAE of the main paper: eq. 11 for θ and φ, eq. 12 for γ, with a warm-up in which Σ = I."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

from blurvae.blur import kernel_width
from blurvae.losses import L2, Term, kernel_loss
from blurvae.models import VAE, Coder, KernelNet, kl_divergence, reparametrise
from blurvae.train import Draw, Move, Scene, System, Turn
from blurvae.train.optimisers import Adam
from blurvae.train.schedules import Constant


class Players(NamedTuple):
    """The two players of the alternation: θ, φ in `vae` and γ in `kernel_net` (None for terms without a kernel)."""

    vae: Coder
    kernel_net: KernelNet | None


class Seen(NamedTuple):
    """What eq. 11 and 12 were computed of.

    Attributes:
        z: (n, latent).
        x_hat: (n, c, h, w).
        kernel: (n, K, K), what the term was given; None in warm-up and for terms without a kernel.
    """

    z: Tensor
    x_hat: Tensor
    kernel: Tensor | None


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

    def __post_init__(self) -> None:
        if type(self.warm_up) is not int or self.warm_up < 0:
            raise ValueError(f"warm_up must be a whole number ≥ 0, not {self.warm_up!r}.")
        for name in ("lr", "kernel_lr"):
            if not (_is_number(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(
                    f"{name} must be a positive number (the paper takes 1e-4), not {getattr(self, name)!r}."
                )
        if not (_is_number(self.beta) and self.beta >= 0):
            raise ValueError(f"beta, the weight of the KL term, must be a finite number ≥ 0, not {self.beta!r}.")
        for name, values in (("widths", self.widths or (0,)), ("latent", (self.latent,)), ("hidden", (self.hidden,))):
            if bad := [value for value in values if type(value) is not int or value < 1]:
                raise ValueError(f"{name} takes whole numbers of at least 1, not {bad[0]!r}.")

    def players(self, shape: tuple[int, ...]) -> Players:
        """The networks for images of this shape (c, h, w), initialised from torch's global generator."""
        config = self.config(shape)
        return Players(VAE(**config["vae"]), KernelNet(**config["kernel_net"]) if config["kernel_net"] else None)

    def config(self, shape: tuple[int, ...]) -> dict[str, Any]:
        """The arguments of the networks' constructors, JSON, as `models.save_model` keeps them."""
        channels, height, width = shape
        size = height if height == width else [height, width]
        vae = {"architecture": self.architecture, "size": size, "channels": channels, "widths": [*self.widths]}
        kernel_net = None
        if self.term.kernel_path is not None:
            kernel_net = {"latent": self.latent, "size": self.term.kernel_size}  # type: ignore[attr-defined]
        return {"vae": vae | {"latent": self.latent, "hidden": self.hidden}, "kernel_net": kernel_net}

    def needs(self, shape: tuple[int, ...]) -> str:
        """See `System.needs`."""
        return self.term.needs(shape)

    def cost(self, shape: tuple[int, ...]) -> float:
        """Pixels × the square of the first width: see `System.cost`."""
        return float(shape[-1] * shape[-2] * self.widths[0] ** 2)

    def optimisers(self) -> Mapping[str, Adam]:
        """Adam for each."""
        return {"vae": Adam(Constant(self.lr)), "kernel_net": Adam(Constant(self.kernel_lr))}

    def phase(self, epoch: int) -> str:
        """For terms with a kernel "warm-up", then "weighted"; else "train" throughout."""
        if self.term.kernel_path is None:
            return "train"
        return "weighted" if epoch >= self.warm_up else "warm-up"

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
        vae, kernel_net = players
        x = scene.x
        with scene.autocast():
            mu, log_var = vae.encode(x)
        z = reparametrise(mu, log_var, noise=scene.noise["n"])
        with scene.autocast():
            x_hat, logit = vae.decode(z)
        kernel = kernel_net(z) if kernel_net is not None else None
        given = None
        if term.kernel_path is not None and kernel is not None:
            given = kernel.detach() if term.kernel_path == "detached" else kernel
        reconstruction = term(x, x_hat, logit=logit, kernel=given).mean()
        kl = kl_divergence(mu, log_var).mean()
        objective = reconstruction + self.beta * kl  # eq. 11
        parts, seen = {"reconstruction": reconstruction, "kl": kl}, Seen(z, x_hat, given)
        if kernel is None:
            return Turn({"vae": objective}, parts, seen)
        blur_error = kernel_loss(x, x_hat, kernel).mean()  # eq. 12
        width = kernel_width(kernel.detach()).mean()
        parts |= {"kernel_loss": blur_error, "kernel_width": width}
        # γ first: the last of the backward passes alone frees activations on its way, and
        # most of them are the VAE's.
        own = objective if term.kernel_path == "elbo" else blur_error
        return Turn({"kernel_net": own, "vae": objective}, parts, seen)

    def check(self, players: Players, samples: int, batch: int) -> None:
        """See `System.check`."""
        vae, kernel_net = players
        if vae.latent != self.latent:
            raise ValueError(
                f"The VAE has a code of length {vae.latent}, the system one of {self.latent}: give both the same."
            )
        if self.term.kernel_path is not None:
            if kernel_net is None:
                raise ValueError(
                    f"The term {self.term.name!r} needs a kernel network: pass Players(vae, KernelNet(…))."
                )
            size: Any = self.term.kernel_size  # type: ignore[attr-defined]
            if size != kernel_net.size:
                raise ValueError(
                    f"The term {self.term.name!r} takes kernels of size {size}, the kernel network makes them of size "
                    f"{kernel_net.size}: give both the same."
                )
        if batch == 1 and isinstance(vae, VAE) and vae.features == (1, 1):
            raise ValueError(
                "Batch norm needs more than one value of a channel, and a batch of one image has features of 1×1 px "
                "here: raise batch_size, or leave out one of the widths."
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
