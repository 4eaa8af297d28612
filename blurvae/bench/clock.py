"""How the steps of a side are timed, and what comes of it: series of blocks, their speeds and ratios."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import torch


class NotRun(Exception):
    """A measurement that could not be made; its text is the reason."""


class Stop(Exception):
    """The parent has seen enough."""


@dataclass(frozen=True)
class Timing:
    """How a comparison is timed.

    Attributes:
        warm_up: steps at the start that are not counted, ≥ 2.
        rounds: blocks of each side.
        seconds: least duration of a block.
        least: least number of steps of a block.
    """

    warm_up: int = 2
    rounds: int = 5
    seconds: float = 2.0
    least: int = 2


@dataclass
class Series:
    """What one side measured.

    Attributes:
        seconds: of a step, one number a block.
        steps: in a block.
        memory: bytes that the side's work added at its peak: on a CPU resident memory beyond what the process held
            with all packages imported, on a GPU torch's allocations after the warm-up. None where it is not known.
    """

    seconds: list[float] = field(default_factory=list)
    steps: int = 0
    memory: int | None = None

    @property
    def median(self) -> float:
        """Seconds a step."""
        return median(self.seconds)


def cores() -> int:
    """The processors that this process may use; every side computes with so many threads."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def synchronise(device: torch.device) -> None:
    """Waits until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Clock:
    """Counts the steps of a side, and measures blocks of them whenever the parent asks for one."""

    def __init__(self, connection: Connection, device: torch.device, warm_up: int) -> None:
        self.connection, self.device, self.warm_up = connection, device, warm_up
        self.count, self.end, self.started = 0, -1, 0.0
        self.before: int | None = None
        self.mark()

    def mark(self) -> None:
        """What the process holds now is not counted as the side's memory: packages that it has imported."""
        self.before = resident("VmRSS")

    def tick(self) -> None:
        """To be called after each step; returns when the next step is to be taken."""
        self.count += 1
        if self.count == self.warm_up - 1:
            synchronise(self.device)
            self.started = time.perf_counter()
        elif self.count == self.warm_up:
            self._report()
            if self.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(self.device)
            self._wait()
        elif self.count == self.end:
            self._report()
            self._wait()

    def _report(self) -> None:
        synchronise(self.device)
        self.connection.send(("time", time.perf_counter() - self.started))

    def _wait(self) -> None:
        steps = self.connection.recv()
        if not steps:
            raise Stop
        self.end = self.count + steps
        self.started = time.perf_counter()

    def memory(self) -> int | None:
        """Bytes at the peak, as `Series` defines them."""
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device))
        peak = resident("VmHWM")
        return None if peak is None or self.before is None else peak - self.before


def resident(line: str) -> int | None:
    """VmRSS (now) or VmHWM (peak) of this process in bytes, None where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    found = [text.split() for text in status.read_text().splitlines() if text.startswith(f"{line}:")]
    return int(found[0][1]) * 1024 if found else None


def speed(series: Series, size: int) -> dict[str, Any]:
    """Items a second of a series whose steps take `size` items each: median, least, most, and every block."""
    rates = [size / seconds for seconds in series.seconds]
    return {"median": median(rates), "min": min(rates), "max": max(rates), "rounds": rates}


def ratio(longer: Series, shorter: Series) -> dict[str, float]:
    """How many times as long the one takes as the other, round by round: median, least, most."""
    ratios = [a / b for a, b in zip(longer.seconds, shorter.seconds)]
    return {"median": median(ratios), "min": min(ratios), "max": max(ratios)}


def plain(value: Series | NotRun) -> dict[str, Any]:
    """A side as JSON."""
    return {"not_run": str(value)} if isinstance(value, NotRun) else asdict(value)
