"""Kind 1: a VAE with a second term that begins at an epoch, and a β that goes in cycles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import nn

from blurvae.models import kl_divergence, reparametrise
from blurvae.train import Draw, Move, Scene, System, Turn
from blurvae.train.optimisers import Adam, Optimiser
from blurvae.train.schedules import Constant, Cyclical, Schedule
from toys.networks import decoder, encoder


class Players(NamedTuple):
    encoder: nn.Module
    decoder: nn.Module


@dataclass(frozen=True)
class TwoTerms(System[Players]):
    """Squared error, from the epoch `begins` on with that of the images' slopes too, and β·KL."""

    name: ClassVar[str] = "two-terms"
    begins: int = 1
    weight: float = 0.5
    half: int = 4  # steps of half a cycle of β
    latent: int = 3
    width: int = 6
    lr: float = 1e-3

    def players(self, shape: tuple[int, ...]) -> Players:
        return Players(
            encoder(shape[0], self.width, 2 * self.latent),
            decoder(self.latent, self.width, shape[0]),
        )

    def optimisers(self) -> Mapping[str, Optimiser]:
        return dict.fromkeys(Players._fields, Adam(Constant(self.lr)))

    def schedules(self) -> Mapping[str, Schedule]:
        return {"beta": Cyclical(0.1, 1.0, self.half)}

    def phase(self, epoch: int) -> str:
        return "two terms" if epoch >= self.begins else "one term"

    def moves(self, phase: str) -> tuple[Move[Players], ...]:
        def play(players: Players, scene: Scene) -> Turn:
            return self.play(players, scene, slopes=phase == "two terms")

        return (Move("vae", play, {"n": Draw("normal", (self.latent,))}),)

    def play(self, players: Players, scene: Scene, slopes: bool) -> Turn:
        x = scene.x
        with scene.autocast():
            code = players.encoder(x).to(x.dtype)
        mu, log_var = code.chunk(2, 1)
        z = reparametrise(mu, log_var, noise=scene.noise["n"])
        with scene.autocast():
            x_hat = players.decoder(z).to(x.dtype)
        error = x - x_hat
        parts = {"reconstruction": error.square().flatten(1).sum(1).mean(), "kl": kl_divergence(mu, log_var).mean()}
        loss = parts["reconstruction"] + scene.value["beta"].to(x.dtype) * parts["kl"]
        if slopes:
            parts["slopes"] = error.diff(dim=-1).square().flatten(1).sum(1).mean()
            loss = loss + self.weight * parts["slopes"]
        return Turn({"encoder": loss, "decoder": loss}, parts, x_hat)
