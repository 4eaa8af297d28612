"""The device's side of a training. What it reads lies at fixed places, and it reads no number off the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Generic

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from blurvae.machine import compiled
from blurvae.parallel import Team
from blurvae.train.feed import Feed
from blurvae.train.optimisers import step
from blurvae.train.system import Draw, Move, P, Scene, System, Turn

WINDOW = 50  # steps whose measurements are read together: reading waits for the device
Key = tuple[str, str]  # phase and move


class Stage(Generic[P]):
    """Networks, optimisers and the places that a move reads and writes; `play` can be recorded and repeated.

    Args:
        system: what is trained.
        players: its networks, on their device.
        feed: of the samples.
        shape: (batches of an epoch, samples of a batch).
        generator: of the random numbers.
        autocast: as a `Scene` has it.
        team: the processes that share each batch.
        compile: whether `torch.compile` fuses the moves.

    Attributes:
        named: the networks by name.
        optimisers: of those that learn.
        slots: by player, what its optimiser keeps of a weight.
        schedules: of all scheduled values by name, learning rates ("lr/<player>") first.
        scenes: by move, what it saw the last time.
        turns: by move, what it returned, without the history of operations.
    """

    def __init__(
        self,
        system: System[P],
        players: P,
        feed: Feed,
        shape: tuple[int, int],
        generator: torch.Generator,
        autocast: Callable[[], AbstractContextManager[Any]],
        team: Team,
        compile: bool = False,
    ) -> None:
        self.players, self.feed, self.generator, self.autocast, self.team = players, feed, generator, autocast, team
        self.named = named(players)
        specs = {name: spec for name, spec in system.optimisers().items() if name in self.named}
        for name, net in self.named.items():
            net.train(name in specs).requires_grad_(name in specs)  # a fixed network keeps its batch norms too
        self.weights = {name: [*self.named[name].parameters()] for name in specs}
        owners = [id(p) for weights in self.weights.values() for p in weights]
        if len({*owners}) < len(owners):
            raise ValueError("Two players share a weight: give each weight to one player.")
        where = generator.device
        self.schedules = {f"lr/{name}": spec.lr for name, spec in specs.items()} | dict(system.schedules())
        # float64 as Python's numbers are; on a GPU the fused optimisers take float32 alone.
        dtype = torch.float64 if where.type == "cpu" else torch.float32
        self.now = torch.zeros(len(self.schedules), dtype=dtype, device=where)
        self.optimisers = {
            name: spec.make(self.weights[name], self.now[i]) for i, (name, spec) in enumerate(specs.items())
        }
        self.slots = {name: spec.slots for name, spec in specs.items()}
        batches, self.n = shape
        self.order = torch.zeros(batches, self.n // team.size, dtype=torch.long, device=where)
        self.table = torch.zeros(batches, len(self.now), dtype=dtype, device=where)
        self.cursor = torch.zeros(1, dtype=torch.long, device=where)
        self.compile, self._compiled = compile, dict[Key, Callable[..., Turn]]()
        self.logs: dict[Key, tuple[Tensor, Tensor, list[str]]] = {}  # rows, the next one's number, names of columns
        self.scenes: dict[str, Scene] = {}
        self.turns: dict[str, Turn] = {}

    def open(self, order: Tensor, table: Tensor, cursor: int) -> None:
        """Puts an epoch's order of samples and scheduled values in place, and points before the next batch."""
        for place, values in ((self.order, order), (self.table, table)):
            if place.is_cuda:  # from pinned memory, so that the host need not wait
                place.copy_(values.to(place.dtype).pin_memory(), non_blocking=True)
            else:
                place.copy_(values)
        self.cursor.fill_(cursor)

    def read(self, key: Key, plays: int) -> tuple[list[str], list[list[float]]]:
        """What the last plays of a move measured: its names and a row a play; waits for the device."""
        log, slot, parts = self.logs[key]
        rows = self.team.mean(log[:plays]).tolist()
        slot.zero_()
        return parts, rows

    # Nothing below may depend on a number that Python counts, or read one off the device.

    def play(self, key: Key, move: Move[P]) -> None:
        """One move: batch, forward pass, gradients, steps, log."""
        if move.fresh:
            self.cursor.add_(1)
        self.now.copy_(self.table.index_select(0, self.cursor).squeeze(0))
        x = self.feed.batch(self.order.index_select(0, self.cursor).squeeze(0))
        noise = {name: self._draw(draw, x) for name, draw in move.draws.items()}
        places = enumerate(self.schedules)
        value = {name: self.now[i] for i, name in places if not name.startswith("lr/")}
        scene = Scene(x, noise, value, self.autocast)
        turn = self._function(key, move)(self.players, scene)
        measured = torch.stack([part.detach().double() for part in turn.parts.values()])
        self._differentiate(turn)
        allowed: Mapping[str, Tensor] = {}
        if move.rule is not None:
            with torch.no_grad():
                means = dict(zip(turn.parts, self.team.mean(measured)))
                allowed = move.rule(self.players, means)
        for name in turn.losses:
            self.team.average_gradients(self.weights[name])
            step(self.optimisers[name], allowed.get(name))
        if key not in self.logs:
            log = torch.zeros(WINDOW * move.times, len(measured), dtype=torch.float64, device=x.device)
            self.logs[key] = log, torch.zeros_like(self.cursor), [*turn.parts]
        log, slot, _ = self.logs[key]
        log.index_copy_(0, slot, measured[None])
        slot.add_(1)
        # Without its history of operations: a loss that is kept would keep the activations behind it.
        self.scenes[move.name], self.turns[move.name] = scene, tree_map_only(Tensor, Tensor.detach, turn)

    def _function(self, key: Key, move: Move[P]) -> Callable[..., Turn]:
        if not self.compile:
            return move.play
        if key not in self._compiled:
            self._compiled[key] = compiled(move.play)
        return self._compiled[key]

    def _draw(self, draw: Draw, x: Tensor) -> Tensor:
        """The numbers of the whole batch, whoever computes its samples, of which this process keeps its part."""
        return self.team.share(draw.numbers(self.n, x, self.generator))

    def _differentiate(self, turn: Turn) -> None:
        """Gives each player the gradient of its own loss by its own weights, before any of them steps.

        Before: a fused step does not tell autograd that the weights have changed, so a gradient taken after it would
        be wrong without a word. And not by `autograd.grad`: only accumulation gives a gradient the strides of its
        weight, which the fused step takes for granted.
        """
        groups: dict[int, tuple[Tensor, list[nn.Parameter]]] = {}
        for name, loss in turn.losses.items():
            for weight in self.weights[name]:
                weight.grad = None
            groups.setdefault(id(loss), (loss, []))[1].extend(self.weights[name])
        for i, (loss, weights) in enumerate(groups.values(), 1):
            torch.autograd.backward(loss, inputs=weights, retain_graph=i < len(groups))


def named(players: P) -> dict[str, nn.Module]:
    """The networks that are there, by name."""
    return {name: net for name, net in zip(players._fields, players) if net is not None}  # type: ignore[attr-defined]
