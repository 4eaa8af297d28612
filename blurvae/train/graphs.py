"""Moves as CUDA graphs: captured once, then launched by the driver without Python."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

LEAST = 100  # steps of a training below which a capture does not pay


def why_not(device: torch.device, processes: int, steps: int) -> str:
    """Why the moves of such a training are played in Python; empty where they can be captured."""
    if device.type != "cuda":
        return "no GPU"
    if processes > 1:
        return f"{processes} processes"
    return f"fewer than {LEAST} steps" if steps < LEAST else ""


class Holding(TorchDispatchMode):
    """Notes every tensor from outside that an operation reads: a graph knows its address alone.

    A cache of constants may drop such a tensor while the graph goes on to read its memory.
    """

    def __init__(self) -> None:
        super().__init__()
        self.outside: dict[int, Tensor] = {}
        self._made: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for t in tree_leaves((args, kwargs)):
            if isinstance(t, Tensor) and (where := t.untyped_storage().data_ptr()) not in self._made:
                self.outside.setdefault(where, t.detach())
        made = {t.untyped_storage().data_ptr() for t in tree_leaves(out) if isinstance(t, Tensor)}
        self._made |= made - self.outside.keys()
        return out


class CudaGraphs:
    """Captures moves, as a `Recorder`; the graphs of one training share a pool of memory: none runs beside another.

    Args:
        generator: of the training's random numbers, whose state each replay advances.
        stream: the training's own; everything of it happens there, from the networks' way to the device on.
    """

    broken: ClassVar[list[torch.cuda.CUDAGraph]] = []  # torch may go on to ask them whether a stream is theirs

    def __init__(self, generator: torch.Generator, stream: torch.cuda.Stream) -> None:
        self.generator, self.stream, self.pool = generator, stream, torch.cuda.graph_pool_handle()
        self._held: list[dict[int, Tensor]] = []

    def __call__(self, do: Callable[[], None]) -> Callable[[], None]:
        """Captures what is done, and does it once: a capture computes nothing.

        Raises:
            RuntimeError: an operation cannot be captured; what is done can be done without it then.
        """
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        with _uncollected():
            try:
                with torch.cuda.graph(graph, pool=self.pool, stream=self.stream), Holding() as holding:
                    do()
            except BaseException:
                self._end(graph)
                raise
        self._held.append(holding.outside)
        graph.replay()
        return graph.replay

    def _end(self, graph: torch.cuda.CUDAGraph) -> None:
        """Ends a capture that broke off, as torch does from 2.12 on.

        Up to then the allocator believes that it goes on, so that none can follow in this process, and so do the
        generators, torch's own among them: no graph that was captured before, of whatever training, can be replayed.
        """
        device = self.stream.device_index
        try:
            torch._C._cuda_endAllocateToPool(device, self.pool)
        except RuntimeError:  # it did end, and what was done raised
            graph.reset()
        else:
            torch._C._cuda_releasePool(device, self.pool)
            self.broken.append(graph)
        self.pool = torch.cuda.graph_pool_handle()
        with suppress(RuntimeError):  # only the end of a capture tells generators that none goes on: a small one then
            place, small = torch.zeros(1, device=self.generator.device), torch.cuda.CUDAGraph()
            small.register_generator_state(self.generator)
            with torch.cuda.graph(small, stream=self.stream):
                place.zero_()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's collector, which may meet another training's graphs: freeing one breaks a capture off."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
