"""What all metrics ask of their images, and how large a batch they look at in one go."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

TOLERANCE = 1e-4  # rounding of a mapping from [−1, 1] or from 8 bits must not be taken for a wrong range


def images(x: Tensor, name: str = "images", *, values: bool = True) -> None:
    """Raises unless `x` is a batch of images (n, c, h, w) on [0, 1] in float32 or float64.

    Args:
        x: the images.
        name: what the message calls them.
        values: False leaves out the look at the pixels, for which a GPU would have to be waited for.

    Raises:
        ValueError: no tensor, wrong shape, number type or range, or NaN.
    """
    if not isinstance(x, Tensor):
        raise ValueError(f"{name} must be a torch tensor, not {type(x).__name__}: convert it with torch.from_numpy.")
    if x.ndim != 4 or x.numel() == 0:
        raise ValueError(f"{name} must be a batch (n, c, h, w) with n ≥ 1, but its shape is {tuple(x.shape)}.")
    if x.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{name} must be float32 or float64 on [0, 1], not {x.dtype}: convert it first.")
    if values:
        low, high = (v.item() for v in x.detach().aminmax())
        if low != low or high != high:
            raise ValueError(f"{name} holds NaN: look for the step of the model or the loader that made it.")
        if low < -TOLERANCE or high > 1 + TOLERANCE:
            raise ValueError(
                f"{name} reaches from {low:.4g} to {high:.4g}, outside [0, 1]: map [−1, 1] with (x + 1) / 2."
            )


def pair(x: Tensor, y: Tensor, names: tuple[str, str] = ("x", "y"), *, values: bool = True) -> None:
    """Raises unless both are images as `images` asks, of one shape.

    Raises:
        ValueError: see `images`; or two shapes.
    """
    for image, name in zip((x, y), names, strict=True):
        images(image, name, values=values)
    if x.shape != y.shape:
        raise ValueError(
            f"{names[0]} and {names[1]} are compared image by image, but have the shapes {tuple(x.shape)} and "
            f"{tuple(y.shape)}."
        )


def same_kind(a: Sequence[int], b: Sequence[int], names: tuple[str, str] = ("a", "b")) -> None:
    """Raises unless the images of two sets have one shape (c, h, w); the sizes of the sets may differ.

    Raises:
        ValueError: two shapes of image.
    """
    if tuple(a) != tuple(b):
        raise ValueError(
            f"{names[0]} and {names[1]} must hold images of one shape (c, h, w), not {tuple(a)} and {tuple(b)}."
        )


def batch_size(x: Tensor, side: int | None = None) -> int:
    """Images a batch such that its widest layer stays small: in the cache of a CPU, at some hundred MB on a GPU.

    Args:
        x: (n, c, h, w), the set.
        side: px, the size at which a network sees the images; None: their own.
    """
    pixels = side * side if side else x.shape[-2] * x.shape[-1]
    return max(1, (2**18 if x.device.type == "cpu" else 2**22) // pixels)


def vectors(a: Tensor, b: Tensor, names: tuple[str, str] = ("real", "generated")) -> None:
    """Raises unless both are sets (n, d) of finite feature vectors, as many in one as in the other.

    Raises:
        ValueError: no tensors, other shapes, two sizes, values that are not finite.
    """
    for x, name in zip((a, b), names, strict=True):
        if not isinstance(x, Tensor) or x.ndim != 2 or not x.numel() or not x.is_floating_point():
            found = f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"{name} must be a floating-point tensor of features (n, d), not {found}.")
        if not x.isfinite().all():
            raise ValueError(
                f"{name} holds values that are not finite: look at the images and at the features' network."
            )
    if a.shape != b.shape:
        raise ValueError(
            f"{names[0]} and {names[1]} are compared in equal numbers of features of one length, but have the shapes "
            f"{tuple(a.shape)} and {tuple(b.shape)}: leave the surplus out."
        )
