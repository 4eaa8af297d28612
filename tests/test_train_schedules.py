"""Numbers that change while training, against torch's own schedulers; and several passes over the data an epoch."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler
from toys import CASES, IMAGES
from toys.running import BUDGET, copied, different, trained

from blurvae.datasets import to_float
from blurvae.train import State
from blurvae.train.schedules import Anneal, Constant, Cyclical, Exponential, Plateau, When


def sgd(lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr)


def test_a_cycle_is_torchs_triangular2() -> None:
    ours, optimiser = Cyclical(1e-4, 1e-3, half=4), sgd(1e-4)
    theirs = lr_scheduler.CyclicLR(optimiser, 1e-4, 1e-3, step_size_up=4, mode="triangular2", cycle_momentum=False)
    for step in range(40):
        assert ours(When(step, 0, [])) == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-12)
        optimiser.step()
        theirs.step()


def test_a_cycle_whose_height_stays() -> None:
    values = [Cyclical(0.0, 1.0, half=2, shrink=1.0)(When(step, 0, [])) for step in range(9)]
    assert values == [0, 0.5, 1, 0.5, 0, 0.5, 1, 0.5, 0]


@pytest.mark.parametrize("seed", range(20))
def test_a_plateau_is_torchs(seed: int) -> None:
    """On curves that fall, rise, stand still and fall by less than what counts."""
    draw = random.Random(seed)
    ours, optimiser = Plateau(1.0, patience=draw.randint(0, 4)), sgd(1.0)
    theirs = lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=ours.patience, eps=0.0)
    history: list[dict[str, float]] = []
    for epoch in range(30):
        assert ours(When(0, epoch, history)) == optimiser.param_groups[0]["lr"]
        history.append({"valid_loss": draw.choice([1.0, 0.9, 0.8, 1.1, 0.5, 0.49999, 0.3])})
        theirs.step(history[-1]["valid_loss"])


def test_a_decay_is_torchs() -> None:
    ours, optimiser = Exponential(1e-3, 0.75), sgd(1e-3)
    theirs = lr_scheduler.ExponentialLR(optimiser, 0.75)
    for epoch in range(30):
        assert ours(When(7 * epoch, epoch, [])) == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-12)
        optimiser.step()
        theirs.step()


def test_a_lens_fades_from_one_to_nothing() -> None:
    """λ = 1 − sin(πt/2K): ½ at a third of the way."""
    values = [Anneal(90)(When(step, 0, [])) for step in (0, 30, 90, 91, 1000)]
    assert values == pytest.approx([1, 0.5, 0, 0, 0], abs=1e-12)
    assert Constant(0.3)(When(5, 2, [])) == 0.3


# Passes -------------------------------------------------------------------------------------------------------------


def test_two_passes_show_each_sample_twice_an_epoch_in_two_orders() -> None:
    shown: list[list[int]] = [[], []]
    everything = to_float(torch.from_numpy(IMAGES.images))

    def note(state: State) -> None:
        x = state.scenes["vae"].x
        same = (x[:, None] == everything).flatten(2).all(2)
        shown[state.epoch] += same.nonzero()[:, 1].tolist()

    n = len(IMAGES.images)
    training = trained(CASES["l2"], replace(BUDGET, epochs=2, batch_size=n // 2, passes=2), callback=note)
    assert training.plan.steps == 4
    for epoch in shown:
        assert Counter(epoch) == dict.fromkeys(range(n), 2)
    assert len({tuple(epoch[i : i + n]) for epoch in shown for i in (0, n)}) == 4


@pytest.mark.parametrize("name", ["l2", "gan", "lsgan with a lens", "wgan-gp with a lens", "enhancenet", "frvsr"])
def test_an_epoch_of_two_passes_is_two_epochs_of_one(name: str) -> None:
    """Where no phase and no schedule goes by the epoch."""
    once = trained(CASES[name], replace(BUDGET, epochs=2))
    twice = trained(CASES[name], replace(BUDGET, epochs=1, passes=2))
    assert not different(copied(once), copied(twice))
    assert len(twice.progress.history) == 1
