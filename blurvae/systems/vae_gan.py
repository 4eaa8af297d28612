"""The VAE-GAN (Larsen et al., ICML 2016) as the report on sharpness prints it: three losses of one forward pass.

L_GAN = −[log D(x) + log(1 − D(x̄))]; the encoder descends L_prior + L_rec, the decoder L_rec − L_GAN, the discriminator
L_GAN. (Larsen prints L_GAN with the other sign, so that his rules, taken literally, train a discriminator to be wrong.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from blurvae.losses import Sharpness, Term
from blurvae.models import Coder, kl_divergence, reparametrise
from blurvae.models.vae_gan import Discriminator, layers, make_decoder, make_encoder
from blurvae.systems import shared
from blurvae.train import Draw, Move, Scene, System, Turn
from blurvae.train.optimisers import Adam, Optimiser, RMSProp
from blurvae.train.schedules import Exponential


class Players(NamedTuple):
    """φ, θ and the judge."""

    encoder: nn.Sequential
    decoder: nn.Sequential
    discriminator: Discriminator


class Seen(NamedTuple):
    """What the losses were computed of.

    Attributes:
        x_hat: (n, c, h, w), reconstructions; the report's x̂ and x̄ both name them.
        real: (n,), the discriminator's logits of the data.
        fake: (m,), its logits of the reconstructions and, where there are any, of the samples.
    """

    x_hat: Tensor
    real: Tensor
    fake: Tensor


@dataclass(frozen=True)
class VAEGAN(System[Players]):
    """A VAE whose likelihood is that of a discriminator's features, and whose decoder plays against it.

    The released code takes −log(p + 1e-3) for a cross-entropy, whose gradient dies where the judge is sure; here it is
    exact, softplus of a logit. That code weights the decoder's two losses by λ and 1 − λ: here γ = λ/(1 − λ), which for
    RMSProp is the same, since it does not see the scale of a loss.

    Attributes:
        layer: of the discriminator, at which the feature likelihood N(D_l(x); D_l(x̂), I) is taken.
        beta: β, the weight of the KL term.
        gamma: γ, the weight of the feature likelihood in the decoder's loss: 1 in the report, 1e-6 in its code.
        feature_precision: of that Gaussian, whose covariance is I divided by it; 1 is the report's. The likelihood sums
            over features, so that in a network of an eighth of the widths it weighs against all else as in the whole
            one where this is 8.
        prior_fakes: whether samples from the prior are judged too, as Larsen and the released code do; the report's
            L_GAN has reconstructions alone.
        generator: the decoder's part of the game: "minimax" is −L_GAN as printed; "non-saturating" is −log D of what it
            made (Goodfellow et al. 2014), whose gradient does not die where the discriminator is sure.
        term: a reconstruction term beside the features; in no loss where both weights are 0.
        term_encoder: its weight in the encoder's loss: 1 in the report and in its code.
        term_decoder: its weight in the decoder's loss: 1 in the report, γ/2 in its code.
        equilibrium: E; the discriminator pauses where its mean cross-entropy on data or on reconstructions is below
            E − M, the decoder where one is above E + M, and both play where both would pause. 0 for no such rule. It
            comes from code (0.68 and M = 0.35 in the report's), and stands in no paper.
        margin: M.
        optimiser: "rmsprop" (α = 0.9) or "adam" (β₁ = 0.5).
        lr: the learning rate of all three.
        decay: by which it is multiplied after each epoch.
        widths: feature maps of the encoder's blocks.
        latent: length of z.
        hidden: width of the encoder's hidden layer; the discriminator's is half as wide.

    Raises:
        ValueError: a value out of its range.
    """

    name: ClassVar[str] = "vae-gan"
    layer: str = "conv3"
    beta: float = 1.0
    gamma: float = 1.0
    feature_precision: float = 1.0
    prior_fakes: bool = True
    generator: Literal["minimax", "non-saturating"] = "minimax"
    term: Term = field(default_factory=Sharpness)
    term_encoder: float = 0.0
    term_decoder: float = 0.0
    equilibrium: float = 0.0
    margin: float = 0.35
    optimiser: Literal["rmsprop", "adam"] = "rmsprop"
    lr: float = 1e-3
    decay: float = 0.75
    widths: tuple[int, ...] = (64, 128, 256)
    latent: int = 128
    hidden: int = 1024

    def __post_init__(self) -> None:
        weights = {
            "beta": "the weight of the KL term",
            "gamma": "the decoder's weight of the feature likelihood",
            "term_encoder": "the term's weight for the encoder",
            "term_decoder": "the term's weight for the decoder",
            "equilibrium": "a cross-entropy, 0 for none",
            "margin": "the distance from the equilibrium",
        }
        shared.check_numbers(self, ("lr", "decay", "feature_precision"), weights, ("widths", "latent", "hidden"))
        shared.learns_nothing(self.term, self.name)
        if self.layer not in (known := layers(self.widths)):
            raise ValueError(f"The discriminator has no layer {self.layer!r}: choose one of {', '.join(known)}.")
        if self.has_term and self.term.kernel_path is not None:
            raise ValueError(f"The term {self.term.name!r} needs a kernel network, which a VAE-GAN has not.")

    @property
    def has_term(self) -> bool:
        """Whether the term is in a loss."""
        return self.term_encoder > 0 or self.term_decoder > 0

    def players(self, shape: tuple[int, ...]) -> Players:
        """The networks for square images of this shape (c, h, w), initialised from torch's global generator."""
        channels, height, width = shape
        if height != width:
            raise ValueError(f"The networks of a VAE-GAN take square images, not {height}×{width} px.")
        given: dict[str, Any] = {"size": height, "channels": channels, "widths": self.widths}
        return Players(
            make_encoder(**given, latent=self.latent, hidden=self.hidden),
            make_decoder(**given, latent=self.latent),
            Discriminator(**given, hidden=max(1, self.hidden // 2)),
        )

    def coder(self, players: Players, shape: tuple[int, int, int]) -> Coder:
        """Encoder and decoder as one autoencoder of images of this shape (c, h, w)."""
        return Coder(players.encoder, players.decoder, shape, self.latent)

    def needs(self, shape: tuple[int, ...]) -> str:
        """See `System.needs`."""
        return self.term.needs(shape) if self.has_term else ""

    def cost(self, shape: tuple[int, ...]) -> float:
        """Pixels × the square of the first width: see `System.cost`."""
        return float(shape[-1] * shape[-2] * self.widths[0] ** 2)

    def optimisers(self) -> Mapping[str, Optimiser]:
        """The same for all three players."""
        rate = Exponential(self.lr, self.decay)
        made: Optimiser = RMSProp(rate, alpha=0.9) if self.optimiser == "rmsprop" else Adam(rate, (0.5, 0.999))
        return dict.fromkeys(Players._fields, made)

    def moves(self, phase: str) -> tuple[Move[Players], ...]:
        """One move for all three, and the rule that keeps them level where there is one."""
        draws = {"n": Draw("normal", (self.latent,))}
        if self.prior_fakes:
            draws["prior"] = Draw("normal", (self.latent,))
        return (Move("vae-gan", self.play, draws, rule=self.rule if self.equilibrium else None),)

    def play(self, players: Players, scene: Scene) -> Turn:
        """The report's three losses of one batch, which the discriminator sees with its fakes as one batch."""
        x, n = scene.x, len(scene.x)
        with scene.autocast():
            code = players.encoder(x).to(x.dtype)
        mu, log_var = code.chunk(2, 1)
        z = reparametrise(mu, log_var, noise=scene.noise["n"])
        with scene.autocast():
            logits = [players.decoder(z)]
            if self.prior_fakes:
                logits.append(players.decoder(scene.noise["prior"]))
            made = [torch.tanh(logit.to(x.dtype)) for logit in logits]
            judged = players.discriminator(torch.cat([x, *made]))
        verdict, x_hat = judged.logit.to(x.dtype), made[0]
        real, fake = verdict[:n], verdict[n:]
        f, f_hat = judged.features[self.layer].to(x.dtype).flatten(1).split(n)[:2]
        likelihood = 0.5 * self.feature_precision * (f - f_hat).square().sum(1).mean()
        kl = kl_divergence(mu, log_var).mean()
        on_real = softplus(-real).mean()
        on_fakes = [softplus(part).mean() for part in fake.split(n)]
        gan = torch.stack([on_real, *on_fakes]).sum()  # L_GAN
        parts = {"likelihood": likelihood, "kl": kl, "on_real": on_real}
        parts |= dict(zip(("on_reconstruction", "on_sample"), on_fakes))
        fooled = torch.stack([softplus(-part).mean() for part in fake.split(n)]).sum()
        losses = {
            "encoder": self.beta * kl + likelihood,
            "decoder": self.gamma * likelihood + (fooled if self.generator == "non-saturating" else -gan),
            "discriminator": gan,
        }
        if self.has_term:
            parts["term"] = term = self.term(x, x_hat, logit=logits[0].to(x.dtype)).mean()
            losses["encoder"] = losses["encoder"] + self.term_encoder * term
            losses["decoder"] = losses["decoder"] + self.term_decoder * term
        return Turn(losses, parts, Seen(x_hat, real, fake))

    def rule(self, players: Players, measured: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Who steps: see `equilibrium`."""
        real, fake = measured["on_real"], measured["on_reconstruction"]
        low, high = self.equilibrium - self.margin, self.equilibrium + self.margin
        discriminator = (real >= low) & (fake >= low)
        decoder = (real <= high) & (fake <= high)
        neither = ~(discriminator | decoder)
        return {"discriminator": discriminator | neither, "decoder": decoder | neither}

    def check(self, players: Players, samples: int, batch: int) -> None:
        """See `System.check`."""
        if batch == 1:  # the hidden layers have one value of each feature then
            raise ValueError("Batch norm needs more than one value of a feature: raise batch_size.")
