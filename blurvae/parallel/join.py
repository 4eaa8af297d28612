"""Who started this process as one of several, and how they come together."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from blurvae.machine import choose_device

TIMEOUT = timedelta(minutes=10)  # of an exchange of tensors between processes that are all alive
WAITING = 5.0  # seconds after which a process says that it waits for the others


def started_by() -> str | None:
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


def join(launcher: str, device: str) -> Any:
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
