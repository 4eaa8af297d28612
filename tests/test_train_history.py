"""What the history of a training says, and what the loop asks of the moves of a step."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import pytest
from toys import CASES, GAN, IMAGES, RAE, SMALL_RAE
from toys.running import BUDGET, Case, Still, observe, started

from blurvae.train import Move


@dataclass(frozen=True)
class PlayedAgain(RAE):
    """Two moves of one step that measure the same."""

    def moves(self, phase: str) -> tuple[Move[Any], ...]:
        (move,) = super().moves(phase)
        return move, replace(move, name="again", times=2, fresh=False)


@dataclass(frozen=True)
class WithoutABatch(GAN):
    """Its first move asks for the batch of a move before it."""

    def moves(self, phase: str) -> tuple[Move[Any], ...]:
        return super().moves(phase)[::-1]


ALL: dict[str, Case] = CASES | {"played again": (PlayedAgain("ae", **SMALL_RAE), IMAGES)}


@pytest.mark.parametrize("name", ALL)
def test_a_record_has_the_means_over_all_plays_of_its_epoch(name: str) -> None:
    training = started(ALL[name])
    system, now = training.system, training.progress
    measured: list[dict[str, list[float]]] = [defaultdict(list) for _ in range(BUDGET.epochs)]

    def look(move: Move[Any], before: Any) -> None:
        for part, value in training.stage.turns[move.name].parts.items():
            measured[now.epoch][part].append(float(value))

    observe(training, look)
    assert now.step == BUDGET.epochs * training.plan.steps
    for epoch, (parts, record) in enumerate(zip(measured, now.history, strict=True)):
        means = {part: sum(values) / len(values) for part, values in parts.items()}
        wanted = {"epoch": epoch + 1, **means, **Still()(epoch + 1, None)}
        assert record.pop("phase") == system.phase(epoch)
        assert record == pytest.approx(wanted, rel=1e-12)


def test_the_last_record_is_there_at_the_last_step() -> None:
    """Whoever takes trainings in turn sees a whole history before the iterator has ended."""
    training = started(CASES["l2"])
    closed = [len(training.progress.history) for _ in training]
    assert closed == [0] * 5 + [1] * 6 + [2] * 6 + [3]


def test_a_first_move_without_a_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="begins with 'generator', which is not fresh"):
        started((WithoutABatch(), IMAGES))


@dataclass(frozen=True)
class TwoOfAName(RAE):
    """Two moves of one step that nobody could tell apart."""

    def moves(self, phase: str) -> tuple[Move[Any], ...]:
        (move,) = super().moves(phase)
        return move, replace(move, fresh=False)


def test_two_moves_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Two moves of 'rae' are called the same in phase 'train'"):
        started((TwoOfAName("ae", **SMALL_RAE), IMAGES))
