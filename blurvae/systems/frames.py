"""What video super-resolution does with frames, whatever network makes them large: motion, warps, neighbours."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from blurvae.resampling import space_to_depth, upsample, warp
from blurvae.resampling.warp import Border

MOTION = 2  # channels of motion that a sample may carry behind those of the picture


class Made(NamedTuple):
    """What a clip has become.

    Attributes:
        estimate: (n, t, c, sh, sw) on [0, 1] but for overshoots.
        flow: (n, t′, 2, h, w), px of the small frames, from each frame to the one before it ("frvsr", t′ = t − 1), or
            from all to the one before and then from all to the one behind ("vsr", t′ = 2t); None for "sisr", and
            where there is no frame before.
        flow_error: (n,), mean squared error of the small frames that the flow warped; None without FNet or flow.
    """

    estimate: Tensor
    flow: Tensor | None = None
    flow_error: Tensor | None = None


def carried_motion(x: Tensor, scale: int) -> Tensor:
    """The displacement to the frame before that samples carry, px of the small frames, (n, t, 2), to the right first.

    Args:
        x: (n, t, c + 2, h, w) on [−1, 1], as `moving-flow` has them: bytes of 128 and two a pixel of the large frames.
        scale: by which the small frames are smaller.
    """
    code = ((x[:, :, -MOTION:, 0, 0] + 1) * 127.5).round()
    return (code - 128) / (2 * scale)


def carried_estimate(estimate: Tensor, flow: Tensor, scale: int, phase: int, border: Border) -> Tensor:
    """S_s(WP(estimate, UP(flow))): the estimate before where the flow says, as channels of the small frame.

    The displacement is interpolated and multiplied by the scale; interpolating positions would be wrong at borders.

    Args:
        estimate: (n, c, sh, sw).
        flow: (n, 2, h, w), px of the small frames.
        scale: s.
        phase: of the small frames' grid.
        border: what is seen outside the estimate.

    Returns:
        (n, c·s², h, w).
    """
    large = scale * upsample(flow, scale, phase, "linear")
    return space_to_depth(warp(estimate, large, border), scale)


def flow_error(before: Tensor, now: Tensor, flow: Tensor, border: Border) -> Tensor:
    """‖WP(I_{t−1}, F) − I_t‖² of each frame, (n,), a mean over its values (eq. 3.8)."""
    return (warp(before, flow, border) - now).square().flatten(1).mean(1)


def beside(frames: Tensor) -> tuple[Tensor, Tensor]:
    """The frame before each of a clip (n, t, …) and the one behind; the first and the last stand in for none."""
    return torch.cat((frames[:, :1], frames[:, :-1]), 1), torch.cat((frames[:, 1:], frames[:, -1:]), 1)


def motion_beside(motion: Tensor) -> tuple[Tensor, Tensor]:
    """The displacements (n, t, 2) to the frame before and to the one behind, which is looked up the other way."""
    return motion, torch.cat((-motion[:, 1:], torch.zeros_like(motion[:, :1])), 1)
