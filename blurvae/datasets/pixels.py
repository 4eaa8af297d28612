"""What is done with pixels: smaller ones, patches, and the way to the floats that models see and back."""

from __future__ import annotations

import numpy as np
import torch

from blurvae.datasets.core import Pixels


def box_average(images: Pixels, factor: int) -> Pixels:
    """Shrink by averaging boxes of factor × factor pixels, rounded to the nearest integer (halves up).

    Integer arithmetic, so that every machine gets the same pixels.

    Args:
        images: uint8 (..., h, w) with h and w divisible by `factor`.
        factor: the side of a box, 1 to 4096 (the sum of a box must fit 32 bits).
    """
    *lead, h, w = images.shape
    boxes = images.reshape(*lead, h // factor, factor, w // factor, factor)
    area = factor * factor
    return ((boxes.sum(axis=(-3, -1), dtype=np.uint32) + area // 2) // area).astype(np.uint8)


PATCH_SEED = 64
PATCH_TRIES = 16
PATCH_LEAST = 0.25
"""Share of pixels above 0 that a random patch should have; if all of `PATCH_TRIES` have less, the fullest is taken."""


def random_patches(images: Pixels, size: int, first: int = 0) -> Pixels:
    """One patch of size × size pixels of each image, at a place that depends on the image's index alone.

    Places are uniform over all that lie within the image. One with fewer than a quarter of its pixels above 0 is drawn
    again, so that a slice of a head gives no patch of air.

    Args:
        images: uint8 (n, c, h, w), h and w at least `size`; may be a memory map, of which only the patches are read.
        size: side of the patches.
        first: index of the first image in its data set, so that a part of the set has the patches of the whole.

    Returns:
        uint8 (n, c, size, size).
    """
    n, c, h, w = images.shape
    draws = np.random.default_rng(PATCH_SEED).random((first + n, PATCH_TRIES, 2))[first:]
    places = (draws * (h - size + 1, w - size + 1)).astype(np.int64).tolist()
    result = np.empty((n, c, size, size), np.uint8)
    least = PATCH_LEAST * c * size * size
    for target, image, tries in zip(result, np.asarray(images), places):
        best = -1
        for y, x in tries:
            patch = image[:, y : y + size, x : x + size]
            filled = int(np.count_nonzero(patch))
            if filled > best:
                best, target[:] = filled, patch
            if filled >= least:
                break
    return result


def to_float(images: torch.Tensor | Pixels) -> torch.Tensor:
    """Pixels 0 to 255 as the float32 values in [−1, 1] that models see: x / 127.5 − 1.

    Raises:
        ValueError: the images are not uint8.
    """
    tensor = torch.from_numpy(np.array(images)) if isinstance(images, np.ndarray) else images
    if tensor.dtype != torch.uint8:
        raise ValueError(f"to_float takes uint8 pixels, not {tensor.dtype}: floats are in range already.")
    return tensor.to(torch.float32) / 127.5 - 1.0


def to_uint8(images: torch.Tensor) -> torch.Tensor:
    """Values in [−1, 1] as pixels 0 to 255, rounded to the nearest; values outside are clamped.

    Raises:
        ValueError: the images are not floating point, or hold NaN.
    """
    if not images.is_floating_point():
        raise ValueError(f"to_uint8 takes floats in [-1, 1], not {images.dtype}.")
    if torch.isnan(images).any():
        raise ValueError("to_uint8 was given NaN, which is no pixel value: look for a diverged model.")
    return ((images.to(torch.float32) + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
