"""Data parallel training: several processes, each with its part of every batch, that end where one process would.

`torchrun` or SLURM starts the processes and Lightning Fabric joins them. What they exchange takes two ways: tensors go
through the process group (gloo between CPUs, NCCL between GPUs); all else goes through the launcher's key-value store,
where waiting has no time limit, since rank 0 may evaluate for an hour while the others have nothing to do.
"""

from blurvae.parallel.batch_norm import GlobalBatchNorm2d, synchronise
from blurvae.parallel.team import SOLO, Team

__all__ = ["SOLO", "GlobalBatchNorm2d", "Team", "synchronise"]
