"""One readable loop for every system: it alone differentiates and steps; it can be interrupted and resumed."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic

import torch

from blurvae.machine import choose_device, choose_precision
from blurvae.models import parameter_count
from blurvae.parallel import SOLO, Team
from blurvae.train import stage as stages
from blurvae.train.budget import Budget
from blurvae.train.checkpoint import Progress, Store, diverged
from blurvae.train.feed import Feed, Samples, permutation
from blurvae.train.recorders import Recorder
from blurvae.train.schedules import When
from blurvae.train.stage import Key, Stage
from blurvae.train.system import Move, P, Scene, System, Turn
from blurvae.train.watch import Watch, evaluating

CHECKPOINT_SECONDS = 30.0
WARM = 3  # plays of a move before it is recorded: real steps, in which kernels are chosen and moments allocated


@dataclass(frozen=True)
class State:
    """What a callback sees after each step.

    Attributes:
        epoch: epochs that are over.
        step: steps that are over.
        phase: of this epoch.
        players: the networks.
        scenes: by move, what it saw the last time.
        turns: by move, what it returned then.
    """

    epoch: int
    step: int
    phase: str
    players: Any
    scenes: Mapping[str, Scene]
    turns: Mapping[str, Turn]


class Training(Generic[P]):
    """A training as an iterator over its steps: whoever holds several can take them in turn.

    Args: as `fit` takes them, and
        recorder: repeats a move without Python.
        resident: whether the samples lie on the device; where they fit if None.

    Attributes:
        progress: where it stands; its `history` has one record an epoch.
        steps: of an epoch.
        images: that a step takes.
        stage: the device's side.
    """

    def __init__(
        self,
        system: System[P],
        players: P,
        data: Samples,
        budget: Budget,
        *,
        device: str = "auto",
        checkpoint: Path | None = None,
        resume: bool = False,
        watch: Watch | None = None,
        callback: Callable[[State], None] | None = None,
        compile: bool = False,
        team: Team = SOLO,
        recorder: Recorder | None = None,
        resident: bool | None = None,
    ) -> None:
        self.system, self.players, self.budget, self.team = system, players, budget, team
        self.samples = len(data.images)
        self.watch, self.callback, self.recorder, self.checkpoint = watch, callback, recorder, checkpoint
        self.device = choose_device(device)
        precision = choose_precision(budget.precision, self.device)
        autocast = partial(torch.autocast, self.device.type, torch.bfloat16) if precision == "bf16" else nullcontext
        if self.samples < 2:
            raise ValueError(f"Batch norm needs at least two images to train on, {data.name!r} has {self.samples}.")
        n = min(budget.batch_size, self.samples)
        team.check(n)
        system.check(players, self.samples, n)
        if compile and team.size > 1:
            raise ValueError("compile fuses the step of one process: leave it out, or train with one process.")
        self.per_step = _batches_of_a_step(system, budget.epochs)
        self.images, self.steps = n * self.per_step, self.samples // (n * self.per_step) * budget.passes
        if not self.steps:
            raise ValueError(
                f"A step takes {self.per_step} batches of {n}, more than the {self.samples} of {data.name!r}: "
                "lower batch_size."
            )
        for net in stages.named(players).values():
            net.to(self.device).to(memory_format=torch.channels_last)
            team.prepare(net)
        dtype = next(p.dtype for net in stages.named(players).values() for p in net.parameters())
        feed = Feed(data.images, self.device, n // team.size, dtype, resident)
        generator = torch.Generator(self.device).manual_seed(budget.seed)
        self.stage = Stage(system, players, feed, (self.steps * self.per_step, n), generator, autocast, team, compile)
        for schedule in self.stage.schedules.values():
            watched = getattr(schedule, "watched", None)
            if watched is not None and watched not in getattr(watch, "names", ()):
                raise ValueError(f"{schedule} goes by {watched!r}, which nothing measures: pass a watch that does.")
        self._plays: dict[Key, int] = {}
        self._unread = 0  # steps whose measurements are on the device only
        self.replays: dict[Key, Callable[[], None]] = {}
        self.progress, self.store = Progress(), None
        if checkpoint is not None:
            identity = {
                "system": repr(system),  # asdict would leave out which term it has
                "budget": asdict(budget),
                "data": data.checksum,
                "samples": self.samples,  # the checksum is that of the whole set, whatever part of it is used
                "parameters": {name: parameter_count(net) for name, net in self.stage.named.items()},
                "precision": precision,
            }
            stage = self.stage
            self.store = Store(checkpoint, identity, stage.named, stage.optimisers, stage.slots, generator)
            if resume:
                self.progress = team.together(self.store.load) or self.progress
            else:
                team.first(self.store.clear)

    def __iter__(self) -> Iterator[None]:
        """Trains; yields after each step."""
        now, self._started, self._saved = self.progress, time.monotonic() - self.progress.seconds, time.monotonic()
        while now.epoch < self.budget.epochs:
            phase = self.system.phase(now.epoch)
            moves = self.system.moves(phase)
            self._open(now)
            for batch in range(now.batch, self.steps):
                for move in moves:
                    for _ in range(move.times):
                        self._take((phase, move.name), move)
                now.batch, now.step, over = batch + 1, now.step + 1, batch + 1 == self.steps
                self._unread += 1
                if self.callback is not None:
                    scenes, turns = self.stage.scenes, self.stage.turns
                    self.callback(State(now.epoch, now.step, phase, self.players, scenes, turns))
                if self._unread == stages.WINDOW or over:
                    for move in moves:
                        self._read((phase, move.name), move.times, self._unread)
                    self._unread = 0
                    if over:
                        self._close(now, phase, moves)
                    self._save(now, at_once=now.epoch == self.budget.epochs)
                yield
        for net in self.stage.named.values():
            net.eval()

    def _open(self, now: Progress) -> None:
        """Gives the stage an epoch: orders and scheduled values follow from seed, epoch and history alone."""
        passes, n, batches = self.budget.passes, self.stage.n, self.steps * self.per_step
        whole = [permutation(self.samples, self.budget.seed, now.epoch * passes + i) for i in range(passes)]
        order = torch.cat([order[: batches // passes * n] for order in whole]).view(batches, n)
        self._rows = torch.stack([self.team.share(batch) for batch in order])
        moments = [When(now.epoch * self.steps + s, now.epoch, now.history) for s in range(self.steps)]
        rows = [[value(when) for value in self.stage.schedules.values()] for when in moments]
        table = torch.tensor(rows, dtype=torch.float64).repeat_interleave(self.per_step, 0)
        self._batch = now.batch * self.per_step - 1  # the host's own count of what the stage's cursor points at
        self.stage.open(self._rows, table, self._batch)

    def _take(self, key: Key, move: Move[P]) -> None:
        """Plays a move: as Python at first, then as it was recorded."""
        if move.fresh:
            self._batch += 1
            self.stage.feed.stage(self._rows[self._batch])
        self._plays[key] = self._plays.get(key, 0) + 1
        if key in self.replays:
            self.replays[key]()
        elif self.recorder is None or self._plays[key] <= WARM:
            self.stage.play(key, move)
        else:
            self.replays[key] = self.recorder(lambda: self.stage.play(key, move))

    def _read(self, key: Key, times: int, steps: int) -> None:
        """Adds what the last steps measured to the sums of the epoch; raises Diverged where a number is not finite."""
        now, (parts, rows) = self.progress, self.stage.read(key, steps * times)
        for i, row in enumerate(rows):
            for part, value in zip(parts, row):
                if not math.isfinite(value):
                    at = f"step {now.step - steps + i // times + 1} (epoch {now.epoch + 1})"
                    raise diverged(at, part, value, self.checkpoint)
        for part, column in zip(parts, zip(*rows)):
            now.sums[part] = sum((now.sums.get(part, 0.0), *column))

    def _close(self, now: Progress, phase: str, moves: Sequence[Move[P]]) -> None:
        """The epoch's record: means over the plays of the moves that measure a part, and what the watch measures."""
        plays = Counter[str]()
        for move in moves:
            plays.update(dict.fromkeys(self.stage.logs[phase, move.name][2], self.steps * move.times))
        means = {part: total / plays[part] for part, total in now.sums.items()}
        now.history.append({"epoch": now.epoch + 1, "phase": phase, **means, **self._look(now.epoch + 1)})
        now.epoch, now.batch, now.sums = now.epoch + 1, 0, {}

    def _look(self, epoch: int) -> Mapping[str, float]:
        """What the watch measures; the first process looks, and all know."""
        watch = self.watch
        if watch is None:
            return {}
        with evaluating(self.stage.named.values()):
            return self.team.first(lambda: dict(watch(epoch, self.players)))

    def _save(self, now: Progress, at_once: bool) -> None:
        """A checkpoint where the last is old: rank 0's clock decides, and its failure to write is everybody's."""
        if self.store is None:
            return
        if self.team.broadcast_object(at_once or time.monotonic() - self._saved > CHECKPOINT_SECONDS):
            now.seconds = time.monotonic() - self._started
            self.team.first(partial(self.store.save, now))
            self._saved = time.monotonic()


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
