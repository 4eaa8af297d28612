"""Systems that no list of the book may have: one that diverges, and one that no graph can hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from blurvae.systems import GAN, RAE
from blurvae.train import Scene, Turn


@dataclass(frozen=True)
class Diverging(RAE):
    """Every loss is divided by 0."""

    def moves(self, phase: str) -> Any:
        (move,) = super().moves(phase)

        def play(players: Any, scene: Scene) -> Turn:
            turn = move.play(players, scene)
            return Turn({k: v / 0 for k, v in turn.losses.items()}, {k: v / 0 for k, v in turn.parts.items()})

        return (replace(move, play=play),)


@dataclass(frozen=True)
class Reading(GAN):
    """The same as its base, but for a number that its last move reads off the device."""

    def moves(self, phase: str) -> Any:
        *before, last = super().moves(phase)

        def play(players: Any, scene: Scene) -> Turn:
            turn = last.play(players, scene)
            assert next(iter(turn.losses.values())).item() < float("inf")
            return turn

        return (*before, replace(last, play=play))
