"""Blocks of pixels as channels and back, in the order of eq. 3.5 of Sajjadi (2024)."""

from __future__ import annotations

from torch import Tensor


def space_to_depth(x: Tensor, scale: int) -> Tensor:
    """S_s(I)[i, j, k] = I[s·i + k % s, s·j + (k // s) % s, k // s²] (eq. 3.5).

    So channel k = c·s² + b·s + a holds row a and column b of each block. torch's `pixel_unshuffle` has a and b the
    other way round, TensorFlow's `space_to_depth` the channel c innermost; a network that is trained with one order
    and run with another sees scrambled pixels.

    Args:
        x: (n, c, h, w), h and w divisible by the scale.
        scale: s.

    Returns:
        (n, c·s², h/s, w/s).

    Raises:
        ValueError: sizes that do not divide.
    """
    h, w = x.shape[-2:]
    if h % scale or w % scale:
        raise ValueError(f"Blocks of {scale}×{scale} px do not divide images of {h}×{w} px.")
    blocks = x.unflatten(3, (w // scale, scale)).unflatten(2, (h // scale, scale))  # (n, c, i, a, j, b)
    return blocks.permute(0, 1, 5, 3, 2, 4).flatten(1, 3)


def depth_to_space(x: Tensor, scale: int) -> Tensor:
    """The inverse of `space_to_depth`: (n, c·s², h, w) to (n, c, s·h, s·w).

    Raises:
        ValueError: channels that do not divide by s².
    """
    if x.shape[1] % scale**2:
        raise ValueError(f"Blocks of {scale}×{scale} px take a multiple of {scale**2} channels, not {x.shape[1]}.")
    blocks = x.unflatten(1, (-1, scale, scale))  # (n, c, b, a, i, j)
    return blocks.permute(0, 1, 4, 3, 5, 2).flatten(4, 5).flatten(2, 3)
