"""Generative adversarial networks, and tempered ones: the discriminator sees the data through a lens that clears up.

Sajjadi, Parascandolo, Mehrjou and Schölkopf, ICML 2018; Sajjadi (2024), chapter 4, whose section 3.4 orders the moves:
the discriminator on r = L(x) and G(z), then the generator, then the lens, each once (the critic of WGAN-GP five times).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from blurvae.blur.diffusion import diffused, scattered, taps
from blurvae.models.gan import BLOCKS, FILTERS, Lens, make_discriminator, make_generator, unmoved
from blurvae.systems import shared
from blurvae.systems.games import GAMES, Name, slope_penalty
from blurvae.train import Draw, Move, Scene, System, Turn
from blurvae.train.optimisers import Adam, Optimiser, RMSProp
from blurvae.train.schedules import Anneal, Constant, Schedule

Kind = Literal["none", "learned", "blur", "noise"]
LAMBDA = "lambda"  # λ(t) among the scheduled values and in the history


class Players(NamedTuple):
    """G, D and, where it is learned, L."""

    generator: nn.Sequential
    discriminator: nn.Sequential
    lens: Lens | None


class Seen(NamedTuple):
    """What the discriminator's loss was computed of.

    Attributes:
        real: (n,), its verdicts on the data as the lens shows them, above 0 where it takes them for real.
        fake: (n,), those on the samples.
    """

    real: Tensor
    fake: Tensor


@dataclass(frozen=True)
class GAN(System[Players]):
    """One of three games, with one of four lenses between the data and the discriminator.

    With λ(t) from 1 to 0, the learned lens minimises λ L^A + L^R (eq. 4.3), where L^A is the game's and L^R is
    ‖x − L(x)‖² (eq. 4.2). The hand-made ones, which the dissertation proposes and does not try, have the variance λ σ²:
    "blur" convolves images with that Gaussian, "noise" adds it to points, whose density is convolved. Whatever the
    lens, G and D start with the same weights. At λ = 0 "blur", and "learned" that starts as the identity, leave the
    plain game, bit for bit; "noise" leaves it with other random numbers.

    Attributes:
        game: "gan" (DCGAN), "lsgan" or "wgan-gp", see `games.GAMES`. Batch norm is in both networks of the first, in
            neither of the second, in the generator of the third.
        sigmoid: whether D ends in a sigmoid, "lsgan" alone; the text leaves it open (TA-A1).
        lens: "none", "learned", "blur" or "noise".
        schedule: of λ: "annealed" is 1 − sin(πt/2K) until t = K and 0 after that (eq. 4.4), "constant" is 1.
        strength: what λ is multiplied with; 0 is a lens that nothing keeps from the identity.
        anneal: K, steps; 100,000 in the text, 10,000 in its captions (TA-E2).
        reduction: of eq. 4.2 over the pixels of an image, "sum" or "mean"; the text does not say which (TA-E3).
        identity: whether a learned lens starts as the identity.
        filters: see `Lens`.
        blocks: see `Lens`.
        sigma: σ at λ = 1: of "blur" in px, of "noise" in the unit of the points.
        critics: plays of D a step; None is 5 for "wgan-gp", as in its paper, and 1 for the others.
        penalty: weight of the slope penalty, "wgan-gp" alone.
        optimiser: of all players, "adam" or "rmsprop" (α = 0.9). The text has RMSProp for WGAN-GP, the code that it
            cites has Adam (TA-E4).
        lr: its learning rate.
        beta1: Adam's β₁.
        beta2: Adam's β₂.
        width: C, see `make_generator`.
        latent: length of z ~ N(0, I).

    Raises:
        ValueError: a value out of its range, or one that the game or the lens has no use for.
    """

    name: ClassVar[str] = "gan"
    game: Name = "gan"
    sigmoid: bool = False
    lens: Kind = "none"
    schedule: Literal["annealed", "constant"] = "annealed"
    strength: float = 1.0
    anneal: int = 10_000
    reduction: Literal["sum", "mean"] = "sum"
    identity: bool = False
    filters: int = FILTERS
    blocks: int = BLOCKS
    sigma: float = 2.0
    critics: int | None = None
    penalty: float = 10.0
    optimiser: Literal["adam", "rmsprop"] = "adam"
    lr: float = 1e-4
    beta1: float = 0.5
    beta2: float = 0.999
    width: int = 16
    latent: int = 100

    def __post_init__(self) -> None:
        for name, options in (("game", get_args(Name)), ("lens", get_args(Kind))):
            if getattr(self, name) not in options:
                raise ValueError(f"{name} is one of {', '.join(options)}, not {getattr(self, name)!r}.")
        weights = {"strength": "a factor of λ", "penalty": "the weight of the slope penalty"}
        whole = ("anneal", "filters", "blocks", "width", "latent", *(("critics",) if self.critics is not None else ()))
        shared.check_numbers(self, ("lr", "sigma"), weights, whole)
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise ValueError(f"Adam's beta1 and beta2 lie in [0, 1), not at {self.beta1!r} and {self.beta2!r}.")
        if self.sigmoid and self.game != "lsgan":
            raise ValueError(f"A sigmoid is an option of 'lsgan'; {self.game!r} has its own values: leave sigmoid out.")

    @property
    def plays(self) -> int:
        """How often the discriminator is played in a step."""
        return self.critics if self.critics is not None else 5 if self.game == "wgan-gp" else 1

    def players(self, shape: tuple[int, ...]) -> Players:
        """The networks for samples of this shape (c, h, w), initialised from torch's global generator, L last."""
        norms = {"generator": self.game != "lsgan", "discriminator": self.game == "gan"}
        return Players(
            make_generator(shape, width=self.width, latent=self.latent, batch_norm=norms["generator"]),
            make_discriminator(shape, width=self.width, batch_norm=norms["discriminator"]),
            Lens(shape, filters=self.filters, blocks=self.blocks, identity=self.identity)
            if self.lens == "learned"
            else None,
        )

    def cost(self, shape: tuple[int, ...]) -> float:
        """Pixels × the square of the width, and what a learned lens adds: see `System.cost`."""
        added = 0.0
        if self.lens == "learned":  # at full resolution throughout, where the others halve it; of points one of three
            added = self.filters**2 * (0.5 if shape[-1] == 1 else 3.0 * self.blocks)
        return shape[-1] * shape[-2] * (self.width**2 + added)

    def optimisers(self) -> Mapping[str, Optimiser]:
        """The same for all players that there are."""
        lr = Constant(self.lr)
        made: Optimiser = RMSProp(lr, alpha=0.9) if self.optimiser == "rmsprop" else Adam(lr, (self.beta1, self.beta2))
        return dict.fromkeys(("generator", "discriminator", *(("lens",) if self.lens == "learned" else ())), made)

    def schedules(self) -> Mapping[str, Schedule]:
        """λ, where there is a lens; see `schedule` and `strength`."""
        if self.lens == "none":
            return {}
        constant = Constant(self.strength)
        return {LAMBDA: constant if self.schedule == "constant" else Anneal(self.anneal, self.strength)}

    def moves(self, phase: str) -> tuple[Move[Players], ...]:
        """D on new batches, then G, then L on the last of these batches."""
        z = {"z": Draw("normal", (self.latent,))}
        judged = dict(z)
        if self.lens == "noise":
            judged["noise"] = Draw("normal", None)
        if self.game == "wgan-gp":
            judged["mix"] = Draw("uniform", (1, 1, 1))
        moves = (
            Move("discriminator", self.judge, judged, self.plays),
            Move("generator", self.generate, z, fresh=False),
        )
        return (*moves, Move("lens", self.focus, fresh=False)) if self.lens == "learned" else moves

    def judge(self, players: Players, scene: Scene) -> Turn:
        """The discriminator's loss, eqs. 4.7, 4.10 and, with the slope penalty, 4.13."""
        game, real = GAMES[self.game], self.seen(players, scene)
        with unmoved(players.generator), scene.autocast():
            fake = players.generator(scene.noise["z"]).to(scene.x.dtype)
        on_real, on_fake = (self.values(players, samples, scene) for samples in (real, fake))
        as_real, as_fake = game.as_real(on_real).mean(), game.as_fake(on_fake).mean()
        loss = as_real + as_fake
        # Those of "gan" are cross-entropies in nats.
        names = ("on_real", "on_sample") if self.game == "gan" else ("real_loss", "sample_loss")
        parts = dict(zip(names, (as_real, as_fake)))
        if self.game == "wgan-gp":  # in float32 whatever the precision: slopes of slopes
            parts["penalty"] = slope_penalty(players.discriminator, real, fake, scene.noise["mix"]).mean()
            loss = loss + self.penalty * parts["penalty"]
        if LAMBDA in scene.value:
            parts[LAMBDA] = scene.value[LAMBDA]
        middle = self.middle(on_real, on_fake)
        return Turn({"discriminator": loss}, parts, Seen(on_real - middle, on_fake - middle))

    def generate(self, players: Players, scene: Scene) -> Turn:
        """The generator's loss, eqs. 4.5, 4.9 and 4.12."""
        with scene.autocast():
            fake = players.generator(scene.noise["z"]).to(scene.x.dtype)
        loss = GAMES[self.game].as_real(self.values(players, fake, scene)).mean()
        return Turn({"generator": loss}, {"generator_loss": loss})

    def focus(self, players: Players, scene: Scene) -> Turn:
        """The lens's loss λ L^A + L^R (eq. 4.3), with L^A of eqs. 4.8, 4.11 and 4.14."""
        real = self.seen(players, scene)
        fooled = GAMES[self.game].as_fake(self.values(players, real, scene)).mean()
        squares = (scene.x - real).square().flatten(1)
        change = (squares.sum(1) if self.reduction == "sum" else squares.mean(1)).mean()
        loss = scene.value[LAMBDA].to(change.dtype) * fooled + change
        return Turn({"lens": loss}, {"lens_adversarial": fooled, "lens_change": change})

    def seen(self, players: Players, scene: Scene) -> Tensor:
        """What passes for real: the data as the lens shows them, (n, c, h, w)."""
        x = scene.x
        if players.lens is not None:
            with scene.autocast():
                return players.lens(x).to(x.dtype)
        if self.lens == "none":
            return x
        variance = scene.value[LAMBDA] * self.sigma**2
        return scattered(x, variance, scene.noise["noise"]) if self.lens == "noise" else self.blurred(x, variance)

    def blurred(self, x: Tensor, variance: Tensor) -> Tensor:
        """Images under the blur lens while it has this variance, px²."""
        return diffused(x, variance, taps(self.sigma * max(1.0, self.strength) ** 0.5))

    def values(self, players: Players, samples: Tensor, scene: Scene) -> Tensor:
        """The discriminator's values of samples, (n,): logits, or D itself."""
        with scene.autocast():
            value = players.discriminator(samples).to(scene.x.dtype)
        return torch.sigmoid(value) if self.sigmoid else value

    def middle(self, on_real: Tensor, on_fake: Tensor) -> Tensor | float:
        """The value between "real" and "fake"; a critic has none of its own, so that of its means stands in."""
        if self.game == "wgan-gp":
            return (on_real.mean() + on_fake.mean()) / 2
        return 0.5 if self.game == "lsgan" else 0.0

    def check(self, players: Players, samples: int, batch: int) -> None:
        """See `System.check`."""
        if batch == 1 and self.game != "lsgan":
            raise ValueError("Batch norm needs more than one value of a feature: raise batch_size.")
