"""What a move does, over the list of systems: who owns which weight, who moves, and who learns from what."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toys import CASES
from toys.running import BUDGET, Case, Still, copied, different, made, moves, observe, scene, started, trained

from blurvae.train import Move, Scene, Turn, evaluating, loop
from blurvae.train.stage import Stage, named

every_system = pytest.mark.parametrize("name", CASES)


@every_system
def test_each_weight_has_exactly_one_player(name: str) -> None:
    stage = started(CASES[name]).stage
    owned = [id(w) for optimiser in stage.optimisers.values() for g in optimiser.param_groups for w in g["params"]]
    assert len(owned) == len({*owned})
    for player, net in stage.named.items():
        fixed = player not in stage.optimisers
        assert all((id(w) in owned, w.requires_grad) == (not fixed, not fixed) for w in net.parameters())
        assert all(part.training is not fixed for part in net.modules())


def test_two_players_that_share_a_weight_are_refused() -> None:
    players = made(CASES["two terms"])
    players.decoder.register_parameter("tied", players.encoder[0].weight)
    with pytest.raises(ValueError, match="Two players share a weight"):
        started(CASES["two terms"], players=players)


# A move changes its players -----------------------------------------------------------------------------------------


def normalising(net: nn.Module) -> set[str]:
    """The buffers that a forward pass in training writes: of batch norms and spectral norms."""
    kinds = nn.modules.batchnorm._NormBase, nn.utils.parametrizations._SpectralNorm
    parts = [(path, part) for path, part in net.named_modules() if isinstance(part, kinds)]
    return {f"{path}.{name}" for path, part in parts for name, _ in part.named_buffers()}


@every_system
def test_a_move_changes_its_players_and_what_normalises_and_nothing_else(name: str) -> None:
    """A buffer of another kind is written by a rule."""
    training = started(CASES[name])
    stage = training.stage

    def look(move: Move[Any], before: Any) -> None:
        for player, net in stage.named.items():
            old = getattr(before, player).state_dict()
            changed = {key for key, tensor in net.state_dict().items() if not torch.equal(tensor, old[key])}
            weights = {key for key, _ in net.named_parameters()}
            learns = player in stage.turns[move.name].losses
            assert learns or not changed & weights, f"{move.name} moves {player}, which has no loss in it"
            assert changed & weights or not learns or move.rule, f"{move.name} leaves {player} as it was"
            buffers = changed - weights
            assert player in stage.optimisers or not buffers, f"{move.name} writes {buffers} of {player}, a fixed one"
            assert move.rule or buffers <= normalising(net), f"{move.name} writes {buffers} of {player}"

    observe(training, look)


@pytest.mark.parametrize(
    ("name", "ruled"),
    [("vae-gan", {"decoder", "discriminator"}), ("enhancenet", {"discriminator"}), ("enet-pat", {"discriminator"})],
)
def test_the_rules_of_the_list_withhold_steps_and_allow_others(name: str, ruled: set[str]) -> None:
    """So that what is tested over the list is tested across withheld steps too."""
    training = started(CASES[name])
    seen: dict[str, set[bool]] = {}

    def look(move: Move[Any], before: Any) -> None:
        for player, net in training.stage.named.items():
            still = [torch.equal(a, b) for a, b in zip(net.parameters(), getattr(before, player).parameters())]
            seen.setdefault(player, set()).add(all(still))

    observe(training, look)
    learning = training.stage.optimisers
    assert {player: stood for player, stood in seen.items() if player in learning} == {
        player: {True, False} if player in ruled else {False} for player in learning
    }


# A player learns from its own loss ----------------------------------------------------------------------------------


def check_gradients(case: Case, precision: str = "float32") -> None:
    """Trains; each gradient must be, bit for bit, that of the player's loss alone on a fresh copy of the networks."""
    training = started(case, replace(BUDGET, precision=precision))
    stage = training.stage

    def look(move: Move[Any], before: Any) -> None:
        for player in stage.turns[move.name].losses:
            fresh = copy.deepcopy(before)
            loss = move.play(fresh, stage.scenes[move.name]).losses[player]
            weights = dict(getattr(fresh, player).named_parameters())
            alone = torch.autograd.grad(loss, [*weights.values()], allow_unused=True)
            for name, wanted, weight in zip(weights, alone, stage.weights[player]):
                same = weight.grad is None if wanted is None else torch.equal(wanted, weight.grad)
                assert same, f"the gradient of {player}'s {name} is not that of its loss alone"

    observe(training, look)


@every_system
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_gradient_is_that_of_the_players_loss_alone(name: str, precision: str) -> None:
    check_gradients(CASES[name], precision)


class TooEarly(Stage[Any]):
    """Steps each player before the gradient of the next is taken."""

    def _differentiate(self, turn: Turn) -> None:
        for player, loss in reversed(turn.losses.items()):
            for weight in self.weights[player]:
                weight.grad = None
            torch.autograd.backward(loss, inputs=self.weights[player], retain_graph=True)
            self.optimisers[player].step()


class IntoAll(Stage[Any]):
    """Zeroes each player's gradients just before its own backward pass, which reaches the others' too."""

    def _differentiate(self, turn: Turn) -> None:
        for player, loss in turn.losses.items():
            for weight in self.weights[player]:
                weight.grad = None
            torch.autograd.backward(loss, retain_graph=True)


@pytest.mark.parametrize(("fault", "name"), [(TooEarly, "enhancenet"), (IntoAll, "vae-gan")])
def test_a_gradient_that_is_not_the_players_own_is_found(
    fault: type[Stage[Any]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither raises an error of its own; the second is how a published library trains a VAE-GAN (pythae 0.1.2)."""
    monkeypatch.setattr(loop, "Stage", fault)
    with pytest.raises(AssertionError, match="is not that of its loss alone"):
        check_gradients(CASES[name])


# Where a loss stops its gradient on purpose: the weights that it has the whole gradient of.
STOPPED = {("wiener, detached", "vae"): "decoder", ("rae, wiener", "vae"): "decoder"}


@every_system
def test_gradients_are_finite_differences(name: str) -> None:
    """In float64, along one random direction of all weights of a player."""
    case = CASES[name]
    players = made(case)
    for net in named(players).values():
        net.double()
        for part in net.modules():  # each forward pass would turn σ's vectors, which autograd takes for constant
            if isinstance(part, nn.utils.parametrizations._SpectralNorm):
                part.eval()
    generator = torch.Generator().manual_seed(2)
    for _, move in moves(case[0]):
        at = scene(case, move, torch.float64)
        for player in move.play(players, at).losses:
            part = STOPPED.get((name, player), "")
            weights = [w for key, w in getattr(players, player).named_parameters() if part in key]
            ways = [torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in weights]
            slopes = torch.autograd.grad(move.play(players, at).losses[player], weights, allow_unused=True)
            wanted = sum(float((slope * way).sum()) for slope, way in zip(slopes, ways) if slope is not None)
            assert slope_along(move, players, at, player, list(zip(weights, ways))) == pytest.approx(wanted, 1e-5, 1e-6)


def slope_along(
    move: Move[Any], players: Any, at: Scene, player: str, ways: list[tuple[Tensor, Tensor]], h: float = 1e-7
) -> float:
    """The central difference of a player's loss as its weights go along `ways`; they come back.

    A step of 1e-6 would cross a kink of some ReLU in one of the cases.
    """
    found = []
    for step in (h, -2 * h, h):
        with torch.no_grad():
            for weight, way in ways:
                weight.add_(way, alpha=step)
        found.append(move.play(players, at).losses[player].item())
    return (found[0] - found[1]) / (2 * h)


# A look between epochs leaves no trace ------------------------------------------------------------------------------


@dataclass
class Look:
    """A watch that plays every move, in the mode that it finds the networks in or in training."""

    case: Case
    training: bool = False
    names: tuple[str, ...] = Still.names

    def __call__(self, epoch: int, players: Any) -> Mapping[str, float]:
        nets = named(players).values()
        assert not any(part.training for net in nets for part in net.modules())
        assert not torch.is_grad_enabled()
        for net in nets:
            net.train(self.training)
        with torch.enable_grad():  # a penalty needs it
            for _, move in moves(self.case[0]):
                move.play(players, scene(self.case, move))
        return Still()(epoch, players)


@every_system
def test_a_look_between_epochs_leaves_no_trace(name: str) -> None:
    """Not in weights, buffers, moments, generators or curves; one in training would, wherever something normalises."""
    case = CASES[name]
    alone, watched = trained(case), trained(case, watch=Look(case))
    assert not different(copied(alone), copied(watched))
    assert alone.progress.history == watched.progress.history
    traces = different(copied(alone), copied(trained(case, watch=Look(case, training=True))))
    assert bool(traces) == any(normalising(net) for net in alone.stage.named.values())


def test_evaluating_gives_each_part_its_mode_back() -> None:
    net = nn.Sequential(nn.BatchNorm2d(2), nn.Sequential(nn.BatchNorm2d(2).eval(), nn.Dropout()))
    modes = [part.training for part in net.modules()]
    with pytest.raises(KeyError), evaluating([net]):
        assert not any(part.training for part in net.modules()) and not torch.is_grad_enabled()
        raise KeyError
    assert [part.training for part in net.modules()] == modes and torch.is_grad_enabled()
