"""Starting, running and comparing the trainings of a case of the list."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from blurvae.datasets import to_float
from blurvae.train import Budget, Move, Scene, System, Training
from blurvae.train.stage import Key
from toys.samples import Pictures

Case = tuple[System[Any], Pictures]
BUDGET = Budget(epochs=3, batch_size=4, seed=3, precision="float32")  # 18 steps; 9 with two critics, or over clips


class Still:
    """A watch that looks at nothing: a loss that stands still."""

    names = ("valid_loss",)

    def __call__(self, epoch: int, players: Any) -> Mapping[str, float]:
        return {"valid_loss": 1.0}


def made(case: Case, seed: int = 0) -> Any:
    """The networks of a case; torch's global generator stays as it is."""
    system, samples = case
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return system.players(samples.images.shape[1:])


def started(case: Case, budget: Budget = BUDGET, *, players: Any = None, **how: Any) -> Training[Any]:
    """A training before its first step."""
    options = {"device": "cpu", "watch": Still(), **how}
    return Training(case[0], players or made(case), case[1], budget, **options)


def run(training: Training[Any], stop: int | None = None) -> Training[Any]:
    """Trains to the end, or abandons it after so many steps; refuses a use of torch's global generator."""
    before = torch.get_rng_state()
    for steps, _ in enumerate(training, 1):
        if steps == stop:
            break
    assert torch.equal(before, torch.get_rng_state()), "a step drew from torch's global generator"
    return training


def trained(case: Case, budget: Budget = BUDGET, *, stop: int | None = None, **how: Any) -> Training[Any]:
    return run(started(case, budget, **how), stop)


def observe(training: Training[Any], look: Callable[[Move[Any], Any], None]) -> Training[Any]:
    """Trains to the end and calls `look(move, before)` after each play, with the networks as they were before it."""
    play = training.stage.play

    def observed(key: Key, move: Move[Any]) -> None:
        before = copy.deepcopy(training.players)
        play(key, move)
        look(move, before)

    training.stage.play = observed  # type: ignore[method-assign]
    return run(training)


def kept(training: Training[Any]) -> dict[str, Tensor]:
    """All tensors that outlive a step, themselves: weights, buffers, and what the optimisers keep of each weight."""
    stage = training.stage
    nets = {name: net.state_dict(keep_vars=True) for name, net in stage.named.items()}
    found = {f"{name}/{key}": tensor for name, state in nets.items() for key, tensor in state.items()}
    for name, optimiser in stage.optimisers.items():
        for i, weight in enumerate(stage.weights[name]):
            found |= {f"optimiser/{name}/{i}/{slot}": value for slot, value in optimiser.state[weight].items()}
    return found


def copied(training: Training[Any]) -> dict[str, Tensor]:
    """What they hold now, and the state of the training's generator."""
    now = {name: tensor.detach().clone() for name, tensor in kept(training).items()}
    return now | {"generator": training.stage.generator.get_state()}


def different(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> list[str]:
    """The names of what is not the same bit for bit."""
    return [name for name in a.keys() | b.keys() if name not in a or name not in b or not torch.equal(a[name], b[name])]


def moves(system: System[Any]) -> list[tuple[str, Move[Any]]]:
    """Every move of every phase, with the phase."""
    phases = dict.fromkeys(system.phase(epoch) for epoch in range(BUDGET.epochs))
    return [(phase, move) for phase in phases for move in system.moves(phase)]


def scene(case: Case, move: Move[Any], dtype: torch.dtype = torch.float32, device: str = "cpu") -> Scene:
    """A scene of the first samples; scheduled values are ½."""
    system, samples = case
    x = to_float(torch.from_numpy(samples.images[: BUDGET.batch_size])).to(device, dtype)
    generator = torch.Generator().manual_seed(1)
    noise = {name: draw.numbers(len(x), x, generator).to(device) for name, draw in move.draws.items()}
    value = {name: torch.tensor(0.5, dtype=torch.float64, device=device) for name in system.schedules()}
    return Scene(x, noise, value, nullcontext)
