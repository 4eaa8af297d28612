"""What a linear filter makes of frames that are moved onto one another, if it is not told by how much.

SRNet sees frames that were warped, and never the flow. On the small grid, as VSR has it, the place that a sample came
from is lost by that; on the large one, as FRVSR has it, it is kept.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from blurvae.blur import alias_system, fold
from blurvae.datasets.moving import SPEED
from blurvae.experiments.frvsr.theory import EIGHT_BITS, SCALE, SIDE, gaussian_gain, power_of_patches

SIGMA = 1.5  # px
MOTIONS = tuple((y / 2, x / 2) for y in range(-SPEED, SPEED + 1) for x in range(-SPEED, SPEED + 1) if x or y)  # px


class Seen(NamedTuple):
    """What a filter sees of the aliases of each small frequency.

    Attributes:
        system: (q, q, m, s²), of m values a frequency.
        mixed: (q, q, m, n): the noise of n frames in these values.
    """

    system: Tensor
    mixed: Tensor


def bilinear(d: float, omega: Tensor) -> Tensor:
    """The factor by which a bilinear warp by d px multiplies waves along an axis."""
    whole = math.floor(d)
    f, turn = d - whole, torch.polar(torch.ones_like(omega), omega)
    return turn**whole * (1 - f + f * turn)


def small(motions: Iterable[tuple[float, float]]) -> Seen:
    """The frame now, and others at these places, px of the large grid, that were warped onto it on the small grid."""
    omega = 2 * math.pi * torch.fft.fftfreq(SIDE // SCALE, dtype=torch.float64)
    places, gains = [(0.0, 0.0)], [torch.ones(len(omega), len(omega), dtype=torch.complex128)]
    for y, x in motions:
        places.append((y, x))
        gains.append(bilinear(-y / SCALE, omega)[:, None] * bilinear(-x / SCALE, omega))
    warps = torch.diag_embed(torch.stack(gains, -1))
    return Seen(warps @ _frames(places), warps)


def large(motion: tuple[float, float]) -> Seen:
    """The frame now, and the best estimate from one at this place, warped onto it on the large grid: 1 + s² values."""
    own, other = _frames([(0.0, 0.0)]), _frames([motion])
    prior = _prior()
    estimate = prior[..., None] * own.mH / ((own.abs() ** 2 @ prior[..., None]) + EIGHT_BITS)  # (q, q, s², 1)
    omega = 2 * math.pi * torch.fft.fftfreq(SIDE, dtype=torch.float64)
    warp = fold(bilinear(-motion[0], omega)[:, None] * bilinear(-motion[1], omega), SCALE)[..., None]
    carried = warp * estimate
    mixed = torch.zeros(*own.shape[:2], 1 + SCALE**2, 2, dtype=own.dtype)
    mixed[..., 0, 0], mixed[..., 1:, 1:] = 1, carried
    return Seen(torch.cat((own, carried @ other), 2), mixed)


def error(seen: Iterable[Seen]) -> float:
    """Expected squared error a pixel of the best linear filter that is one and the same for all of these, as likely."""
    prior, found = _prior(), list(seen)
    covariance = sum((a * prior[..., None, :]) @ a.mH + EIGHT_BITS * b @ b.mH for a, b in found) / len(found)
    cross = sum(prior[..., None] * a.mH for a, _ in found) / len(found)  # (q, q, s², m)
    assert isinstance(covariance, Tensor) and isinstance(cross, Tensor)
    explained = (cross @ torch.linalg.pinv(covariance, rtol=1e-9, hermitian=True) * cross.conj()).sum(-1).real
    return float((prior - explained).mean())


@cache
def gains() -> dict[str, float]:
    """PSNR over that of one frame, dB, mean squared errors over the motions of `moving` clips.

    Returns:
        Of two and of three frames with a filter for each motion, and with one for all, on the small grid; and of a
        frame and the estimate before, with one filter for all, on the large grid.
    """
    opposite = [(-y, -x) for y, x in MOTIONS]
    two, three = [small([m]) for m in MOTIONS], [small(pair) for pair in zip(MOTIONS, opposite)]
    errors = {
        "two frames, told": statistics.fmean(error([one]) for one in two),
        "three frames, told": statistics.fmean(error([one]) for one in three),
        "two frames on the small grid, not told": error(two),
        "three frames on the small grid, not told": error(three),
        "a frame and an estimate on the large grid, not told": error(large(m) for m in MOTIONS),
    }
    alone = error([small([])])
    return {name: 10 * math.log10(alone / value) for name, value in errors.items()}


def _frames(places: list[tuple[float, float]]) -> Tensor:
    return alias_system(torch.tensor(places, dtype=torch.float64), SCALE, gaussian_gain(SIGMA))


def _prior() -> Tensor:
    return fold(power_of_patches(), SCALE)
