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
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

import torch

from blurvae.bench.clock import Clock, NotRun, Series, Stop, Timing, cores

# What tunes threads or memory from outside would be the same advantage or burden to no two sides.
TUNING = ("OMP_", "GOMP_", "KMP_", "MKL_", "MALLOC_", "GLIBC_TUNABLES", "PYTORCH_", "CUBLAS_")


class Launcher:
    """The process that the sides are forks of; `with Launcher(…) as call: call(function, *arguments)` works in it.

    Args:
        module: what it imports before any work: all that a side needs.
    """

    def __init__(self, module: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_launcher, args=(other, module))

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


def _launcher(connection: Connection, module: str) -> None:
    import_module(module)
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
        except Stop:
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
