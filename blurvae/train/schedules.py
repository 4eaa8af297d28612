"""Numbers that change while training: functions of step, epoch and history alone, so that no checkpoint has them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


class When(NamedTuple):
    """A moment of a training.

    Attributes:
        step: steps that are over.
        epoch: epochs that are over.
        history: a record for each of them.
    """

    step: int
    epoch: int
    history: Sequence[Mapping[str, Any]]


class Schedule(Protocol):
    """A number at a moment: `schedule(when) -> float`, a pure function."""

    def __call__(self, when: When) -> float: ...  # noqa: D102


@dataclass(frozen=True)
class Constant:
    """The same number always."""

    value: float

    def __call__(self, when: When) -> float:  # noqa: D102
        return self.value


@dataclass(frozen=True)
class Exponential:
    """value · factor^epoch."""

    value: float
    factor: float

    def __call__(self, when: When) -> float:  # noqa: D102
        return self.value * self.factor**when.epoch


@dataclass(frozen=True)
class Cyclical:
    """From low to high in `half` steps and back, the height multiplied by `shrink` each cycle (Smith 2017).

    With shrink = ½ it is the policy "triangular2".
    """

    low: float
    high: float
    half: int
    shrink: float = 0.5

    def __call__(self, when: When) -> float:  # noqa: D102
        cycle, at = divmod(when.step, 2 * self.half)
        return self.low + (self.high - self.low) * self.shrink**cycle * (1 - abs(at / self.half - 1))


@dataclass(frozen=True)
class Plateau:
    """value · factor^k, where k counts how often `watched` has not fallen for more than `patience` epochs.

    Attributes:
        value: at the start.
        watched: a number that the watch measures after each epoch.
        factor: of a reduction.
        patience: epochs without improvement that are waited for.
        least: relative improvement that counts as one.
    """

    value: float
    watched: str = "valid_loss"
    factor: float = 0.5
    patience: int = 5
    least: float = 1e-4

    def __call__(self, when: When) -> float:  # noqa: D102
        value, best, bad = self.value, math.inf, 0
        for epoch in when.history:
            if epoch[self.watched] < best * (1 - self.least):
                best, bad = epoch[self.watched], 0
            else:
                bad += 1
            if bad > self.patience:
                value, bad = value * self.factor, 0
        return value


@dataclass(frozen=True)
class Anneal:
    """height · (1 − sin(πt/2K)) for t ≤ K, 0 afterwards (Sajjadi et al. 2018, Tempered Adversarial Networks, eq. 4)."""

    steps: int
    height: float = 1.0

    def __call__(self, when: When) -> float:  # noqa: D102
        if when.step >= self.steps:
            return 0.0
        return self.height * (1 - math.sin(math.pi * when.step / (2 * self.steps)))
