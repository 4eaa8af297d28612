"""A system with a planted line: right as Python, and most of them wrong as a graph on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from blurvae.train import Move, Scene, System, Turn
from blurvae.train.optimisers import Adam, Optimiser
from blurvae.train.schedules import Exponential, Schedule


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(4, 3, 3, 1, 1)
        self.register_buffer("average", torch.zeros(()))
        self.count = 0
        self.norm = nn.BatchNorm2d(3, momentum=None)  # a cumulative mean, whose weight Python computes

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(x)))


class Players(NamedTuple):
    net: Net


class Play(NamedTuple):
    """What a planted line may use."""

    net: Net
    x: Tensor
    y: Tensor
    loss: Tensor
    rate: Tensor


def counts_in_python(of: Play) -> Tensor:
    of.net.count += 1
    return of.loss * of.net.count


def replaces_a_buffer(of: Play) -> Tensor:
    of.net.average = 0.9 * of.net.average + 0.1 * of.loss.detach()
    return of.loss * (1 + of.net.average)


def writes_a_buffer(of: Play) -> Tensor:
    of.net.average.mul_(0.9).add_(0.1 * of.loss.detach())
    return of.loss * (1 + of.net.average)


def assigns_a_number(of: Play) -> Tensor:
    weights = torch.ones(4)
    weights[0] = 0.5
    return of.loss * weights.mean()


# How each is found: the taped training differs from the eager one ("differs") or raises, the tape flags an operation,
# or torch's global generator has moved. A fault may be found in several ways; the harmless in none.
FAULTS: dict[str, tuple[Callable[[Play], Tensor], set[str]]] = {
    "a counter of Python": (counts_in_python, {"differs"}),
    "a buffer that is replaced": (replaces_a_buffer, {"differs"}),
    "item()": (lambda of: of.loss * (1 + of.loss.item()), {"differs", "flagged"}),
    "float()": (lambda of: of.loss * min(1.0, float(1 / (of.loss.detach() + 1))), {"differs", "flagged"}),
    "if tensor": (lambda of: of.loss * 2 if of.loss > 0.3 else of.loss, {"flagged"}),
    "a mask": (lambda of: of.loss + of.y[of.x > 0].mean(), {"flagged", "raises"}),
    "isfinite": (lambda of: of.loss if torch.isfinite(of.loss).all() else 0 * of.loss, {"flagged"}),
    "torch.tensor": (lambda of: of.loss * torch.tensor(0.5), {"flagged"}),
    "numpy": (lambda of: of.loss * torch.from_numpy(np.ones(1, np.float32))[0], {"flagged"}),
    "x[i] = number": (assigns_a_number, {"flagged"}),
    "indices of Python": (lambda of: of.loss + of.y[[0, 2]].mean(), {"flagged"}),
    "a batch norm that Python weights": (lambda of: of.loss + of.net.norm(of.y).mean(), {"differs", "flagged"}),
    "dropout": (lambda of: of.loss + nn.functional.dropout(of.y, 0.3).square().mean(), {"generator"}),
}
HARMLESS: dict[str, Callable[[Play], Tensor]] = {
    "a buffer that is written": writes_a_buffer,
    "a scheduled value": lambda of: of.loss * of.rate.float(),
    "where with a number": lambda of: of.loss + torch.where(of.x > 0, of.y, 0.0).mean(),
}
LINES = {name: line for name, (line, _) in FAULTS.items()} | HARMLESS | {"nothing": lambda of: of.loss}


@dataclass(frozen=True)
class Planted(System[Players]):
    name: ClassVar[str] = "planted"
    line: str = "nothing"
    optimiser: type[Adam] = Adam

    def players(self, shape: tuple[int, ...]) -> Players:
        return Players(Net())

    def optimisers(self) -> Mapping[str, Optimiser]:
        return {"net": self.optimiser(Exponential(1e-2, 0.5))}

    def schedules(self) -> Mapping[str, Schedule]:
        return {"rate": Exponential(1.0, 0.5)}

    def moves(self, phase: str) -> tuple[Move[Players], ...]:
        return (Move("net", self.play),)

    def play(self, players: Players, scene: Scene) -> Turn:
        y = players.net(scene.x)
        loss = (scene.x - y).square().mean()
        loss = LINES[self.line](Play(players.net, scene.x, y, loss, scene.value["rate"]))
        return Turn({"net": loss}, {"loss": loss})
