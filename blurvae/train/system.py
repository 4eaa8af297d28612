"""What is trained: the players of a system, the moves of a step, and what each player minimises."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor

from blurvae.train.optimisers import Optimiser
from blurvae.train.schedules import Schedule

P = TypeVar("P", bound=tuple[Any, ...])  # a NamedTuple of networks; None stands for one that is not there


class Draw(NamedTuple):
    """Random numbers of one sample.

    Attributes:
        law: "normal" is N(0, 1), "uniform" is that on [0, 1).
        shape: of one sample; a batch draws (n, *shape). None is the shape of the training samples.
    """

    law: Literal["normal", "uniform"]
    shape: tuple[int, ...] | None

    def numbers(self, n: int, x: Tensor, generator: torch.Generator) -> Tensor:
        """Those of n samples such as x holds, of x's type, where the generator lives."""
        make = torch.randn if self.law == "normal" else torch.rand
        shape = (n, *(x.shape[1:] if self.shape is None else self.shape))
        return make(shape, generator=generator, device=generator.device, dtype=x.dtype)


class Scene(NamedTuple):
    """All that a move sees besides the networks: tensors on the device, and the precision of the networks.

    Attributes:
        x: (n, …) in [−1, 1], this process's part of the batch: images (n, c, h, w) or clips (n, t, c, h, w).
        noise: as the move's `draws` name it, (n, …).
        value: as the system's `schedules` name it, ().
        autocast: makes the context that networks run in; losses and spectra stay outside it, in float32.
    """

    x: Tensor
    noise: Mapping[str, Tensor]
    value: Mapping[str, Tensor]
    autocast: Callable[[], AbstractContextManager[Any]]


class Turn(NamedTuple):
    """What a move returns.

    Each player's loss is differentiated by that player's weights alone, so nothing need be detached or frozen for the
    sake of another player; players with the same tensor as their loss learn from one backward pass.

    Attributes:
        losses: by player, ().
        parts: what the history records, ().
        seen: tensors for whoever looks on.
    """

    losses: Mapping[str, Tensor]
    parts: Mapping[str, Tensor]
    seen: Any = None


@dataclass(frozen=True)
class Move(Generic[P]):
    """One forward pass, the gradients of its losses, then one step of each player that has a loss.

    Attributes:
        name: of the move, unique in its phase.
        play: a pure function of networks and scene; it reads no number off the device.
        draws: the random numbers that it takes, drawn in this order before it is played.
        times: how often it is played in a step.
        fresh: whether each time sees the next batch, else that of the move before.
        rule: from what was measured (`parts`, means over the whole batch), whether a player steps, (), bool; it may
            write the buffers of a network. A player that it does not name steps.
    """

    name: str
    play: Callable[[P, Scene], Turn]
    draws: Mapping[str, Draw] = field(default_factory=dict)
    times: int = 1
    fresh: bool = True
    rule: Callable[[P, Mapping[str, Tensor]], Mapping[str, Tensor]] | None = None


class System(ABC, Generic[P]):
    """A frozen dataclass: its fields are the configuration that a record keeps, its methods say how it is trained.

    It has no state. What training changes is a weight or a buffer of a player, so a checkpoint has it.

    Attributes:
        name: in records and on the command line.
    """

    name: ClassVar[str]

    @abstractmethod
    def players(self, shape: tuple[int, ...]) -> P:
        """The networks for samples of this shape, initialised from torch's global generator."""

    @abstractmethod
    def optimisers(self) -> Mapping[str, Optimiser]:
        """By player; one without an optimiser is fixed."""

    @abstractmethod
    def moves(self, phase: str) -> tuple[Move[P], ...]:
        """The moves of a step in order."""

    def phase(self, epoch: int) -> str:
        """The phase of an epoch, counted from 0; within a phase every step does the same."""
        return "train"

    def schedules(self) -> Mapping[str, Schedule]:
        """Numbers that change from step to step, beside the learning rates."""
        return {}

    def needs(self, shape: tuple[int, ...]) -> str:
        """The file or package without which samples of this shape cannot be trained on; empty if none is absent."""
        return ""

    def cost(self, shape: tuple[int, ...]) -> float:
        """How much work a sample of this shape is, in a unit of its own: a queue begins with what costs least."""
        return float(math.prod(shape))

    def kept_back(self) -> int:
        """How many training samples, at the end of the set, no move shall see: the watch measures on them."""
        return 0

    def check(self, players: P, samples: int, batch: int) -> None:
        """Refuses networks that this configuration cannot train on so many samples, so many at a time.

        Raises:
            ValueError: they do not fit; the message says what does.
        """
