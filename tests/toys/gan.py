"""Kind 4: GAN, LSGAN and WGAN-GP, each with or without a lens before the critic (Sajjadi et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from blurvae.train import Draw, Move, Scene, System, Turn
from blurvae.train.optimisers import Adam, Optimiser
from blurvae.train.schedules import Anneal, Constant, Schedule
from toys.networks import critic, decoder, lens

GAMES = {  # how far the critic's values are from "real" and from "fake"
    "gan": (lambda v: softplus(-v).mean(), lambda v: softplus(v).mean()),
    "lsgan": (lambda v: (v - 1).square().mean(), lambda v: v.square().mean()),
    "wgan": (lambda v: -v.mean(), lambda v: v.mean()),
}


class Players(NamedTuple):
    critic: nn.Module
    generator: nn.Module
    lens: nn.Module | None


@dataclass(frozen=True)
class GAN(System[Players]):
    name: ClassVar[str] = "gan"
    game: str = "gan"
    critics: int = 1  # plays of the critic a step
    penalty: float = 0.0  # weight of (‖∇D‖ − 1)²
    lens: int = 0  # steps in which the lens is annealed; 0 for none
    latent: int = 3
    width: int = 6
    lr: float = 1e-3

    def players(self, shape: tuple[int, ...]) -> Players:
        c, w = shape[0], self.width
        return Players(critic(c, w), decoder(self.latent, w, c), lens(c, w) if self.lens else None)

    def optimisers(self) -> Mapping[str, Optimiser]:
        return dict.fromkeys(Players._fields, Adam(Constant(self.lr), (0.5, 0.9)))

    def schedules(self) -> Mapping[str, Schedule]:
        return {"lens": Anneal(self.lens)} if self.lens else {}

    def moves(self, phase: str) -> tuple[Move[Players], ...]:
        z, mix = {"z": Draw("normal", (self.latent,))}, {"mix": Draw("uniform", (1, 1, 1))}
        moves = Move("critic", self.judge, z | mix, self.critics), Move("generator", self.generate, z, fresh=False)
        return (*moves, Move("lens", self.see, fresh=False)) if self.lens else moves

    def real(self, players: Players, scene: Scene) -> Tensor:
        """What passes for real: the data as the lens shows them."""
        with scene.autocast():
            return scene.x if players.lens is None else scene.x + players.lens(scene.x)

    def judge(self, players: Players, scene: Scene) -> Turn:
        x, (as_real, as_fake) = self.real(players, scene).to(scene.x.dtype), GAMES[self.game]
        with scene.autocast():
            fake = players.generator(scene.noise["z"]).to(x.dtype)
            values = [players.critic(images).to(x.dtype) for images in (x, fake)]
        loss = as_real(values[0]) + as_fake(values[1])
        parts = {"critic_loss": loss, "on_real": values[0].mean(), "on_fake": values[1].mean()}
        if self.penalty:  # Gulrajani et al. 2017
            between = torch.lerp(x, fake, scene.noise["mix"]).detach().requires_grad_()
            with scene.autocast():
                value = players.critic(between).sum()
            (slope,) = torch.autograd.grad(value.to(x.dtype), between, create_graph=True)
            parts["penalty"] = (slope.flatten(1).norm(dim=1) - 1).square().mean()
            loss = loss + self.penalty * parts["penalty"]
        return Turn({"critic": loss}, parts)

    def generate(self, players: Players, scene: Scene) -> Turn:
        with scene.autocast():
            value = players.critic(players.generator(scene.noise["z"])).to(scene.x.dtype)
        loss = GAMES[self.game][0](value)
        return Turn({"generator": loss}, {"generator_loss": loss})

    def see(self, players: Players, scene: Scene) -> Turn:
        seen = self.real(players, scene)
        with scene.autocast():
            value = players.critic(seen).to(scene.x.dtype)
        change, fooled = (scene.x - seen).square().flatten(1).sum(1).mean(), GAMES[self.game][1](value)
        loss = scene.value["lens"].to(scene.x.dtype) * fooled + change
        return Turn({"lens": loss}, {"lens_change": change, "lens_fooled": fooled})
