"""Kind 3: regularised autoencoders (Ghosh et al. 2020): plain, with L2, with a gradient penalty, with spectral norm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from blurvae.train import Draw, Move, Scene, System, Turn
from blurvae.train.optimisers import Adam, Optimiser
from blurvae.train.schedules import Plateau
from toys.networks import decoder, encoder


class Players(NamedTuple):
    encoder: nn.Module
    decoder: nn.Module


@dataclass(frozen=True)
class RAE(System[Players]):
    """Its learning rate falls where the watch's `valid_loss` does not."""

    name: ClassVar[str] = "rae"
    variant: str = "gp"  # "ae", "l2", "gp" or "sn"
    beta: float = 1e-2  # weight of ½‖z‖²
    weight: float = 1e-2  # of the penalty
    patience: int = 0
    latent: int = 3
    width: int = 6
    lr: float = 1e-3

    def players(self, shape: tuple[int, ...]) -> Players:
        c, w = shape[0], self.width
        last = decoder(self.latent, w, c, spectral_norm) if self.variant == "sn" else decoder(self.latent, w, c)
        return Players(encoder(c, w, self.latent), last)

    def optimisers(self) -> Mapping[str, Optimiser]:
        return dict.fromkeys(Players._fields, Adam(Plateau(self.lr, patience=self.patience)))

    def moves(self, phase: str) -> tuple[Move[Players], ...]:
        return (Move("rae", self.play, {"v": Draw("normal", (3, 8, 8))} if self.variant == "gp" else {}),)

    def play(self, players: Players, scene: Scene) -> Turn:
        x = scene.x
        with scene.autocast():
            z = players.encoder(x).to(x.dtype)
        with scene.autocast():
            x_hat = players.decoder(z).to(x.dtype)
        reconstruction = (x - x_hat).square().flatten(1).sum(1).mean()
        code = 0.5 * z.square().sum(1).mean()
        parts = {"reconstruction": reconstruction, "code": code}
        loss = reconstruction if self.variant == "ae" else reconstruction + self.beta * code
        if self.variant == "l2":
            parts["penalty"] = torch.stack([p.square().sum() for p in players.decoder.parameters()]).sum()
        if self.variant == "gp":  # ‖J‖² = E‖Jᵀv‖² (Hutchinson)
            (slope,) = torch.autograd.grad((x_hat * scene.noise["v"]).sum(), z, create_graph=True)
            parts["penalty"] = slope.square().sum(1).mean()
        if "penalty" in parts:
            loss = loss + self.weight * parts["penalty"]
        return Turn({"encoder": loss, "decoder": loss}, parts, x_hat)
