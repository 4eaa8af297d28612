"""One readable loop for every system: it alone differentiates and steps; it can be interrupted and resumed."""

from __future__ import annotations

import math
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Generic

import torch

from blurvae.machine import choose_device, choose_precision
from blurvae.models import parameter_count
from blurvae.parallel import SOLO, Team
from blurvae.train import stage as stages
from blurvae.train.budget import Budget
from blurvae.train.checkpoint import Progress, Store, diverged
from blurvae.train.feed import Feed, Samples, permutation
from blurvae.train.graphs import CudaGraphs, why_not
from blurvae.train.plan import plan
from blurvae.train.recorders import Recorder
from blurvae.train.schedules import When
from blurvae.train.stage import Key, Stage
from blurvae.train.system import Move, P, System
from blurvae.train.watch import State, Watch, evaluating

CHECKPOINT_SECONDS = 30.0
WARM = 3  # plays of a move before it is recorded: real steps, in which kernels are chosen and moments allocated


class Training(Generic[P]):
    """A training as an iterator over its steps: whoever holds several can take them in turn.

    Args: as `fit` takes them, and
        recorder: repeats a move without Python, in the place of CUDA graphs.
        resident: whether the samples lie on the device; where they fit if None.

    Attributes:
        progress: where it stands; its `history` has one record an epoch.
        plan: its steps and batches.
        precision: of the networks, "float32" or "bf16".
        stage: the device's side.
        in_python: why moves are not replayed as CUDA graphs; empty where they are.
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
        graphs: bool = False,
        recorder: Recorder | None = None,
        resident: bool | None = None,
    ) -> None:
        self.system, self.players, self.budget, self.team = system, players, budget, team
        self.watch, self.callback, self.recorder, self.checkpoint = watch, callback, recorder, checkpoint
        self.device = choose_device(device)
        self.precision = choose_precision(budget.precision, self.device)
        self.plan = plan(system, players, data, budget, team)
        if compile and team.size > 1:
            raise ValueError("compile fuses the step of one process: leave it out, or train with one process.")
        self._plays: dict[Key, int] = {}
        self._unread = 0  # steps whose measurements are on the device only
        self.replays: dict[Key, Callable[[], None]] = {}
        self.progress = Progress()
        self.store: Store | None = None
        self.stream = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None
        with self.on_its_stream():
            self.stage = self._set_up(data, compile, resident)
            if checkpoint is not None:
                self._take_up(checkpoint, data, resume)
        self.in_python = why_not(self.device, team.size, budget.epochs * self.plan.steps) if graphs else "not asked for"
        if self.stream is not None and not self.in_python:
            self.recorder = CudaGraphs(self.stage.generator, self.stream)

    @property
    def done(self) -> float:
        """What part of its steps is behind it."""
        return self.progress.step / (self.budget.epochs * self.plan.steps)

    @contextmanager
    def on_its_stream(self) -> Iterator[None]:
        """Where all of this training happens on a GPU; elsewhere it changes nothing."""
        if self.stream is None:
            yield
            return
        with torch.cuda.stream(self.stream):
            yield

    def _set_up(self, data: Samples, compile: bool, resident: bool | None) -> Stage[P]:
        """The networks on their device, with everything that a step reads."""
        for net in stages.named(self.players).values():
            net.to(self.device).to(memory_format=torch.channels_last)
            self.team.prepare(net)
        bf16 = partial(torch.autocast, self.device.type, torch.bfloat16)
        autocast = bf16 if self.precision == "bf16" else nullcontext
        dtype = next(p.dtype for net in stages.named(self.players).values() for p in net.parameters())
        batches, n = self.plan.steps * self.plan.per_step, self.plan.batch
        feed = Feed(data, self.device, n // self.team.size, dtype, resident)
        generator = torch.Generator(self.device).manual_seed(self.budget.seed)
        stage = Stage(self.system, self.players, feed, (batches, n), generator, autocast, self.team, compile)
        for schedule in stage.schedules.values():
            watched = getattr(schedule, "watched", None)
            if watched is not None and watched not in getattr(self.watch, "names", ()):
                raise ValueError(f"{schedule} goes by {watched!r}, which nothing measures: pass a watch that does.")
        return stage

    def _take_up(self, checkpoint: Path, data: Samples, resume: bool) -> None:
        """Where the training keeps its checkpoints, and goes on from if it shall."""
        stage = self.stage
        identity = {
            "system": repr(self.system),  # asdict would leave out which term it has
            "budget": asdict(self.budget),
            "data": data.checksum,
            "samples": self.plan.samples,  # the checksum is that of the whole set, whatever part of it is used
            "parameters": {name: parameter_count(net) for name, net in stage.named.items()},
            "precision": self.precision,
        }
        self.store = store = Store(checkpoint, identity, stage.named, stage.optimisers, stage.slots, stage.generator)
        if resume:
            self.progress = self.team.together(store.load) or self.progress
        else:
            self.team.first(store.clear)

    def __iter__(self) -> Iterator[None]:
        """Trains; yields after each step."""
        now, self._started, self._saved = self.progress, time.monotonic() - self.progress.seconds, time.monotonic()
        while now.epoch < self.budget.epochs:
            phase = self.system.phase(now.epoch)
            moves = self.system.moves(phase)
            self._open(now)
            for batch in range(now.batch, self.plan.steps):
                for move in moves:
                    for _ in range(move.times):
                        self._take((phase, move.name), move)
                now.batch, now.step = batch + 1, now.step + 1
                over = now.batch == self.plan.steps
                self._unread += 1
                if self.callback is not None:
                    seen = self.stage.scenes, self.stage.turns
                    self.callback(State(now.epoch, now.step, phase, self.players, *seen))
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
        if self.stream is not None:  # what comes next may happen on another stream
            self.stream.synchronize()

    def _open(self, now: Progress) -> None:
        """Gives the stage an epoch: orders and scheduled values follow from seed, epoch and history alone."""
        passes, size = self.budget.passes, self.plan
        batches = size.steps * size.per_step
        whole = [permutation(size.samples, self.budget.seed, now.epoch * passes + i) for i in range(passes)]
        order = torch.cat([order[: batches // passes * size.batch] for order in whole]).view(batches, size.batch)
        self._rows = torch.stack([self.team.share(batch) for batch in order])
        moments = [When(now.epoch * size.steps + s, now.epoch, now.history) for s in range(size.steps)]
        rows = [[value(when) for value in self.stage.schedules.values()] for when in moments]
        table = torch.tensor(rows, dtype=torch.float64).repeat_interleave(size.per_step, 0)
        self._batch = now.batch * size.per_step - 1  # the host's own count of what the stage's cursor points at
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
            self._record(key, move, self.recorder)

    def _record(self, key: Key, move: Move[P], recorder: Recorder) -> None:
        """Plays a move and keeps how to repeat it; where a GPU cannot, the training goes on in Python and says so."""
        try:
            self.replays[key] = recorder(lambda: self.stage.play(key, move))
        except RuntimeError as error:
            if not isinstance(recorder, CudaGraphs):
                raise
            cause = error.__context__ or error  # the end of a capture says only that something before has broken it off
            said = str(cause).splitlines() or [type(cause).__name__]
            self.in_python = f"{move.name!r} could not be captured: {said[0]}"
            self.recorder = None
            warnings.warn(f"Goes on without CUDA graphs, since {self.in_python}", stacklevel=2)
            self.stage.play(key, move)

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
            plays.update(dict.fromkeys(self.stage.logs[phase, move.name][2], self.plan.steps * move.times))
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
