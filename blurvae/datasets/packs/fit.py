"""Images are brought to the size that is asked for, in the one way that suits their data set."""

from __future__ import annotations

from typing import Literal

import numpy as np

from blurvae.datasets.core import Pixels
from blurvae.datasets.pixels import box_average, random_patches

Fit = Literal["exact", "crop", "patch", "pad", "shrink"]


def pad(images: Pixels, height: int, width: int, level: int = 0) -> Pixels:
    """Images in the middle of larger ones of one grey level, black by default, uint8 (n, c, height, width)."""
    h, w = images.shape[-2:]
    result = np.full((*images.shape[:2], height, width), level, np.uint8)
    top, left = (height - h) // 2, (width - w) // 2
    result[..., top : top + h, left : left + w] = images
    return result


def fit_size(name: str, images: Pixels, size: int | None, fit: Fit, first: int = 0, level: int | None = None) -> Pixels:
    """Bring images to size × size pixels in the one way that suits the data set.

    Args:
        name: for messages.
        images: uint8 (n, c, h, w).
        size: side in pixels; None leaves the images as they are.
        fit: "exact" allows no other size, "crop" takes the centre (a view, nothing is copied), "patch" one random
            patch an image (see `random_patches`), "pad" adds black pixels around, "shrink" averages boxes, which
            needs a whole number of pixels per box.
        first: index of the first image in the pack, which "patch" draws by.
        level: the grey level with which "crop" pads to larger sizes; None where the card states none.

    Raises:
        ValueError: the images cannot have that size.
    """
    h, w = images.shape[-2:]
    if size is None or (h, w) == (size, size):
        return images
    if fit == "crop" and h >= size and w >= size:
        top, left = (h - size) // 2, (w - size) // 2
        return images[..., top : top + size, left : left + size]
    if fit == "patch" and h >= size and w >= size:
        return random_patches(images, size, first)
    if h <= size and w <= size and (fit == "pad" or (fit == "crop" and level is not None)):
        return pad(images, size, size, level or 0)
    if fit == "shrink" and h == w and h % size == 0:
        return box_average(np.asarray(images), h // size)
    ways = {
        "exact": "no other size",
        "crop": "any smaller square, cut from the centre",
        "patch": "any smaller square, one random patch of each",
        "pad": "any larger square, padded with black",
        "shrink": "any whole fraction of it",
    }
    way_out = ' (or give its card.json the field "pad", the grey level to pad with, such as 0)' * (fit == "crop")
    raise ValueError(f"{name} has images of {h}×{w} px, and offers {ways[fit]}{way_out}: size={size} is none of these.")


def inner(before: Pixels, after: Pixels) -> tuple[int, int] | None:
    """(h, w) of the images that `fit_size` has put into larger ones; None where it has not."""
    h, w = before.shape[-2:]
    return (h, w) if after.shape[-2] > h or after.shape[-1] > w else None
