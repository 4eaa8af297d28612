"""Kind 5: EnhanceNet (Sajjadi et al. 2017) on crops; its discriminator learns only where it judged poorly before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, softplus

from blurvae.train import Draw, Move, Scene, System, Turn
from blurvae.train.optimisers import Adam, Optimiser
from blurvae.train.schedules import Constant


class Judge(nn.Sequential):
    """A discriminator that remembers how well it told the last batch apart."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.register_buffer("performance", torch.zeros(2))  # shares of real and of generated images


class Players(NamedTuple):
    generator: nn.Module
    discriminator: Judge
    features: nn.Module  # fixed


def crop(images: Tensor, at: Tensor, size: int) -> Tensor:
    """A window of each image, its place given by numbers in [0, 1), (n, 2); nothing is read off the device."""
    n, c, h, w = images.shape
    along = torch.arange(size, device=images.device)
    rows = (at[:, :1] * (h - size + 1)).long() + along
    columns = (at[:, 1:] * (w - size + 1)).long() + along
    picked = images.gather(2, rows[:, None, :, None].expand(n, c, size, w))
    return picked.gather(3, columns[:, None, None, :].expand(n, c, size, size))


@dataclass(frozen=True)
class EnhanceNet(System[Players]):
    name: ClassVar[str] = "enhancenet"
    threshold: float = 0.5  # the discriminator pauses above it
    texture: float = 1e-2
    patch: int = 6
    width: int = 6
    lr: float = 1e-3

    def players(self, shape: tuple[int, ...]) -> Players:
        c, w = shape[0], self.width
        generator = nn.Sequential(
            nn.Conv2d(c, w, 3, 1, 1), nn.LeakyReLU(0.2), nn.Upsample(scale_factor=2), nn.Conv2d(w, c, 3, 1, 1)
        )
        size = (self.patch // 2) ** 2
        judge = Judge(nn.Conv2d(c, w, 3, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(w * size, 1))
        return Players(generator, judge, nn.Sequential(nn.Conv2d(c, w, 3, 1, 1), nn.BatchNorm2d(w), nn.ReLU()))

    def optimisers(self) -> Mapping[str, Optimiser]:
        return dict.fromkeys(("generator", "discriminator"), Adam(Constant(self.lr)))

    def moves(self, phase: str) -> tuple[Move[Players], ...]:
        return (Move("both", self.play, {"at": Draw("uniform", (2,))}, rule=self.rule),)

    def play(self, players: Players, scene: Scene) -> Turn:
        small = avg_pool2d(scene.x, 2)  # the whole image is made small, then cut
        x, low = crop(scene.x, scene.noise["at"], self.patch), crop(small, scene.noise["at"], self.patch // 2)
        with scene.autocast():
            sharp = (interpolate(low, scale_factor=2, mode="bicubic") + players.generator(low)).to(x.dtype)
            real, fake = (players.discriminator(images).to(x.dtype) for images in (x, sharp))
            seen, wanted = (players.features(images).to(x.dtype).flatten(2) for images in (sharp, x))
        texture = (seen @ seen.mT - wanted @ wanted.mT).square().mean()
        error, fooled = (sharp - x).square().mean(), softplus(-fake).mean()
        losses = {
            "generator": error + fooled + self.texture * texture,
            "discriminator": softplus(-real).mean() + softplus(fake).mean(),
        }
        right = {"right_real": (real > 0).to(x.dtype).mean(), "right_fake": (fake < 0).to(x.dtype).mean()}
        return Turn(losses, {"error": error, "texture": texture, "fooled": fooled} | right, sharp)

    def rule(self, players: Players, measured: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        performance = players.discriminator.performance
        allowed = performance.min() < self.threshold
        performance.copy_(torch.stack((measured["right_real"], measured["right_fake"])))
        return {"discriminator": allowed}
