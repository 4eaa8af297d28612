"""Processes that measure: each side of a comparison runs in its own, and they work in turn (A, B, A, B, and so on).

A side is a function `side(clock, *arguments)` at module level that works step by step and calls `clock.tick()` after
each step. Between blocks it stands still inside `tick`, so that the sides never share the processor.

All sides are forks of one process, the `Launcher`, that has imported everything and computed nothing: they start alike,
at once, without threads, allocator settings or a GPU's context from elsewhere.
"""

from __future__ import annotations

import ctypes
import gc
import math
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import torch

# What tunes threads or memory from outside would be the same advantage or burden to no two sides.
TUNING = ("OMP_", "GOMP_", "KMP_", "MKL_", "MALLOC_", "GLIBC_TUNABLES", "PYTORCH_", "CUBLAS_")


class NotRun(Exception):
    """A measurement that could not be made; its text is the reason."""


class _Stop(Exception):
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
            raise _Stop
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


class Launcher:
    """The process that the sides are forks of; `with Launcher() as call: call(function, *arguments)` works in it."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_launcher, args=(other,))

    def __enter__(self) -> Callable[..., Any]:
        removed = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(TUNING)}
        try:
            self.process.start()
        finally:
            os.environ.update(removed)
        return self.call

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.join()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """A function's result, computed in the launcher, which may fork sides for it.

        Raises:
            NotRun: it failed.
        """
        self.connection.send((function, arguments))
        return _answer(self.connection, self.process)


def _launcher(connection: Connection) -> None:
    import_module("blurvae.bench.parts")
    _end_with_parent()
    while True:
        function, arguments = connection.recv()
        connection.send(_outcome(function, arguments))


def prepare() -> None:
    """Before sides that train: imports once, in the launcher, what each side's first optimiser would import."""
    import_module("torch._dynamo")
    gc.freeze()  # else the first collection of each side copies every page that the imports filled


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[str, Any]:
    try:
        return "done", function(*arguments)
    except NotRun as error:
        return "failed", str(error)
    except Exception as error:  # whatever goes wrong in one measurement, the others are worth having
        text = str(error).strip().splitlines()
        return "failed", f"{type(error).__name__}: {text[0] if text else 'no message'}"


def _answer(connection: Connection, process: Any) -> Any:
    try:
        kind, value = connection.recv()
    except (EOFError, ConnectionError):
        process.join()
        killed = " (killed: out of memory?)" if process.exitcode == -signal.SIGKILL else ""
        raise NotRun(f"its process ended with code {process.exitcode}{killed}") from None
    if kind == "failed":
        raise NotRun(value)
    return value


def _end_with_parent() -> None:
    """Interrupts are the parent's business, and where it ends in any way, so does this process (on Linux)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _side(
    connection: Connection, function: Callable[..., Any], arguments: tuple[Any, ...], device: str, warm_up: int | None
) -> None:
    _end_with_parent()
    sink = os.open(os.devnull, os.O_WRONLY)  # what a library prints must not mix with the report
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    torch.set_num_threads(cores())
    if warm_up is None:
        connection.send(_outcome(function, arguments))
        return
    clock = Clock(connection, torch.device(device), warm_up)

    def work() -> int | None:
        try:
            function(clock, *arguments)
        except _Stop:
            return clock.memory()
        raise NotRun("it ended before it was measured")

    connection.send(_outcome(work, ()))


class Side:
    """A process, and the parent's end of the line to it."""

    def __init__(
        self, function: Callable[..., Any], *arguments: Any, device: str = "cpu", warm_up: int | None = None
    ) -> None:
        context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(  # type: ignore[attr-defined]
            target=_side, args=(other, function, arguments, device, warm_up)
        )
        self.process.start()
        other.close()

    def receive(self) -> Any:
        """What it says next.

        Raises:
            NotRun: it failed, or its process ended.
        """
        return _answer(self.connection, self.process)

    def block(self, steps: int) -> float:
        """Seconds that so many steps take."""
        self.connection.send(steps)
        return float(self.receive())

    def close(self) -> None:
        """Ends the process."""
        with suppress(OSError):
            self.connection.send(0)
        self.process.join(10)  # it ends by itself, and its own processes with it
        self.process.kill()
        self.process.join()
        self.connection.close()


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """A function's result, from a process of its own.

    Raises:
        NotRun: it failed.
    """
    side = Side(function, *arguments)
    try:
        return side.receive()
    finally:
        side.close()


def interleave(
    sides: Mapping[str, tuple[Callable[..., None], tuple[Any, ...]]], timing: Timing, device: str
) -> dict[str, Series | NotRun]:
    """Measures sides against one another: all warm up, then each works a block in turn, round by round.

    Args:
        sides: name to (function, arguments).
        timing: how long.
        device: "cpu" or "cuda".

    Returns:
        The series of each side, or the reason why it has none. A side that fails does not stop the others.
    """
    found: dict[str, Series | NotRun] = {}
    running: dict[str, Side] = {}
    try:
        for name, (function, arguments) in sides.items():
            running[name] = Side(function, *arguments, device=device, warm_up=timing.warm_up)
            try:
                step = running[name].receive()
                steps = max(timing.least, math.ceil(timing.seconds / max(step, 1e-9)))
                found[name] = Series(steps=min(steps, 100_000))
            except NotRun as error:
                found[name] = error
        for _ in range(timing.rounds):
            for name, series in found.items():
                if isinstance(series, Series):
                    try:
                        series.seconds.append(running[name].block(series.steps) / series.steps)
                    except NotRun as error:
                        found[name] = error
        for name, series in found.items():
            if isinstance(series, Series):
                with suppress(NotRun, OSError):
                    running[name].connection.send(0)
                    series.memory = running[name].receive()
    finally:
        for side in running.values():
            side.close()
    return found


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
