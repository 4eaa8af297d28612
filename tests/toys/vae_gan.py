"""Kind 2: the VAE-GAN (Larsen et al. 2016), three losses of one forward pass, and the rule that keeps players level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor, nn
from torch.nn.functional import softplus

from blurvae.models import kl_divergence, reparametrise
from blurvae.train import Draw, Move, Scene, System, Turn
from blurvae.train.optimisers import Optimiser, RMSProp
from blurvae.train.schedules import Exponential
from toys.networks import Discriminator, decoder, encoder


class Players(NamedTuple):
    encoder: nn.Module
    decoder: nn.Module
    discriminator: nn.Module


@dataclass(frozen=True)
class VAEGAN(System[Players]):
    name: ClassVar[str] = "vae-gan"
    gamma: float = 1e-2  # weight of the reconstruction in the decoder's loss
    equilibrium: float = 0.7
    margin: float = 0.08
    latent: int = 3
    width: int = 6
    lr: float = 1e-3
    decay: float = 0.75  # of the learning rate, an epoch

    def players(self, shape: tuple[int, ...]) -> Players:
        c, w = shape[0], self.width
        return Players(encoder(c, w, 2 * self.latent), decoder(self.latent, w, c), Discriminator(c, w))

    def optimisers(self) -> Mapping[str, Optimiser]:
        return dict.fromkeys(Players._fields, RMSProp(Exponential(self.lr, self.decay), alpha=0.9))

    def moves(self, phase: str) -> tuple[Move[Players], ...]:
        draws = {"n": Draw("normal", (self.latent,)), "prior": Draw("normal", (self.latent,))}
        return (Move("vae-gan", self.play, draws, rule=self.rule),)

    def play(self, players: Players, scene: Scene) -> Turn:
        x = scene.x
        with scene.autocast():
            code = players.encoder(x).to(x.dtype)
        mu, log_var = code.chunk(2, 1)
        z = reparametrise(mu, log_var, noise=scene.noise["n"])
        with scene.autocast():
            images = x, players.decoder(z), players.decoder(scene.noise["prior"])
            judged = [players.discriminator(image) for image in images]
        (f, real), (f_hat, _), (_, fake) = [(feature.to(x.dtype), logit.to(x.dtype)) for feature, logit in judged]
        likelihood = (f - f_hat).square().flatten(1).sum(1).mean()
        kl = kl_divergence(mu, log_var).mean()
        on_real, on_fake = softplus(-real).mean(), softplus(fake).mean()
        judgement = on_real + on_fake
        losses = {
            "encoder": kl + likelihood,
            "decoder": self.gamma * likelihood - judgement,
            "discriminator": judgement,
        }
        return Turn(losses, {"kl": kl, "likelihood": likelihood, "on_real": on_real, "on_fake": on_fake}, images[1])

    def rule(self, players: Players, measured: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The discriminator pauses where it is too good, the decoder where it is; both play where neither would."""
        real, fake = measured["on_real"], measured["on_fake"]
        low, high = self.equilibrium - self.margin, self.equilibrium + self.margin
        discriminator = (real >= low) & (fake >= low)
        decoder = (real <= high) & (fake <= high)
        neither = ~(discriminator | decoder)
        return {"discriminator": discriminator | neither, "decoder": decoder | neither}
