"""Moves as CUDA graphs: captured once, then launched by the driver without Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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

    def __init__(self, generator: torch.Generator, stream: torch.cuda.Stream) -> None:
        self.generator, self.stream, self.pool = generator, stream, torch.cuda.graph_pool_handle()
        self._held: list[dict[int, Tensor]] = []

    def __call__(self, do: Callable[[], None]) -> Callable[[], None]:
        """Captures what is done, and does it once: a capture computes nothing.

        Raises:
            RuntimeError: an operation cannot be captured.
        """
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream), Holding() as holding:
            do()
        self._held.append(holding.outside)
        graph.replay()
        return graph.replay
