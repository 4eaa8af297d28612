"""The processes of one training as an object: what they share, exchange and say, and how they end together.

`torchrun` or SLURM starts the processes and Lightning Fabric joins them. What they exchange takes two ways: tensors go
through the process group (gloo between CPUs, NCCL between GPUs); all else goes through the launcher's key-value store,
where waiting has no time limit, since rank 0 may evaluate for an hour while the others have nothing to do.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from blurvae.errors import CorruptFile, Diverged, MissingData, MissingWeights
from blurvae.parallel.batch_norm import synchronise
from blurvae.parallel.join import join, started_by
from blurvae.parallel.line import AGAIN, Line, grace

T = TypeVar("T")
# What rank 0 can fail at while the others wait; the first that fits names what they raise.
KINDS = (MissingData, MissingWeights, CorruptFile, Diverged, BlockingIOError, OSError, ValueError)


class Team:
    """The processes of one training. `SOLO`, rank 0 of 1, exchanges nothing.

    A context: where one process fails, all end, and the one that speaks for them (rank 0 while it is there) says who
    failed and how to go on. It ends them without unwinding, which the files of this package are made for.

    Attributes:
        rank: of this process, from 0.
        size: number of processes.
        device: what this process computes on; "auto" for one process.
    """

    def __init__(self, rank: int = 0, size: int = 1, device: str = "auto", line: Line | None = None) -> None:
        self.rank, self.size, self.device = rank, size, device
        self._line = line

    @classmethod
    def from_environment(cls, device: str = "auto") -> Team:
        """The processes that `torchrun` or `srun` started together with this one; SOLO where there is none. Once only.

        Args:
            device: "auto", "cpu" or "cuda"; with several processes each takes the GPU of its own number.

        Raises:
            ValueError: a missing package, fewer GPUs than processes, an incomplete environment.
        """
        launcher = started_by()
        if launcher is None:
            return SOLO if device == "auto" else cls(device=device)
        try:
            fabric = join(launcher, device)
        except ValueError:
            if os.environ.get("RANK" if launcher == "torchrun" else "SLURM_PROCID", "0") != "0":
                time.sleep(grace())  # where rank 0 fails too, it speaks, and its end is this process's
            raise
        rank, size = fabric.global_rank, fabric.world_size
        return cls(rank, size, str(fabric.device), Line(rank, size))

    @property
    def is_first(self) -> bool:
        """Whether this process evaluates, writes and speaks."""
        return self.rank == 0

    def check(self, batch_size: int) -> None:
        """Raises ValueError where a batch does not divide into equal parts."""
        if batch_size % self.size:
            raise ValueError(
                f"batch_size {batch_size} does not divide by the {self.size} processes of this job: "
                f"choose a multiple of {self.size}, not above the number of training images."
            )

    def share(self, rows: Tensor) -> Tensor:
        """This process's part of a batch, (n/size, …) of (n, …); the parts of all ranks in order are the batch."""
        part = len(rows) // self.size
        return rows[self.rank * part : (self.rank + 1) * part]

    def prepare(self, module: nn.Module) -> None:
        """Gives a network, on its device already, rank 0's weights and batch norms of the global batch."""
        if self.size == 1:
            return
        with torch.no_grad():
            for tensor in itertools.chain(module.parameters(), module.buffers()):
                dist.broadcast(tensor, 0)
        synchronise(module)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces every gradient by its mean over the ranks, exchanged as one vector for each type of number."""
        if self.size == 1:
            return
        by_type: dict[torch.dtype, list[Tensor]] = {}
        for parameter in parameters:
            if parameter.grad is not None:
                by_type.setdefault(parameter.grad.dtype, []).append(parameter.grad)
        for gradients in by_type.values():
            flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
            dist.all_reduce(flat)
            flat /= self.size
            parts = flat.split([gradient.numel() for gradient in gradients])
            for gradient, part in zip(gradients, parts):
                gradient.copy_(part.view(gradient.shape))

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the ranks of a tensor that each has its own of; of any shape."""
        if self.size == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total / self.size

    def barrier(self) -> None:
        """Waits for all."""
        if self._line:
            self._line.barrier()

    def broadcast_object(self, obj: T) -> T:
        """Rank 0's object on every rank; what JSON can hold, with lists for tuples."""
        return cast(T, self._line.broadcast(obj)) if self._line else obj

    def first(self, do: Callable[[], T]) -> T:
        """What `do` returns (JSON types) or raises on rank 0, on every rank; the others wait as long as it takes."""
        if self._line is None:
            return do()
        value, failure = _attempt(do) if self.is_first else (None, None)
        answer = self.broadcast_object((value, _described(failure)))
        return cast(T, _outcome(answer[0], failure, [answer[1]]))

    def together(self, do: Callable[[], T]) -> T:
        """What `do` returns here, once it has succeeded on every rank; what it raised on the first where it failed."""
        if self._line is None:
            return do()
        value, failure = _attempt(do)
        return cast(T, _outcome(value, failure, self._line.gather(_described(failure))))

    def __enter__(self) -> Team:
        if self._line:
            self._line.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._line:
            return
        if error is None:
            self._line.close()
            dist.destroy_process_group()
            return
        if isinstance(error, RuntimeError) and not isinstance(error, Diverged):
            self._line.alarm()  # a connection that broke, perhaps: then this does not return
        expected = isinstance(error, (*KINDS, KeyboardInterrupt))
        stopped = f"it was told to stop; {AGAIN}." if isinstance(error, KeyboardInterrupt) else type(error).__name__
        self._line.fail(str(error) or stopped)
        if expected and not self.is_first:  # rank 0 says it, or has failed itself
            sys.exit(1)


def _attempt(do: Callable[[], T]) -> tuple[T | None, Exception | None]:
    """(what it returns, None) or (None, what it raised), of the kinds that the others can be told of."""
    try:
        return do(), None
    except KINDS as error:
        return None, error


def _described(error: Exception | None) -> tuple[int, str] | None:
    """An exception as JSON: the first of KINDS that it is, and what it says."""
    return (next(i for i, kind in enumerate(KINDS) if isinstance(error, kind)), str(error)) if error else None


def _outcome(value: T, own: Exception | None, failures: Iterable[tuple[int, str] | None]) -> T:
    """The value where no rank failed; else raises this rank's own exception, or the first of the others'."""
    if own:
        raise own
    for failure in filter(None, failures):
        raise KINDS[failure[0]](failure[1])
    return value


SOLO = Team()
