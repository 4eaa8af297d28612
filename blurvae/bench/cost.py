"""A model of what a training step costs on many GPUs.

It adds the seconds of computing, at a share of the datasheet's rates, and those of exchanging, one after the other, as
`blurvae.parallel` does it. No number of it is measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import nn

from blurvae.bench import counts
from blurvae.bench.loops import Job
from blurvae.models import parameter_count

CELEBA, IMAGENET = 162_770, 1_281_167  # images of the training splits


@dataclass(frozen=True)
class Machines:
    """GPUs in equal machines, as datasheets state them, and what is assumed of them.

    Attributes:
        name: what it is called.
        flops: floating-point operations a second of a GPU.
        memory: bytes a second of a GPU's memory.
        gpus: in a machine.
        inside: bytes a second from a GPU to another one of its machine, one way.
        outside: bytes a second from a machine to another, one way, for all its GPUs together.
        hop: seconds until a message is there, however short it is (assumed).
        share: part of the arithmetic and memory rates that a training step attains (assumed).
    """

    name: str
    flops: float
    memory: float
    gpus: int
    inside: float
    outside: float
    hop: float = 5e-6
    share: float = 1 / 3


# NVIDIA's datasheets: H200 SXM (bf16 without sparsity, HBM3e, NVLink 4) and ConnectX-7 (NDR, NDR200).
H200_400 = Machines("H200, 400 Gb/s", 989e12, 4.8e12, 8, 450e9, 400e9 / 8)
H200_200 = replace(H200_400, name="H200, 200 Gb/s", outside=200e9 / 8)


@dataclass(frozen=True)
class Step:
    """Seconds of a training step, and what they lead to.

    Attributes:
        gpus: that train together.
        batch: images of all of them.
        compute: seconds of arithmetic and memory traffic.
        gradients: seconds in which the gradients are averaged.
        moments: seconds in which batch norm's moments and their gradients are exchanged.
    """

    gpus: int
    batch: int
    compute: float
    gradients: float
    moments: float

    @property
    def seconds(self) -> float:
        """Of the whole step; nothing overlaps."""
        return self.compute + self.gradients + self.moments

    @property
    def images_per_second(self) -> float:
        """Of all GPUs."""
        return self.batch / self.seconds

    @property
    def exchanged(self) -> float:
        """The part of the step in which GPUs wait for one another's numbers."""
        return 1 - self.compute / self.seconds

    def training(self, images: int, epochs: int = 100) -> float:
        """Seconds of a training on so many images; a last incomplete batch is left out."""
        return epochs * (images // self.batch) * self.seconds


def all_reduce(size: float, gpus: int, machines: Machines) -> float:
    """Seconds in which every GPU gets the sum of a vector over all: the faster of a ring and a tree.

    Around the ring, 2(n − 1) messages of size/n follow one another, 2(n − 1)/n · size bytes over its slowest link
    (Patarasuk and Yuan 2009). Up and down a binary tree, 2 log₂ n messages of the whole size do.

    Args:
        size: of the vector, bytes.
        gpus: n, filling one machine after the other.
        machines: the links.

    Example:
        >>> fast = Machines("no wait", 1, 1, gpus=4, inside=100, outside=10, hop=0)
        >>> all_reduce(100, 1, fast), all_reduce(100, 4, fast), all_reduce(100, 8, fast)
        (0.0, 1.5, 17.5)
    """
    if gpus == 1:
        return 0.0
    rate = machines.inside if gpus <= machines.gpus else machines.outside
    ring = 2 * (gpus - 1) * (machines.hop + size / gpus / rate)
    tree = 2 * math.ceil(math.log2(gpus)) * (machines.hop + size / rate)
    return min(ring, tree)


def widths(job: Job) -> list[int]:
    """The channels of each batch norm of the job's networks."""
    with torch.device("meta"):
        return [m.num_features for m in job.players().vae.modules() if isinstance(m, nn.BatchNorm2d)]


def volume(job: Job, gpus: int = 2) -> dict[str, float]:
    """Bytes that each of n GPUs sends in a step around rings, (2(n − 1)/n) times those of the vectors.

    Returns:
        `gradients`: one float32 a parameter. `moments`: for each batch norm forwards a table of mean and variance by
        rank, backwards two sums, float32.
    """
    with torch.device("meta"):
        parameters = sum(parameter_count(net) for net in job.players() if net is not None)
    factor = 2 * (gpus - 1) / gpus
    moments = sum(4 * 2 * width * (gpus + 1) for width in widths(job))
    return {"gradients": factor * 4 * parameters, "moments": factor * moments}


def model(job: Job, gpus: int, machines: Machines) -> Step:
    """The seconds of a step in which each GPU has the job's batch size.

    Counted are the operations and the memory traffic of `blurvae.bench.counts`, six passes over the gradients for
    gathering and spreading them, and the exchanges. Not counted: starting kernels, loading images, waiting for the
    slowest GPU.
    """
    with torch.device("meta"):
        sizes = [4 * parameter_count(net) for net in job.players() if net is not None]
    flop, traffic = counts.flop(job), counts.traffic(job, job.precision)
    compute = job.batch * (flop / machines.flops + traffic / machines.memory) / machines.share
    passes = 0.0 if gpus == 1 else 6 * sum(sizes) / (machines.share * machines.memory)
    moments = sum(
        all_reduce(4 * 2 * width * gpus, gpus, machines) + all_reduce(4 * 2 * width, gpus, machines)
        for width in widths(job)
    )
    exchanged = sum(all_reduce(size, gpus, machines) for size in sizes)
    return Step(gpus, gpus * job.batch, compute, passes + exchanged, moments)
