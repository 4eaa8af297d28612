"""Data parallel training: several processes, each with its part of every batch, that end where one process would.

`torchrun` or SLURM starts the processes and Lightning Fabric joins them. What they exchange takes two ways: tensors go
through the process group (gloo between CPUs, NCCL between GPUs); all else goes through the launcher's key-value store,
where waiting has no time limit, since rank 0 may evaluate for an hour while the others have nothing to do.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from blurvae.errors import CorruptFile, Diverged, MissingData, MissingWeights
from blurvae.machine import choose_device

T = TypeVar("T")
TIMEOUT = timedelta(minutes=10)  # of an exchange of tensors between processes that are all alive
WAITING = 5.0  # seconds after which a process says that it waits for the others
PULSE = 0.5  # seconds between a process's signs of life
SOON = 6  # pulses without one after which a process counts as gone, once anything has failed
PATIENCE = 40  # the same as long as nothing has: 20 s, less than torchrun grants the others before it kills them
AGAIN = "the same command with --resume goes on from the last checkpoint"
# What rank 0 can fail at while the others wait; the first that fits names what they raise.
KINDS = (MissingData, MissingWeights, CorruptFile, Diverged, BlockingIOError, OSError, ValueError)


# The processes ------------------------------------------------------------------------------------------------------


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
        launcher = _launcher()
        if launcher is None:
            return SOLO if device == "auto" else cls(device=device)
        try:
            fabric = _join(launcher, device)
        except ValueError:
            if os.environ.get("RANK" if launcher == "torchrun" else "SLURM_PROCID", "0") != "0":
                time.sleep(PULSE * SOON)  # where rank 0 fails too, it speaks, and its end is this process's
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


def _launcher() -> str | None:
    """Who started this process as one of several, "torchrun" or "slurm"; None where nobody did."""
    given = os.environ.get
    if "RANK" in os.environ and _count("WORLD_SIZE", 1) > 1:
        return "torchrun"
    # A batch script has SLURM_NTASKS too, but only srun starts several processes, in a step of their own.
    interactive = given("SLURM_JOB_NAME") in ("bash", "interactive") or "SLURM_PTY_PORT" in os.environ
    if "SLURM_STEP_ID" in os.environ and _count("SLURM_NTASKS", 1) > 1 and not interactive:
        return "slurm"
    return None


NEEDED = {
    "torchrun": ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    "slurm": ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NODEID"),
}
STARTERS = {"torchrun": "torchrun", "slurm": "srun"}
ALONE = {"torchrun": "env -u RANK -u WORLD_SIZE", "slurm": "env -u SLURM_STEP_ID"}  # for one process after all


def _demand(launcher: str, names: Iterable[str]) -> None:
    """Raises ValueError where one of the launcher's variables is absent or empty."""
    if missing := [name for name in names if not os.environ.get(name)]:
        raise ValueError(
            f"The environment says that {launcher} started this process as one of several, but lacks "
            f"{', '.join(missing)}: start it with {STARTERS[launcher]}, or as one process "
            f"with `{ALONE[launcher]} blurvae …`."
        )


def _count(name: str, otherwise: int) -> int:
    """The whole number in a variable of the environment.

    Raises:
        ValueError: something else is in it.
    """
    text = os.environ.get(name, str(otherwise))
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"The variable {name} is {text!r} and not a number of processes: set it right, or unset it.")
    return int(text)


@contextmanager
def _patience(launcher: str, size: int) -> Iterator[None]:
    """Says after a while whom this process waits for, and after `TIMEOUT` that they did not come."""
    alone = f"if this is to be one process, start it with `{ALONE[launcher]} blurvae …`"
    said = f"blurvae: waiting for the {size} processes that {launcher} is said to have started; {alone}."
    timer = threading.Timer(WAITING, print, (said,), {"file": sys.stderr, "flush": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    except dist.DistError as error:
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"The {size} processes of this job did not meet ({words}): start all of them; {alone}."
        ) from None
    finally:
        timer.cancel()


def _join(launcher: str, device: str) -> Any:
    """Joins the processes: a launched Fabric, which knows rank, size and device.

    Raises:
        ValueError: as `Team.from_environment`.
    """
    _demand(launcher, NEEDED[launcher])
    if launcher == "torchrun":
        size = _count("WORLD_SIZE", 1)
        here = _count("LOCAL_WORLD_SIZE", size)
        machines = size // max(here, 1)
    else:
        size = _count("SLURM_NTASKS", 1)
        if "SLURM_NTASKS_PER_NODE" not in os.environ:
            raise ValueError(f"srun started {size} processes: say how many a machine has with --ntasks-per-node.")
        here, machines = _count("SLURM_NTASKS_PER_NODE", 1), _count("SLURM_NNODES", 1)
    if here * machines != size:
        raise ValueError(
            f"This job has {size} processes, and {here} on each of {machines} machines are {here * machines}: "
            "give every machine as many."
        )
    where = choose_device(device)
    if where.type not in ("cpu", "cuda") or where.index is not None:
        raise ValueError(f"This job has {size} processes: name their device 'cpu', 'cuda' or 'auto', not {device!r}.")
    if where.type == "cuda" and torch.cuda.device_count() < here:
        raise ValueError(
            f"A process sees {torch.cuda.device_count()} GPU of the {here} that the {here} processes on this machine "
            "need: start as many processes as it has GPUs, let each see all of them, or pass --device cpu."
        )
    try:
        import lightning_fabric
    except ImportError as error:
        raise ValueError(
            f"This job has {size} processes, and the package {error.name}, which joins them, is not here: install it "
            "with `pip install -e '.[parallel]'`, or start one process."
        ) from None
    from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
    from lightning_fabric.strategies import DDPStrategy

    logging.getLogger(lightning_fabric.__name__).setLevel(logging.WARNING)  # its notes, on every rank
    fabric = lightning_fabric.Fabric(
        accelerator=where.type,
        devices=here,
        num_nodes=machines,
        strategy=DDPStrategy(process_group_backend="nccl" if where.type == "cuda" else "gloo", timeout=TIMEOUT),
        plugins=TorchElasticEnvironment() if launcher == "torchrun" else SLURMEnvironment(auto_requeue=False),
    )
    if launcher == "torchrun":  # Lightning finds SLURM's own
        _demand(launcher, ("MASTER_ADDR", "MASTER_PORT"))
    with _patience(launcher, size):
        fabric.launch()
    return fabric


class Line:
    """What a process says and hears through the launcher's key-value store; it watches that the others live.

    A thread of each process counts up a number of its own there, and looks at the others': a killed process, or one on
    a machine that lost its network, stops counting. Neither gloo nor NCCL says whose connection broke, and a process
    that waits for a third one does not even see that.

    Args:
        rank: of this process.
        size: number of processes.
    """

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        # Whoever holds it: rank 0, or the launcher, in which numbers of an earlier attempt at the job remain.
        self._shared = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        store = dist.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
        self._store = dist.PrefixStore(f"blurvae/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        self._said = 0  # barriers and objects so far, the same number on every rank
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._names: list[str] = []

    def open(self) -> None:
        """Waits for all, then watches them."""
        self._store.set(f"name/{self.rank}", f"{socket.gethostname()}, process {os.getpid()}")
        self._store.set(f"pulse/{self.rank}", "0")
        self.barrier()
        self._names = [name.decode() for name in self._store.multi_get([f"name/{r}" for r in range(self.size)])]
        self._thread.start()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._told)

    def barrier(self) -> None:
        """Waits for all."""
        self._said += 1
        if self._store.add(f"came/{self._said}", 1) == self.size:
            self._store.set(f"all/{self._said}", "")
        self._wait(f"all/{self._said}")

    def broadcast(self, obj: Any) -> Any:
        """Rank 0's object, on every rank as JSON brings it back."""
        self._said += 1
        key = f"object/{self._said}"
        if self.rank == 0:
            self._store.set(key, json.dumps(obj))
        self._wait(key)
        return json.loads(self._store.get(key))

    def gather(self, obj: Any) -> list[Any]:
        """The objects of all ranks in order, as JSON brings them back."""
        keys = [f"object/{self._said + 1}/{r}" for r in range(self.size)]
        self._store.set(keys[self.rank], json.dumps(obj))
        self.barrier()
        return [json.loads(text) for text in self._store.multi_get(keys)]

    def _wait(self, key: str) -> None:
        """Looks for a key, ever more seldom; unlike the store's own waiting it can be interrupted and has no limit."""
        pause = 0.0005
        while not self._store.check([key]):
            time.sleep(pause)
            pause = min(2 * pause, 0.1)

    def alarm(self) -> None:
        """Something failed here, so whoever is silent is gone: gives the watching thread the time to end the job."""
        with suppress(RuntimeError):
            self._store.set("alarm", "")
        time.sleep(PULSE * (SOON + 3))

    def fail(self, message: str) -> None:
        """Says that this process ends, and why; the others end then."""
        self._stop.set()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the launcher's answer to another's end: this one ends anyway
        with suppress(RuntimeError):
            self._store.set(f"pulse/{self.rank}", f"failed:{message}")
            time.sleep(2 * PULSE)  # till all have seen it: the store may be rank 0's

    def close(self) -> None:
        """Waits for all and stops watching."""
        self.barrier()
        self._stop.set()
        self._thread.join()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        left = self._store.add("left", 1)
        end = time.monotonic() + PULSE * PATIENCE
        while self.rank == 0 and left < self.size and time.monotonic() < end:  # the store may be rank 0's
            time.sleep(0.01)
            left = self._store.add("left", 0)

    def _told(self, *_: object) -> None:
        """SIGTERM: where another process is gone, that is said; else the job was stopped from outside."""
        self.alarm()
        raise KeyboardInterrupt

    def _watch(self) -> None:
        """Counts up, and ends this process when another one's number has stood still for too long."""
        seen, still = [b""] * self.size, [0] * self.size
        for beat in itertools.count(1):
            if self._stop.wait(PULSE):
                return
            try:
                self._store.set(f"pulse/{self.rank}", str(beat))
                now = self._store.multi_get([f"pulse/{r}" for r in range(self.size)])
                alarmed = self._store.check(["alarm"])
            except RuntimeError:
                self._end([0], seen)
                return
            # Counted in own beats, not seconds: a job that is suspended as a whole goes on.
            still = [count + 1 if a == b else 0 for count, a, b in zip(still, seen, now)]
            seen = now
            limits = [SOON if alarmed or pulse.startswith(b"failed:") else PATIENCE for pulse in seen]
            if self.rank and seen[0].startswith(b"failed:"):  # it speaks for itself, and the store may end with it
                limits[0] = 0
            if gone := [r for r, (count, limit) in enumerate(zip(still, limits)) if count >= limit]:
                self._end(gone, seen)

    def _end(self, gone: list[int], seen: list[bytes]) -> None:
        """Ends this process; the first of those that are left says whose fault it is."""
        if self._stop.is_set():  # this process ends by itself
            return
        lost = gone[0]
        name = f"rank {lost} of {self.size} ({self._names[lost]})"
        why = seen[lost].decode(errors="replace")
        if why.startswith("failed:"):
            said = f"{name}: {why.removeprefix('failed:')}"
        else:
            said = f"{name} is gone: it was killed, or its machine or network failed; {AGAIN}."
        spoken = lost == 0 and why.startswith("failed:")
        if self.rank == min(set(range(self.size)) - set(gone)) and not spoken:
            print(f"blurvae: {said}", file=sys.stderr, flush=True)
        if self.rank == 0:
            time.sleep(2 * PULSE)  # till all have come to the same end: the store may be this process's
        os._exit(1)


SOLO = Team()


# Batch norm ---------------------------------------------------------------------------------------------------------


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the batch of all processes, on CPUs too, where `torch.nn.SyncBatchNorm` refuses.

    In evaluation, and in one process, it is `torch.nn.BatchNorm2d`. The parts of the batch must be of one size.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalises x, (n, c, h, w), by the moments of all ranks' x; these are float32 at least."""
        if not (self.training and dist.is_initialized() and dist.get_world_size() > 1):
            return super().forward(x)
        self._check_input_dim(x)
        mean, var, count = _moments(x)
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            step = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean.to(self.running_mean), step)
            self.running_var.lerp_(var.to(self.running_var) * (count / (count - 1)), step)
        weight, bias = (self.weight, self.bias) if self.affine else (torch.ones_like(mean), torch.zeros_like(mean))
        return cast(Tensor, _Normalise.apply(x, weight, bias, mean, var, count, self.eps))


def synchronise(module: nn.Module) -> None:
    """Makes every BatchNorm2d below a module one of the global batch: its tensors, their names and hooks remain."""
    for child in module.modules():
        if type(child) is nn.BatchNorm2d:
            child.__class__ = GlobalBatchNorm2d


@torch.no_grad()
def _moments(x: Tensor) -> tuple[Tensor, Tensor, int]:
    """Mean and biased variance, (c,) each, of the values of a channel on all ranks, and their number.

    The ranks exchange moments about their own means (Chan et al. 1979): sums of squares would lose the variance of
    channels whose mean is large.
    """
    var, mean = torch.var_mean(x if x.dtype == torch.float64 else x.float(), (0, 2, 3), correction=0)
    size = dist.get_world_size()
    table = mean.new_zeros(size, 2, len(mean))
    table[dist.get_rank()] = torch.stack((mean, var))
    dist.all_reduce(table)  # each entry is one number and zeros, so no order of adding changes it
    means, variances = table.unbind(1)  # (size, c) each
    return means.mean(0), variances.mean(0) + means.var(0, correction=0), size * x.numel() // x.shape[1]


class _Normalise(torch.autograd.Function):
    """(x − mean) / √(var + ε) · weight + bias with the moments of all ranks' x, through which the gradient passes."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor, count: int, eps: float
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, var)
        ctx.count, ctx.eps = count, eps
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, var = ctx.saved_tensors
        # Σ dy·x̂ and Σ dy over this rank's part are the gradients of weight and bias; their sums over the ranks are
        # what the moments pass on to every x.
        _, d_weight, d_bias = torch.ops.aten.native_batch_norm_backward(
            dy, x, weight, mean, var, None, None, False, ctx.eps, [False, True, True]
        )
        sums = torch.stack((d_weight, d_bias))
        dist.all_reduce(sums)
        along, level = (sums / ctx.count).unbind(0)
        inverse = (var + ctx.eps).rsqrt()
        scale = weight * inverse
        slope = scale * inverse * along
        offset = scale * level - slope * mean
        c = (-1, 1, 1)
        dx = scale.view(c) * dy - slope.view(c) * x - offset.view(c)
        return dx.to(x.dtype), d_weight, d_bias, None, None, None, None
