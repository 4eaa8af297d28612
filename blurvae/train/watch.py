"""Who looks on: what is seen after a step, what is measured after an epoch, and how that leaves no trace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from blurvae.train.system import Scene, Turn


@dataclass(frozen=True)
class State:
    """What a callback sees after each step.

    Attributes:
        epoch: epochs that are over.
        step: steps that are over.
        phase: of this epoch.
        players: the networks.
        scenes: by move, what it saw the last time.
        turns: by move, what it returned then.
    """

    epoch: int
    step: int
    phase: str
    players: Any
    scenes: Mapping[str, Scene]
    turns: Mapping[str, Turn]


class Watch(Protocol):
    """What is measured after each epoch: the networks are in evaluation then, and come back as they were.

    Attributes:
        names: of the numbers, which go into the epoch's record.
    """

    names: Sequence[str]

    def __call__(self, epoch: int, players: Any) -> Mapping[str, float]:
        """The numbers by name; `epoch` counts from 1."""


@contextmanager
def evaluating(networks: Iterable[nn.Module]) -> Iterator[None]:
    """Networks in evaluation, without gradients; afterwards each part of them is in the mode that it was in."""
    modes = [(part, part.training) for net in networks for part in net.modules()]
    try:
        for part, _ in modes:
            part.training = False
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes:
            part.training = mode
