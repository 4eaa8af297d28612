"""What goes wrong without a word when several networks learn at once, each shown, and shown to be kept out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from toys import CASES
from toys.running import BUDGET, started, trained

from blurvae.train import loop, optimisers, stage
from blurvae.train.optimisers import Adam, Optimiser, RMSProp
from blurvae.train.schedules import Constant

OPTIMISERS: list[Optimiser] = [Adam(Constant(0.1)), RMSProp(Constant(0.1))]
each_optimiser = pytest.mark.parametrize("optimiser", OPTIMISERS, ids=["Adam", "RMSProp"])
every_system = pytest.mark.parametrize("name", CASES)
RATE = torch.tensor(0.1, dtype=torch.float64)


# A step that autograd does not see: all gradients of a move come before any step ------------------------------------


def gradient_after_a_step(optimiser: Optimiser) -> tuple[Tensor, Tensor]:
    """(right, found): the first layer's gradient before and after a step of the second, which it passes through."""
    torch.manual_seed(0)
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    y = second(first(torch.randn(3, 4)))
    (right,) = torch.autograd.grad(y.abs().sum(), first.weight, retain_graph=True)
    torch.autograd.backward(y.square().sum(), inputs=[*second.parameters()], retain_graph=True)
    optimisers.step(optimiser.make(second.parameters(), RATE), None)
    (found,) = torch.autograd.grad(y.abs().sum(), first.weight)
    return right, found


def test_a_fused_step_is_invisible_to_autograd() -> None:
    """Hence no error, and a wrong gradient; a step that is not fused raises."""
    right, found = gradient_after_a_step(OPTIMISERS[0])
    assert (found - right).norm() > 0.1 * right.norm()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        gradient_after_a_step(OPTIMISERS[1])


def test_adam_as_a_function_takes_the_steps_of_torch() -> None:
    """Of weights of any shape, with gradients in other strides, over steps enough for both moments to matter."""
    draw = torch.Generator().manual_seed(0)
    ours = [torch.randn(*shape, generator=draw, dtype=torch.float64) for shape in ((3, 4), (4,))]
    theirs = [nn.Parameter(weight.clone()) for weight in ours]
    descend, adam = optimisers.adam(ours, 0.1, (0.5, 0.9)), torch.optim.Adam(theirs, 0.1, (0.5, 0.9))
    for _ in range(20):
        gradients = tuple(torch.randn(*w.shape[::-1], generator=draw, dtype=w.dtype).movedim(0, -1) for w in ours)
        for weight, gradient in zip(theirs, gradients):
            weight.grad = gradient.clone()
        descend(gradients)
        adam.step()
    for a, b in zip(ours, theirs):
        assert torch.allclose(a, b.detach(), rtol=1e-12, atol=1e-12)


# Strides: gradients are accumulated, which gives them those of their weights ----------------------------------------


def test_a_gradient_of_a_gradient_has_other_strides_and_a_fused_step_reads_it_wrong() -> None:
    critic = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    x = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).square().sum(), x, create_graph=True)
    penalty = slope.square().sum()
    (taken,) = torch.autograd.grad(penalty, critic.weight, retain_graph=True)
    torch.autograd.backward(penalty, inputs=[critic.weight])
    assert taken.stride() != critic.weight.stride() == critic.weight.grad.stride()
    assert torch.equal(taken, critic.weight.grad)
    moved = []
    for gradient in (critic.weight.grad, taken):
        weight = nn.Parameter(critic.weight.detach().clone())
        weight.grad = gradient
        torch.optim.Adam([weight], fused=True).step()
        moved.append(weight)
    assert not torch.equal(*moved)


@every_system
def test_gradients_and_moments_have_the_strides_of_their_weights(name: str) -> None:
    core = trained(CASES[name], stop=2).stage
    for player, weights in core.weights.items():
        for weight in weights:
            assert weight.grad is None or weight.grad.stride() == weight.stride()
            slots = core.optimisers[player].state[weight].values()
            assert all(slot.stride() == weight.stride() for slot in slots if slot.ndim)


# Autocast: a scene makes a new context each time, and none is open while a player steps -----------------------------


@pytest.fixture
def outside_autocast() -> Iterator[None]:
    """A failed test must not leave it on."""
    yield
    torch.set_autocast_enabled("cpu", False)
    torch.clear_autocast_cache()


def test_one_context_entered_twice_stays_open(outside_autocast: None) -> None:
    one = torch.autocast("cpu", torch.bfloat16)
    with one, one:
        pass
    assert torch.is_autocast_enabled("cpu")


def test_a_scene_makes_a_context_for_each_time() -> None:
    make = started(CASES["l2"], replace(BUDGET, precision="bf16")).stage.autocast
    with make(), make():
        assert torch.is_autocast_enabled("cpu")
    assert not torch.is_autocast_enabled("cpu")


def test_within_one_region_a_weight_that_has_moved_is_not_seen() -> None:
    layer, x = nn.Linear(4, 4, bias=False), torch.ones(1, 4)

    def values() -> tuple[Tensor, Tensor]:
        before = layer(x)
        with torch.no_grad():
            layer.weight.mul_(2)
        return before, layer(x)

    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(*values())
    before, after = values()
    assert torch.equal(2 * before, after)


@every_system
def test_no_region_of_autocast_spans_a_step_and_losses_are_float32(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(optimiser: torch.optim.Optimizer, allowed: Tensor | None) -> None:
        assert not torch.is_autocast_enabled("cpu")
        optimisers.step(optimiser, allowed)

    monkeypatch.setattr(stage, "step", step)
    training = trained(CASES[name], replace(BUDGET, precision="bf16"), stop=2)
    assert {loss.dtype for turn in training.stage.turns.values() for loss in turn.losses.values()} == {torch.float32}


# Learning rates: a checkpoint fills the slots of the optimiser, and the rate stays the stage's ----------------------


def test_load_state_dict_copies_the_learning_rate() -> None:
    """Which then never changes again; see what `Store.load` does instead."""
    rate = RATE.clone()
    optimiser = OPTIMISERS[0].make([nn.Parameter(torch.zeros(2))], rate)
    optimiser.load_state_dict(optimiser.state_dict())
    rate.fill_(0.5)
    assert optimiser.param_groups[0]["lr"] == RATE


def test_a_resumed_training_goes_on_with_the_rates_of_its_schedules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    trained(CASES["vae-gan"], stop=6, checkpoint=tmp_path)
    resumed = started(CASES["vae-gan"], checkpoint=tmp_path, resume=True)
    group = resumed.stage.optimisers["decoder"].param_groups[0]
    rates = [float(group["lr"]) for _ in resumed]
    assert rates == [1e-3 * 0.75**epoch for epoch in (1, 2) for _ in range(6)]


# Batch norm: each forward pass in training counts, whoever's move it is ---------------------------------------------


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        ("wgan-gp with a lens", {"generator": 1}),  # in its own move alone: the plays of the critic leave it as it is
        ("vae-gan", {"encoder": 1, "decoder": 2, "discriminator": 1}),  # which sees data and fakes as one batch
        ("rae-gp", {"vae": 1}),
        ("enhancenet", {"features": 0}),  # a fixed network keeps its statistics
    ],
)
def test_batch_norm_counts_the_forward_passes_of_a_step(name: str, passes: dict[str, int]) -> None:
    training = trained(CASES[name])
    counted = {
        player: int(value)
        for player, net in training.stage.named.items()
        for key, value in net.state_dict().items()
        if key.endswith("num_batches_tracked")
    }
    assert counted == {player: times * training.progress.step for player, times in passes.items()}


# Withheld steps -----------------------------------------------------------------------------------------------------


def steps_of(optimiser: Optimiser, allowed: list[bool], on_the_device: bool) -> list[Tensor]:
    """A weight and its slots after as many gradients; who allows a step, the optimiser's `step` or an if."""
    generator = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.randn(4, 3, generator=generator))
    made = optimiser.make([weight], RATE)
    for may_step in allowed:
        weight.grad = torch.randn(4, 3, generator=generator)
        if on_the_device:
            optimisers.step(made, torch.tensor(may_step))
        elif may_step:
            optimisers.step(made, None)
    return [weight.detach(), *made.state[weight].values()]


@each_optimiser
@pytest.mark.parametrize(
    "allowed", [[True, False, True, False, False], [False, True, True]], ids=["later", "the first"]
)
def test_a_withheld_step_is_none_and_an_allowed_one_is_one(optimiser: Optimiser, allowed: list[bool]) -> None:
    offered, taken = (steps_of(optimiser, allowed, on_the_device) for on_the_device in (True, False))
    assert all(torch.equal(a, b) for a, b in zip(offered, taken, strict=True))


def test_a_gradient_of_zero_would_not_do() -> None:
    """Adam goes on by its momentum."""
    weight = nn.Parameter(torch.zeros(1))
    made = OPTIMISERS[0].make([weight], RATE)
    for gradient in (1.0, 0.0):
        before = weight.item()
        weight.grad = torch.tensor([gradient])
        optimisers.step(made, None)
    assert 0.05 < abs(weight.item() - before) < 0.1
