"""Data parallel training: several processes, each with its part of every batch, that end where one process would."""

from blurvae.parallel.batch_norm import GlobalBatchNorm2d, synchronise
from blurvae.parallel.team import SOLO, Team

__all__ = ["SOLO", "GlobalBatchNorm2d", "Team", "synchronise"]
