"""How much a distance between images minds that one of them has moved."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

SHIFTS = (1, 2)  # px, that evaluations measure


def shifted(x: Tensor, pixels: int) -> Tensor:
    """Images moved left, right, up and down by whole pixels, (4, n, c, h, w); what comes in repeats the border.

    Args:
        x: (n, c, h, w).
        pixels: by how many, 1 or more, less than the images are wide and high.

    Raises:
        ValueError: a shift of no pixels, or beyond the images.
    """
    h, w = x.shape[-2:]
    if not 1 <= pixels < min(h, w):
        raise ValueError(f"Images of {h}×{w} px move by 1 to {min(h, w) - 1} px, not by {pixels}.")
    wide = pad(x, (pixels,) * 4, mode="replicate")
    corners = (pixels, 0), (pixels, 2 * pixels), (0, pixels), (2 * pixels, pixels)
    return torch.stack([wide[..., top : top + h, left : left + w] for top, left in corners])


def shift_sensitivity(distance: Callable[[Tensor, Tensor], Tensor], x: Tensor, pixels: int) -> float:
    """How far a shift moves an image, in units of how far another image is: 0 for an invariant distance.

    Args:
        distance: of two batches (n, c, h, w), (n,); not symmetric where it likes: the moved image comes second.
        x: (n, c, h, w), n ≥ 2, in the range that the distance takes; the next image is the other one.
        pixels: of the shift; the four directions are averaged.

    Returns:
        mean d(x, moved x) / mean d(x, next x); 1 says that a moved image is as far as another one.

    Raises:
        ValueError: a single image, a shift that `shifted` refuses, or images that the distance cannot tell apart.
    """
    if len(x) < 2:
        raise ValueError("A shift is measured against the distance of another image: pass at least 2, not 1.")
    apart = distance(x, x.roll(1, 0)).double().mean()
    if not apart > 0:
        raise ValueError("The distance is 0 between different images: nothing can be measured in its unit.")
    moved = torch.stack([distance(x, y).double().mean() for y in shifted(x, pixels)]).mean()
    return (moved / apart).item()
