"""What a graph on a GPU could not hold, found on a CPU by a tape of operations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from toys import IMAGES, WITHOUT_WEIGHTS, with_term
from toys.planted import FAULTS, HARMLESS, Planted
from toys.running import copied, different, started, trained

from blurvae.losses import watson
from blurvae.train.optimisers import Adam
from blurvae.train.recorders import Tape


@dataclass(frozen=True)
class RateOfPython(Adam):
    """Adam whose learning rate is a number that Python lowers before each step."""

    def make(self, parameters: Iterable[nn.Parameter], lr: Tensor) -> torch.optim.Optimizer:
        optimiser = torch.optim.Adam(parameters, lr=1e-2, fused=True)
        group = optimiser.param_groups[0]
        optimiser.register_step_pre_hook(lambda *_: group.update(lr=0.9 * group["lr"]))
        return optimiser


def ways_found(system: Planted) -> set[str]:
    """How a fault shows where an eager training and a taped one of the same networks are compared."""
    tape, ways = Tape(), set()
    before = torch.get_rng_state()
    eager = started((system, IMAGES))
    for _ in eager:
        pass
    if not torch.equal(before, torch.get_rng_state()):
        ways.add("generator")
    taped = started((system, IMAGES), recorder=tape)
    try:
        for _ in taped:
            pass
    except RuntimeError:
        ways.add("raises")
    else:
        if "generator" not in ways and different(copied(eager), copied(taped)):
            ways.add("differs")
    return ways | ({"flagged"} if tape.suspicious else set())


@pytest.mark.parametrize("line", FAULTS)
def test_a_planted_fault_is_found(line: str) -> None:
    """Each of these trainings is right in eager mode and would be wrong as a graph."""
    assert ways_found(Planted(line)) == FAULTS[line][1]


def test_a_learning_rate_that_is_a_number_is_found() -> None:
    assert ways_found(Planted(optimiser=RateOfPython)) == {"differs"}


@pytest.mark.parametrize("line", [*HARMLESS, "nothing"])
def test_what_a_graph_can_hold_is_not_taken_for_a_fault(line: str) -> None:
    assert not ways_found(Planted(line))


@pytest.mark.parametrize("name", WITHOUT_WEIGHTS)
def test_every_term_can_be_taped(name: str) -> None:
    """Those that need weights are in `test_perceptual`, which makes some up."""
    tape = Tape()
    assert not different(copied(trained(with_term(name))), copied(trained(with_term(name), recorder=tape)))
    assert not tape.suspicious


def test_a_recording_holds_what_it_has_read() -> None:
    """A graph knows addresses: a table that a cache drops after the recording must stay where it lies."""
    case = with_term("watson")
    taped = started(case, recorder=Tape())
    for _ in taped:
        if taped.replays:
            watson._constants.cache_clear()
            torch.full((64, 64), torch.nan)  # takes the place of what is freed
    assert not different(copied(trained(case)), copied(taped))
