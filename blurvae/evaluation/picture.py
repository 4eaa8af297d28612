"""A picture of the reader's own: sharpened by chapter 3, or reconstructed by a model square by square."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from blurvae import blur, metrics
from blurvae.datasets import to_float
from blurvae.datasets.core import Pixels
from blurvae.evaluation.base import BATCH, to_bytes, unit
from blurvae.models import VAE

ROUNDED = (1 / 255) ** 2 / 12  # variance that rounding to 8 bits adds


def choose_C(pixels: Pixels, kernel: Tensor) -> float:
    """`blur.automatic_C` of the mean spectrum of the channels.

    Args:
        pixels: uint8 (c, h, w), blurred.
        kernel: (K, K), that blurred them.

    Raises:
        ValueError: a kernel that does not fit.
    """
    spectra = [blur.tile_spectrum(_floats(channel)) for channel in pixels]
    return blur.automatic_C(torch.stack(spectra).mean(0), kernel, ROUNDED)


def sharpen(pixels: Pixels, kernel: Tensor, C: float) -> Pixels:
    """`blur.deblur` of each channel, one after another, so that memory holds the spectra of one; clamped and rounded.

    Args:
        pixels: uint8 (c, h, w), blurred.
        kernel: (K, K), of sum 1.
        C: ≥ 0.

    Raises:
        ValueError: a C that is negative or not finite, or a kernel that does not fit.
    """
    result = np.empty_like(pixels)
    for target, channel in zip(result, pixels):
        target[:] = to_bytes(blur.deblur(_floats(channel)[None, None], kernel, C)[0, 0].clamp(0, 1))
    return result


def _floats(channel: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(channel)).float().div_(255)


def squares(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """A picture (c, h, w) cut from the top left into (n, c, *size), row by row; what fills none is left out.

    Raises:
        ValueError: not one fits.
    """
    (c, h, w), (a, b) = pixels.shape, size
    rows, columns = h // a, w // b
    if not rows * columns:
        raise ValueError(f"The picture has {w}×{h} px and the model takes {b}×{a}: give it a larger picture.")
    grid = pixels[:, : rows * a, : columns * b].reshape(c, rows, a, columns, b)
    return np.ascontiguousarray(grid.transpose(1, 3, 0, 2, 4)).reshape(-1, c, a, b)


def together(images: Pixels, columns: int) -> Pixels:
    """Squares (n, c, h, w), row by row, as one picture: the inverse of `squares`."""
    n, c, a, b = images.shape
    grid = images.reshape(n // columns, columns, c, a, b).transpose(2, 0, 3, 1, 4)
    return np.ascontiguousarray(grid).reshape(c, n // columns * a, columns * b)


class Reconstructed(NamedTuple):
    """A picture's squares and what a model makes of them.

    Attributes:
        original: uint8 (c, h, w), the squares.
        reconstruction: uint8 (c, h, w).
        psnr: (n,), dB, of each square.
        ssim: (n,).
        log_spectrum_distance: of the squares, nats.
    """

    original: Pixels
    reconstruction: Pixels
    psnr: Tensor
    ssim: Tensor
    log_spectrum_distance: float


@torch.no_grad()
def reconstruct(vae: VAE, pixels: Pixels) -> Reconstructed:
    """Cuts a picture into squares of the model's size and reconstructs each from z = μ.

    Args:
        vae: the model, in evaluation mode.
        pixels: uint8 (c, h, w), c the model's.

    Raises:
        ValueError: a picture smaller than the model's.
    """
    _, a, b = vae.image_shape
    images = squares(pixels, (a, b))
    columns = pixels.shape[-1] // b
    x = torch.from_numpy(images).float() / 255
    batches = torch.from_numpy(images).split(BATCH)
    x_hat = torch.cat([unit(vae(to_float(batch)).x_hat) for batch in batches])
    return Reconstructed(
        together(images, columns),
        together(to_bytes(x_hat), columns),
        metrics.over_batches(metrics.psnr, x, x_hat),
        metrics.over_batches(metrics.ssim, x, x_hat),
        metrics.log_spectrum_distance(x_hat, x),
    )
