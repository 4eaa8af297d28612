"""Carrying out the runs of a slot, several side by side; what goes wrong in one of them costs no other."""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from blurvae.errors import CorruptFile, Diverged, MissingData, MissingWeights
from blurvae.experiments.gpu_slot.checks import parts
from blurvae.experiments.gpu_slot.comparisons import Comparison, choose
from blurvae.experiments.gpu_slot.pace import Forecast, OutOfTime, Pace
from blurvae.experiments.gpu_slot.slot import BEGUN, FAILED, PASSED, STOPPED, Slot
from blurvae.machine import memory_kept, repeatable
from blurvae.record import Execution, Run
from blurvae.record.queue import DIVERGED, IMAGES_OF_SEED, RECORDED
from blurvae.train import Training
from blurvae.train.side_by_side import in_turn

WIDEST = 8  # trainings side by side
MEMORY = 4 << 30  # bytes of a GPU that each of them may take
LONG = 120.0  # seconds from which a run on a GPU is worth checkpoints, of 300 MB each at the paper's widths


class GpuLost(Exception):
    """The GPU answers this process no more, as after an illegal access; another process may have it."""


@dataclass
class Attempt:
    """A run that is being made.

    Attributes:
        run: it.
        entry: of the log.
        execution: None until it has begun.
        share: seconds of this process that went to it.
    """

    run: Run
    entry: dict[str, Any]
    execution: Execution | None = None
    share: float = 0.0

    @property
    def rest(self) -> float:
        """What part of its steps is left."""
        return 1.0 if self.execution is None else 1 - self.execution.training.done


class Work:
    """The runs of a slot on their way.

    Args:
        slot: where they are packed and noted.
        order: comparisons with the runs that they lack.
        pace: judges what still fits, and learns.
        graphs: the systems and terms whose moves are captured as CUDA graphs.
    """

    def __init__(self, slot: Slot, order: list[Comparison], pace: Pace, graphs: frozenset[str] = frozenset()) -> None:
        self.slot, self.order, self.pace, self.width = slot, order, pace, pace.width
        self.waiting = {run for comparison in order for run in comparison.runs}
        self.active: list[Attempt] = []
        self.forecast = Forecast(slot.deadline, pace)
        self._clock = 0.0
        self._drain = False  # no run begins until those at work have ended
        self._retried, self._without_checkpoints = set[Run](), set[Run]()
        tried = {entry.get("run") for entry in slot.log if entry.get("state") == FAILED and entry.get("graphs")}
        self._captured = {run for run in self.waiting if parts(run) <= graphs and run.whole_name not in tried}

    def through(self) -> None:
        """Makes what ends in time.

        Raises:
            GpuLost: what is left needs another process.
        """
        device = self.slot.device
        with repeatable(False, device), memory_kept(device):
            try:
                while self._next():
                    attempts: list[Attempt] = []
                    for ended in in_turn(self._starts(attempts), self.width, (Exception,)):
                        self._end(attempts[ended[0]], ended[2])
                        del ended  # else its memory is held while the next one begins
                    self.width, self._drain = max(self.width // 2, 1) if self._drain else self.width, False
            finally:
                for attempt in self.active:
                    if attempt.execution is not None:
                        attempt.execution.close()
        for run in (run for comparison in self.order for run in comparison.runs if run in self.waiting):
            self.slot.say(f"{run.whole_name}: not started, about {self.pace.expected(run):.0f} s")

    def _next(self) -> Run | None:
        """What to begin next, beside what is at work; nothing once the archive takes no more."""
        if self.slot.full:
            return None
        left = self.slot.deadline - time.monotonic()
        left -= sum(attempt.rest * self.pace.expected(attempt.run) for attempt in self.active)
        lacking = [replace(c, runs=tuple(run for run in c.runs if run in self.waiting)) for c in self.order]
        return choose(lacking, left, self.pace.expected)

    def _starts(self, attempts: list[Attempt]) -> Iterator[Callable[[], Training[Any]]]:
        while not self._drain and (run := self._next()):
            self.waiting.discard(run)
            entry: dict[str, Any] = {"run": run.whole_name, "state": BEGUN, "device": self.slot.head["device"]}
            entry |= {"width": self.width, "graphs": run in self._captured}
            attempts.append(Attempt(run, entry))
            yield partial(self._begin, attempts[-1])

    def _begin(self, attempt: Attempt) -> Training[Any]:
        self.slot.log.append(attempt.entry)
        self.slot.save()  # if this process is lost with the run, the archive says which it was
        self._tick()
        self.active.append(attempt)
        worth = self.slot.device.type == "cpu" or self.pace.expected(attempt.run) > LONG
        attempt.execution = Execution(
            attempt.run,
            out=self.slot.work,
            resume=True,
            device=str(self.slot.device),
            images=attempt.run.seed == IMAGES_OF_SEED,
            callback=partial(self.forecast, attempt.run),
            graphs=attempt.entry["graphs"],
            checkpoints=worth and attempt.run not in self._without_checkpoints,
            beside=self.width,
        )
        self._restart()
        return attempt.execution.training

    def _restart(self) -> None:
        begun = ((attempt.run, attempt.execution) for attempt in self.active)
        self.forecast.restart({run: execution.training for run, execution in begun if execution is not None})

    def _tick(self) -> None:
        """Divides the time since the last call among the runs at work, which take turns."""
        now = time.monotonic()
        for attempt in self.active:
            attempt.share += (now - self._clock) / len(self.active)
        self._clock = now

    def _end(self, attempt: Attempt, error: Exception | None) -> None:
        """Concludes a run, whatever came of it."""
        self._tick()
        run, entry = attempt.run, attempt.entry
        try:
            training = self._conclude(attempt, error)
            entry |= {"state": RECORDED, "graphs": not training.in_python}
        except OutOfTime as late:
            entry |= {"state": STOPPED, "why": str(late), "whole": round(late.seconds, 1)}
            self.pace.learn(run, late.seconds)
        except Diverged as failure:
            entry |= {"state": DIVERGED, "why": str(failure)}
        except (MissingData, MissingWeights, BlockingIOError) as absent:
            entry |= {"state": PASSED, "why": str(absent)}
        except Exception as wrong:  # whatever it is, the other runs are worth having
            entry |= {"state": FAILED, "why": _sentence(wrong)}
            if self._again(run, wrong):
                self.waiting.add(run)
        finally:
            if attempt.execution is not None:
                attempt.execution.close()
            self.active.remove(attempt)
        attempt.share += time.monotonic() - self._clock  # the others stood still meanwhile
        self._clock, attempt.execution = time.monotonic(), None
        entry["seconds"] = round(attempt.share, 1)
        if entry["state"] == RECORDED:
            self.pace.learn(run, attempt.share)
        if self.slot.is_recorded(run):
            self.slot.pack(run)
        self.slot.say(f"{run.whole_name}: {entry['state']}, {entry['seconds']:.0f} s {entry.get('why', '')}".rstrip())
        self.slot.save()
        self._restart()  # the forecast knows the training no more, so that it can be given back
        self._free(entry["state"] == FAILED)

    def _conclude(self, attempt: Attempt, error: Exception | None) -> Training[Any]:
        """Evaluates and writes a run, and returns its training; raises what has stopped it."""
        if attempt.execution is None or not (error is None or isinstance(error, Diverged)):
            raise error or RuntimeError("it never began")
        attempt.execution.conclude(error)
        return attempt.execution.training

    def _again(self, run: Run, error: Exception) -> bool:
        """Whether another attempt has a chance, and how: each run gets one."""
        if run in self._retried:
            return False
        self._retried.add(run)
        if isinstance(error, torch.OutOfMemoryError):
            self._drain = self.width > 1  # then with fewer beside it
            return self._drain
        if isinstance(error, OSError | CorruptFile) or "checkpoint" in str(error):
            shutil.rmtree(run.unfinished(self.slot.work), ignore_errors=True)  # it cannot be used, or not be written
            if isinstance(error, OSError):
                self._without_checkpoints.add(run)
            return True
        again = run in self._captured and isinstance(error, RuntimeError)
        self._captured.discard(run)
        return again

    def _free(self, failed: bool) -> None:
        """Gives back what a run held on a GPU: what refers to itself, and after a fault what torch keeps.

        Raises:
            GpuLost: it does not answer.
        """
        if self.slot.device.type != "cuda":
            return
        gc.collect()
        if not failed:
            return
        try:
            torch.cuda.synchronize(self.slot.device)
            torch.cuda.empty_cache()
        except RuntimeError as error:
            raise GpuLost(_sentence(error)) from error


def widest(device: torch.device) -> int:
    """Trainings that a GPU has memory for side by side; one on a CPU, which gains nothing by more."""
    if device.type != "cuda":
        return 1
    return max(1, min(WIDEST, torch.cuda.mem_get_info(device)[0] // MEMORY))


def _sentence(error: BaseException) -> str:
    """What an error says, its kind first, short enough for a log."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:400]}"
