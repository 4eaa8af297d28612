"""What the parts are told: how large everything is, and which packages are absent."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from blurvae.bench.clock import Timing, cores
from blurvae.bench.loops import Job


@dataclass(frozen=True)
class Plan:
    """How large everything is.

    Attributes:
        job: the training, at the paper's widths unless quick.
        quick: small networks and few repetitions, for tests: the figures mean nothing.
        timing: of training steps.
        batches: batch sizes of the training step.
        sizes: the two sides in px, with widths and batch size, at which Wiener and L2 are compared.
        kernels: the two kernel sizes.
        loader_workers: numbers of loading processes that the opponents are tried with; the fastest is taken.
        ceilings: filled once measured.
    """

    job: Job
    quick: bool
    timing: Timing
    batches: tuple[int, ...]
    sizes: tuple[tuple[int, tuple[int, ...], int], ...]
    kernels: tuple[int, ...]
    loader_workers: tuple[int, ...]
    ceilings: dict[str, Any] = field(default_factory=dict)

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.job.device == "cuda"


def plan(device: str, precision: str, quick: bool, compile: bool) -> Plan:
    """The plan for a device."""
    if quick:
        small = Job(device, precision, 4, 16, (4, 8), 8, 16, 3, images=32, compile=compile)
        return Plan(small, True, Timing(2, 2, 0.01, 1), (4,), ((16, (4, 8), 4), (32, (4, 8), 4)), (3, 5), (0,))
    job = Job(device, precision, images=32_768 if device == "cuda" else 1024, compile=compile)
    paper = (64, 128, 256, 512)
    if device == "cuda":
        sizes = ((64, paper, 512), (256, (*paper, 512, 512), 64))
        return Plan(
            job,
            False,
            Timing(20, 5, 2.0, 10),
            (64, 128, 256, 512, 1024, 2048),
            sizes,
            (11, 41),
            (0, 4, min(12, cores())),
        )
    sizes = ((64, paper, 64), (256, (*paper, 512, 512), 4))
    return Plan(job, False, Timing(2, 5, 2.0, 2), (64, 128), sizes, (11, 41), (0, 2))


def installed(module: str) -> bool:
    """Whether a package can be imported here."""
    return find_spec(module) is not None


def absent(package: str) -> dict[str, str]:
    """What stands in the place of a figure whose package is absent."""
    return {"not_run": f"{package} is not installed: pip install -e '.[bench]'"}
