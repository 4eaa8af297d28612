"""The family of regularised autoencoders, from the VAE to the plain one (Ghosh et al. 2020; Sajjadi 2024, chapter 6).

One step for eight models. They differ in the code (a draw or the mean) and in what is added to the reconstruction term:

======== ======================= ===============================================================
model    code                    added
======== ======================= ===============================================================
vae      μ + σ ⊙ ε, σ learned    β KL (eq. 6.12, with its sign repaired: RA-E2)
cv-vae   μ + σ ε, σ given        β KL, of which training feels ½‖μ‖² (eq. 6.14)
wae      z = μ                   β MMD²(z, N(0, I))
ae       z = μ                   nothing
rae      z = μ                   β ½‖z‖² (eq. 6.15)
rae-l2   z = μ                   β ½‖z‖² + λ‖θ‖², θ the decoder's weights (eq. 6.16)
rae-gp   z = μ                   β ½‖z‖² + λ‖∇D(z)‖² (eq. 6.17)
rae-sn   z = μ                   β ½‖z‖², each layer of the decoder over its norm (eq. 6.18)
======== ======================= ===============================================================

**Units.** Terms are nats per image, so squared error is ½‖x − x̂‖² on [−1, 1], the Gaussian likelihood with Σ = I.
The dissertation drops the ½ (RA-E5) and has [0, 1], where ‖x − x̂‖² is half of our term: its β and λ are half of ours.
The authors' code takes means instead. With N values in an image of c channels and d in a code, our weights are 4N/d
times its weight of the mean z², 2N times its λ of ‖θ‖², 2N/d times its λ of the gradient of the sum of squares, 2c
times its weight of KL, and 2N times its weight of MMD² (40 times for CelebA, where 0.05 stands before its error).

**Batch norm.** Behind it neither ‖θ‖² nor a spectral norm changes what a layer computes, but for its ε: they act on
layers that have none behind them, here the last, and on the speed of learning.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from torch import Tensor

from blurvae.losses import L2, Term
from blurvae.models import KernelNet, RAENet, kl_divergence, reparametrise
from blurvae.systems import shared
from blurvae.systems.penalties import Penalty, gradient_penalty, imq_mmd, squared_norm
from blurvae.systems.shared import Players
from blurvae.train import Draw, Move, Scene, System, Turn
from blurvae.train.optimisers import Adam
from blurvae.train.schedules import Constant, Plateau, Schedule

Model = Literal["ae", "rae", "rae-l2", "rae-gp", "rae-sn", "vae", "cv-vae", "wae"]
MODELS: tuple[str, ...] = get_args(Model)
WITH_KL = ("vae", "cv-vae")


@dataclass(frozen=True)
class RAE(System[Players]):
    """An autoencoder of the family, with any reconstruction term.

    Attributes:
        model: see the table above.
        term: the reconstruction term.
        beta: β, the weight of what holds the codes: KL, ½‖z‖² or MMD²; nothing for "ae".
        weight: λ of "rae-l2" and "rae-gp"; other models pay it no heed.
        penalty: which reading of ‖∇D(z)‖² "rae-gp" takes, see `gradient_penalty`.
        sigma: of "cv-vae", a standard deviation. The dissertation's N(0, σI) has a variance σ (RA-E3), the authors'
            code the standard deviation 0.7.
        draws: k, codes drawn of an image in a step, "vae" and "cv-vae" (Fig. 6.2); the term is their mean.
        held_out: training images at the end of the set that are not trained on: their loss decides on the learning
            rate. With 0 it stays as it is.
        lr: Adam's learning rate at the start.
        patience: epochs without a lower loss on the held-out images that are waited for before the rate is halved.
        kernel_lr: Adam's learning rate of the kernel network, for terms that weight by a kernel.
        warm_up: epochs at the start with Σ = I, for such terms.
        components: of the mixtures that are fitted to the codes afterwards; the first is the table's.
        widths: see `RAENet`, as the three below.
        latent: length of z.
        kernel: side of the convolutions' kernels, 4 or 5.
        start: side of the decoder's first maps, px.

    Raises:
        ValueError: a value out of its range.
    """

    name: ClassVar[str] = "rae"
    model: Model = "rae"
    term: Term = field(default_factory=L2)
    beta: float = 1.0
    weight: float = 0.0
    penalty: Penalty = "hutchinson"
    sigma: float = 0.7
    draws: int = 1
    held_out: int = 0
    lr: float = 1e-3
    patience: int = 5
    kernel_lr: float = 1e-3
    warm_up: int = 2
    components: tuple[int, ...] = (10,)
    widths: tuple[int, ...] = (128, 256, 512, 1024)
    latent: int = 16
    kernel: int = 4
    start: int = 8

    def __post_init__(self) -> None:
        for name, options in (("model", MODELS), ("penalty", get_args(Penalty))):
            if getattr(self, name) not in options:
                raise ValueError(f"{name} is one of {', '.join(options)}, not {getattr(self, name)!r}.")
        for name in ("held_out", "patience", "warm_up"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 0:
                raise ValueError(f"{name} must be a whole number ≥ 0, not {getattr(self, name)!r}.")
        shared.learns_nothing(self.term, self.name)
        weights = {"beta": "the weight of the codes' penalty", "weight": "that of the decoder's"}
        whole = ("draws", "components", "widths", "latent", "kernel", "start")
        shared.check_numbers(self, ("lr", "kernel_lr", "sigma"), weights, whole)
        if self.draws > 1 and self.model not in WITH_KL:
            raise ValueError(f"The codes of {self.model!r} are not drawn: draws is 1 but for {' and '.join(WITH_KL)}.")

    def players(self, shape: tuple[int, ...]) -> Players:
        """The networks for images of this shape (c, h, w), initialised from torch's global generator."""
        config = self.config(shape)
        return Players(RAENet(**config["vae"]), KernelNet(**config["kernel_net"]) if config["kernel_net"] else None)

    def config(self, shape: tuple[int, ...]) -> dict[str, Any]:
        """The arguments of the networks' constructors, JSON.

        Raises:
            ValueError: images that are not square.
        """
        channels, height, width = shape
        if height != width:
            raise ValueError(f"The networks of Table 6.1 take square images, not {height}×{width} px.")
        sigma = {"vae": None, "cv-vae": self.sigma}.get(self.model, 0.0)
        layers = {"widths": [*self.widths], "latent": self.latent, "kernel": self.kernel, "start": self.start}
        vae = {"size": height, "channels": channels, "sigma": sigma, "spectral": self.model == "rae-sn"} | layers
        return {"vae": vae, "kernel_net": shared.kernel_config(self.term, self.latent)}

    def needs(self, shape: tuple[int, ...]) -> str:
        """See `System.needs`."""
        return self.term.needs(shape)

    def cost(self, shape: tuple[int, ...]) -> float:
        """Pixels × the square of the first width, a draw; twice that with a penalty of gradients: see `System.cost`."""
        return float(shape[-1] * shape[-2] * self.widths[0] ** 2 * self.draws * (1 + (self.model == "rae-gp")))

    def kept_back(self) -> int:
        """See `System.kept_back`."""
        return self.held_out

    def optimisers(self) -> Mapping[str, Adam]:
        """Adam for each; the autoencoder's rate is halved where the loss on the held-out images stands still."""
        lr: Schedule = Plateau(self.lr, patience=self.patience) if self.held_out else Constant(self.lr)
        return {"vae": Adam(lr), "kernel_net": Adam(Constant(self.kernel_lr))}

    def phase(self, epoch: int) -> str:
        """For terms with a kernel "warm-up", then "weighted"; else "train" throughout."""
        return shared.phase(self.term, self.warm_up, epoch)

    def moves(self, phase: str) -> tuple[Move[Players], ...]:
        """One move for both players; in warm-up squared error stands in for the term."""
        term = L2() if phase == "warm-up" else self.term

        def play(players: Players, scene: Scene) -> Turn:
            return self.play(players, scene, term)

        return (Move("rae", play, self._noise()),)

    def _noise(self) -> dict[str, Draw]:
        """The random numbers of a step."""
        if self.model in WITH_KL:
            return {"n": Draw("normal", (self.draws, self.latent))}
        if self.model == "rae-gp" and self.penalty == "hutchinson":
            return {"u": Draw("uniform", None)}
        return {"prior": Draw("normal", (self.latent,))} if self.model == "wae" else {}

    def play(self, players: Players, scene: Scene, term: Term) -> Turn:
        """The loss of one batch: eq. 6.15 and its relatives."""
        x = scene.x
        with scene.autocast():
            mu, log_var = players.vae.encode(x)
        z = mu
        if self.model in WITH_KL:
            noise = scene.noise["n"].flatten(0, 1)
            x, z_mu, z_log_var = (part.repeat_interleave(self.draws, 0) for part in (x, mu, log_var))
            z = reparametrise(z_mu, z_log_var, noise=noise)
        # Slopes of slopes need float32.
        weighed = shared.weigh(players, x, z, term, nullcontext if self.model == "rae-gp" else scene.autocast)
        code = imq_mmd(z, scene.noise["prior"]) if self.model == "wae" else self.code(mu, log_var).mean()
        parts = {"reconstruction": weighed.loss, "kl" if self.model in WITH_KL else "code": code}
        objective = weighed.loss if self.model == "ae" else weighed.loss + self.beta * code
        if self.model == "rae-l2":
            parts["penalty"] = squared_norm(players.vae.decoder)
        if self.model == "rae-gp":
            parts["penalty"] = gradient_penalty(z, weighed.x_hat, self.penalty, scene.noise.get("u")).mean()
        if "penalty" in parts:
            objective = objective + self.weight * parts["penalty"]
        return shared.turn(term, x, z, weighed, objective, parts)

    def code(self, mu: Tensor, log_var: Tensor) -> Tensor:
        """What a code costs, (n,), nats: KL where it is drawn, else ½‖z‖²."""
        return kl_divergence(mu, log_var) if self.model in WITH_KL else 0.5 * mu.square().sum(1)

    def check(self, players: Players, samples: int, batch: int) -> None:
        """See `System.check`."""
        shared.check(players, self.term, self.latent, batch)
