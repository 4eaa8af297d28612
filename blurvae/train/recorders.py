"""Ways to repeat a move without Python: here a tape of its operations, which runs on any device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Recorder(Protocol):
    """Does something once and returns how to do it again: the same operations on the same memory."""

    def __call__(self, do: Callable[[], None]) -> Callable[[], None]: ...  # noqa: D102


class Tape(TorchDispatchMode):
    """Keeps every operation below autograd with its arguments; replays write into the memory of the first time.

    Like a graph of a GPU it never runs Python again: a number that Python read or made is baked in. A training that is
    the same taped and eager can therefore be captured, and that is what it is for.

    Attributes:
        suspicious: operations that read a number off the device or bring one there, which no graph could hold.
    """

    READS = ("_local_scalar_dense", "aten.equal.", "nonzero", "masked_select", "_unique", "is_nonzero")
    CONSTANTS = ("lift_fresh",)

    def __init__(self) -> None:
        super().__init__()
        self.suspicious: list[str] = []
        self._calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[Tensor]]] = []
        self._last = ""

    def __call__(self, do: Callable[[], None]) -> Callable[[], None]:
        """As a `Recorder`; one tape records any number of moves."""
        tape = type(self)()
        with tape:
            do()
        self.suspicious += tape.suspicious
        return tape.replay

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = str(func)
        out = func(*args, **kwargs)
        one_number = name == "aten.fill_.Scalar" and self._last == "aten.select.int" and args[0].ndim == 0
        mask = name == "aten.index.Tensor" and any(i is not None and i.dtype == torch.bool for i in args[1])
        if any(bad in name for bad in self.READS + self.CONSTANTS) or one_number or mask:
            self.suspicious.append(name + " after select (x[i] = number)" * one_number + " (mask)" * mask)
        self._calls.append((func, args, kwargs, [t.detach() for t in tree_leaves(out) if isinstance(t, Tensor)]))
        self._last = name
        return out

    @torch.no_grad()
    def replay(self) -> None:
        """The operations once more."""
        for func, args, kwargs, before in self._calls:
            now = [t for t in tree_leaves(func(*args, **kwargs)) if isinstance(t, Tensor)]
            for old, new in zip(before, now, strict=True):
                if old.data_ptr() != new.data_ptr():
                    old.copy_(new)
