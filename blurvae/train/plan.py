"""How an epoch divides into steps and batches, and what cannot be trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from blurvae.parallel import SOLO, Team
from blurvae.train.budget import Budget
from blurvae.train.feed import Samples
from blurvae.train.system import System


@dataclass(frozen=True)
class Plan:
    """Steps and batches.

    Attributes:
        samples: of the data set.
        batch: samples of a batch, of all processes together.
        per_step: batches that a step takes.
        steps: of an epoch.
    """

    samples: int
    batch: int
    per_step: int
    steps: int

    @property
    def images(self) -> int:
        """Samples that a step takes."""
        return self.batch * self.per_step


def plan(system: System[Any], players: Any, data: Samples, budget: Budget, team: Team = SOLO) -> Plan:
    """The plan of a training.

    Raises:
        ValueError: networks, data or a batch that cannot be trained on, or moves that are no step.
    """
    samples = len(data.images)
    if samples < 2:
        raise ValueError(f"Batch norm needs at least two images to train on, {data.name!r} has {samples}.")
    batch = min(budget.batch_size, samples)
    team.check(batch)
    system.check(players, samples, batch)
    per_step = _batches_of_a_step(system, budget.epochs)
    steps = samples // (batch * per_step) * budget.passes
    if not steps:
        raise ValueError(
            f"A step takes {per_step} batches of {batch}, more than the {samples} of {data.name!r}: lower batch_size."
        )
    return Plan(samples, batch, per_step, steps)


def _batches_of_a_step(system: System[Any], epochs: int) -> int:
    """Batches that a step takes, the same in every phase."""
    phases = dict.fromkeys(system.phase(epoch) for epoch in range(epochs))
    for phase in phases:
        names = [move.name for move in system.moves(phase)]
        if len({*names}) < len(names):
            raise ValueError(f"Two moves of {system.name!r} are called the same in phase {phase!r}: {names}.")
    for first in (move for phase in phases for move in system.moves(phase)[:1] if not move.fresh):
        raise ValueError(f"A step of {system.name!r} begins with {first.name!r}, which is not fresh: give it a batch.")
    found = {sum(move.times for move in system.moves(phase) if move.fresh) for phase in phases}
    if len(found) != 1 or 0 in found:
        raise ValueError(f"Each phase of {system.name!r} must take as many batches a step, one at least, not {found}.")
    return found.pop()
