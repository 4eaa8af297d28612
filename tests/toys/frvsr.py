"""Kind 6: frame-recurrent video super-resolution (Sajjadi et al. 2018), a gradient through all frames of a clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate, pixel_unshuffle

from blurvae.train import Move, Scene, System, Turn
from blurvae.train.optimisers import Adam, Optimiser
from blurvae.train.schedules import Constant


class Players(NamedTuple):
    flow: nn.Module
    sr: nn.Module


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """The image at the places that a displacement in px, (n, 2, h, w), points to."""
    h, w = image.shape[-2:]
    y = torch.arange(h, device=image.device, dtype=image.dtype)[:, None] + flow[:, 1]
    x = torch.arange(w, device=image.device, dtype=image.dtype) + flow[:, 0]
    grid = torch.stack(((2 * x + 1) / w - 1, (2 * y + 1) / h - 1), -1)
    return grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)


@dataclass(frozen=True)
class FRVSR(System[Players]):
    name: ClassVar[str] = "frvsr"
    reach: float = 2.0  # px of the small frames that the flow reaches
    width: int = 6
    lr: float = 1e-3

    def players(self, shape: tuple[int, ...]) -> Players:
        c, w = shape[1], self.width
        flow = nn.Sequential(nn.Conv2d(2 * c, w, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(w, 2, 3, 1, 1), nn.Tanh())
        sr = nn.Sequential(
            nn.Conv2d(5 * c, w, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(w, 4 * c, 3, 1, 1), nn.PixelShuffle(2)
        )
        return Players(flow, sr)

    def optimisers(self) -> Mapping[str, Optimiser]:
        return dict.fromkeys(Players._fields, Adam(Constant(self.lr)))

    def moves(self, phase: str) -> tuple[Move[Players], ...]:
        return (Move("clip", self.play),)

    def play(self, players: Players, scene: Scene) -> Turn:
        clip = scene.x  # (n, t, c, h, w)
        small = clip[..., ::2, ::2]
        before, estimate = small[:, 0], torch.zeros_like(clip[:, 0])
        sharp, moved = [], []
        for t in range(clip.shape[1]):
            now = small[:, t]
            with scene.autocast():
                flow = self.reach * players.flow(torch.cat((before, now), 1)).to(clip.dtype)
            large = 2 * interpolate(flow, scale_factor=2, mode="bilinear", align_corners=False)
            warped = pixel_unshuffle(warp(estimate, large), 2)
            with scene.autocast():
                estimate = players.sr(torch.cat((now, warped), 1)).to(clip.dtype)
            sharp.append((estimate - clip[:, t]).square().mean())
            if t:
                moved.append((warp(before, flow) - now).square().mean())
            before = now
        sr, flow_error = torch.stack(sharp).mean(), torch.stack(moved).mean()
        loss = sr + flow_error
        return Turn({"flow": loss, "sr": loss}, {"sr": sr, "flow_error": flow_error, "last": sharp[-1]}, estimate)
