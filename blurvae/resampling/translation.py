"""By how much one frame is shifted against another, found from the two alone."""

from __future__ import annotations

import torch
from torch import Tensor

from blurvae.resampling.warp import warp

ROUNDS = 4  # of linearisation; shifts below half a pixel settle in two


def translation(before: Tensor, now: Tensor, rounds: int = ROUNDS) -> Tensor:
    """The one displacement d of least ‖W(before, d) − now‖², linearised again and again (Lucas and Kanade 1981).

    In each round d grows by the least-squares solution δ of ∇I·δ = now − W(before, d), with ∇I the central differences
    of the mean of the two sides. A shift of more than a pixel or two is not found without coarser frames before.

    Args:
        before: (n, c, h, w), floats; h and w ≥ 4.
        now: (n, c, h, w).
        rounds: of linearisation.

    Returns:
        (n, 2), px: where `before` is looked up for what `now` shows, to the right first, as `warp` takes it.

    Raises:
        ValueError: frames of two shapes, or too small ones.
    """
    if before.shape != now.shape or before.ndim != 4 or min(before.shape[-2:]) < 4:
        raise ValueError(
            f"Two batches of frames of at least 4×4 px are compared, not {tuple(before.shape)} and {tuple(now.shape)}."
        )
    h, w = now.shape[-2:]
    found = now.new_zeros(len(now), 2)
    for _ in range(rounds):
        moved = warp(before, found[:, :, None, None].expand(-1, -1, h, w))
        middle = (moved + now) / 2
        across = (middle[..., 1:-1, 2:] - middle[..., 1:-1, :-2]) / 2
        down = (middle[..., 2:, 1:-1] - middle[..., :-2, 1:-1]) / 2
        slopes = torch.stack((across, down), -1).flatten(1, 3)  # (n, c(h − 2)(w − 2), 2)
        missing = (now - moved)[..., 1:-1, 1:-1].flatten(1)[..., None]
        found = found + torch.linalg.lstsq(slopes, missing).solution[..., 0]
    return found
