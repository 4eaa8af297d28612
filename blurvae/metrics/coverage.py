"""Modes that samples cover, where it is known which there are: of points around centres, of classes of images."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

WITHIN = 3.0  # standard deviations from a centre within which a sample is good, as customary


class Coverage(NamedTuple):
    """What samples cover.

    Attributes:
        modes: centres that have a good sample.
        good: the share of samples that are good, in [0, 1].
    """

    modes: int
    good: float


def coverage(points: Tensor, centres: Tensor, sd: float) -> Coverage:
    """Which centres points lie around: a good point lies within three standard deviations of one.

    Srivastava, Valkov, Russell, Gutmann and Sutton, "VEEGAN", NeurIPS 2017, section 4.1. Of draws from the mixture
    itself, in the plane, 1 − exp(−9/2) = 98.9 % are good.

    Args:
        points: (n, d).
        centres: (m, d), further apart than six standard deviations.
        sd: standard deviation of a mode in each coordinate.

    Raises:
        ValueError: other shapes, NaN.

    Example:
        >>> centres = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> coverage(torch.tensor([[0.01, 0.0], [0.98, 0.02], [0.5, 0.5], [0.0, 0.02]]), centres, sd=0.02)
        Coverage(modes=2, good=0.75)
    """
    if points.ndim != 2 or centres.ndim != 2 or points.shape[1] != centres.shape[1] or not len(points):
        raise ValueError(
            f"Points (n, d) and centres (m, d) are of one dimension, not {tuple(points.shape)} and "
            f"{tuple(centres.shape)}."
        )
    if points.isnan().any():
        raise ValueError("The points hold NaN: look for the step of the generator that made them.")
    distance, nearest = torch.cdist(points.double(), centres.to(points.device).double()).min(1)
    good = distance <= WITHIN * sd
    return Coverage(len(nearest[good].unique()), good.double().mean().item())


def expected_kinds(kinds: int, n: int) -> float:
    """How many of so many equally frequent kinds n independent draws show on average: kinds · (1 − (1 − 1/kinds)ⁿ).

    What a count of modes among n samples can be at best; 1,000 kinds show 864.8 in 2,000 draws and 999.95 in 10,000.

    Example:
        >>> round(expected_kinds(1000, 2000), 1)
        864.8
    """
    return kinds * (1 - (1 - 1 / kinds) ** n)
