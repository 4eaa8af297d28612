"""How much of a reference's sharpness an image has lost, by the largest difference of each pixel from its neighbours.

Karna and Tanneru, "Introducing sharpness measure in variational autoencoders and variational autoencoder generative
adversarial networks" (a student report), after Zhang et al., "A new method for full reference image blur measure".
"""

from __future__ import annotations

import torch
from torch import Tensor

from blurvae.metrics import _check

NEIGHBOURS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0))


def neighbour_differences(x: Tensor) -> Tensor:
    """Each of the eight neighbours minus the pixel; a pixel at the border has not all of them, and is left out.

    Args:
        x: (n, c, h, w), at least 3×3 px.

    Returns:
        (n, c, 8, h − 2, w − 2), the neighbours from the top left, row by row.

    Raises:
        ValueError: images below 3×3 px.
    """
    h, w = x.shape[-2:]
    if min(h, w) < 3:
        raise ValueError(f"Only images of at least 3×3 px have a pixel with eight neighbours, not {h}×{w}.")
    centre = x[..., 1:-1, 1:-1]
    return torch.stack([x[..., 1 + dy : h - 1 + dy, 1 + dx : w - 1 + dx] - centre for dy, dx in NEIGHBOURS], 2)


def neighbour_maximum(x: Tensor, *, absolute: bool = False) -> Tensor:
    """m_j, the largest of the eight differences at each pixel: (n, c, h, w) → (n, c, h − 2, w − 2).

    Args:
        x: (n, c, h, w), at least 3×3 px.
        absolute: the largest in size. Else, as the report's filters have it, the largest with its sign: bright lines
            count at the dark pixels beside them, and a bright pixel alone has negative differences only.
    """
    differences = neighbour_differences(x)
    return (differences.abs() if absolute else differences).amax(2)


def sharpness(x: Tensor, *, absolute: bool = False) -> Tensor:
    """Z, the mean of m_j over pixels and channels: (n, c, h, w) on [0, 1] → (n,).

    Raises:
        ValueError: values outside [0, 1], NaN, images below 3×3 px.
    """
    _check.images(x)
    return neighbour_maximum(x, absolute=absolute).flatten(1).mean(1)


def blur_percentage(reference: Tensor, x: Tensor, *, absolute: bool = False) -> Tensor:
    """(Z₁ − Z₂)/Z₁ · 100, Z₁ of the reference and Z₂ of the image: 0 for equal images, 100 for a flat one.

    It rewards noise with negative values, and a shifted or mirrored image has 0: it compares two numbers, not images.

    Args:
        reference: (n, c, h, w), on [0, 1], none of them flat.
        x: (n, c, h, w), on [0, 1].
        absolute: see `neighbour_maximum`.

    Returns:
        (n,), per cent, at most 100 where `absolute`.

    Raises:
        ValueError: shapes that differ, values outside [0, 1], NaN, images below 3×3 px, a flat reference.

    Example:
        >>> x = torch.zeros(1, 1, 5, 5)
        >>> x[..., 2, 2] = 1
        >>> blur_percentage(x, x / 4)
        tensor([75.])
    """
    _check.pair(reference, x, ("reference", "x"))
    z1, z2 = (sharpness(images, absolute=absolute) for images in (reference, x))
    if (z1 <= 0).any():
        raise ValueError("A reference image is flat, so that no share of its sharpness can be lost: leave it out.")
    return lost(z1, z2)


def lost(z1: Tensor, z2: Tensor) -> Tensor:
    """The per cent of a sharpness Z₁ > 0 that Z₂ lacks."""
    return 100 * (z1 - z2) / z1
