"""What JPEG leaves of an image (ITU-T T.81): blocks of cosines, rounded, as libjpeg's encoder and decoder have it."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from blurvae.resampling.upsampling import upsample

BLOCK = 8
# Annex K of the recommendation: luma's table, and chroma's upper left quarter, beyond which all is 99.
_LUMA = """16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"""
_CHROMA = "17 18 24 47 18 21 26 66 24 26 56 99 47 66 99 99"
_RED, _BLUE = 0.299, 0.114  # BT.601


class _Constants(NamedTuple):
    basis: Tensor  # (8, 8): pixel → coefficient of a row
    luma: Tensor  # (8, 8): steps of the coefficients, grey levels
    chroma: Tensor


def jpeg(x: Tensor, quality: int) -> Tensor:
    """Compresses images and opens them again; chroma is halved (4:2:0) and comes back by linear interpolation.

    Rounding has no slope, so nothing before it learns. Against libjpeg single levels differ by rounding.

    Args:
        x: (n, c, h, w) on [0, 1], c = 1 or 3; brought to 8 bits first.
        quality: 1 to 100, as libjpeg counts it.

    Returns:
        The same shape, at 8 bits.

    Raises:
        ValueError: a quality out of its range, or another number of channels.
    """
    if type(quality) is not int or not 1 <= quality <= 100:
        raise ValueError(f"JPEG has qualities from 1 to 100, not {quality!r}.")
    if x.shape[1] not in (1, 3):
        raise ValueError(f"JPEG takes images of 1 or 3 channels, not of {x.shape[1]}.")
    known, (h, w) = _constants(quality, x.dtype, x.device), x.shape[-2:]
    levels = (255 * x.clamp(0, 1)).round()
    if x.shape[1] == 1:
        return _decoded(_even(levels, BLOCK), known.basis, known.luma)[..., :h, :w] / 255
    r, g, b = _even(levels, 2 * BLOCK).unbind(1)
    y = _RED * r + (1 - _RED - _BLUE) * g + _BLUE * b
    differences = torch.stack([(b - y) / (2 - 2 * _BLUE), (r - y) / (2 - 2 * _RED)], 1)
    means = avg_pool2d((differences + 128).round(), 2)  # (n, 2, h/2, w/2)
    columns = torch.arange(means.shape[-1], device=x.device) % 2
    chroma = (means + (1 + columns) / 4).floor()  # halves are rounded down and up in turn
    y = _decoded(y.round()[:, None], known.basis, known.luma)[:, 0]
    cb, cr = (upsample(_decoded(chroma, known.basis, known.chroma), 2, None, "linear").round() - 128).unbind(1)
    r, b = y + (2 - 2 * _RED) * cr, y + (2 - 2 * _BLUE) * cb
    g = (y - _RED * r - _BLUE * b) / (1 - _RED - _BLUE)
    return torch.stack([r, g, b], 1)[..., :h, :w].round().clamp(0, 255) / 255


def _even(x: Tensor, block: int) -> Tensor:
    """An image whose sizes divide: its last row and column are repeated."""
    h, w = x.shape[-2:]
    return pad(x, (0, -w % block, 0, -h % block), mode="replicate")


def _decoded(x: Tensor, basis: Tensor, steps: Tensor) -> Tensor:
    """Planes (n, c, h, w) in grey levels, their blocks' coefficients rounded to multiples of the steps."""
    blocks = (x - 128).unflatten(3, (-1, BLOCK)).unflatten(2, (-1, BLOCK)).transpose(3, 4)  # (n, c, i, j, 8, 8)
    coefficients = steps * (basis @ blocks @ basis.T / steps).round()
    made = (basis.T @ coefficients @ basis).transpose(3, 4).flatten(4, 5).flatten(2, 3)
    return (made + 128).round().clamp(0, 255)


@lru_cache(maxsize=8)
def _constants(quality: int, dtype: torch.dtype, device: torch.device) -> _Constants:
    """The cosines and the steps, kept: a GPU would be waited for each time they are copied to it."""
    with torch.inference_mode(False):
        n = torch.arange(BLOCK, dtype=torch.float64)
        cosines = torch.cos(math.pi * (2 * n + 1) * n[:, None] / (2 * BLOCK)) * math.sqrt(2 / BLOCK)  # (u, pixel)
        basis = torch.cat((cosines[:1] / math.sqrt(2), cosines[1:]))
        luma = torch.tensor([*map(float, _LUMA.split())], dtype=torch.float64).view(BLOCK, BLOCK)
        corner = torch.tensor([*map(float, _CHROMA.split())], dtype=torch.float64).view(4, 4)
        factor = 5000 // quality if quality < 50 else 200 - 2 * quality
        tables = (((t * factor + 50) // 100).clamp(1, 255) for t in (luma, pad(corner, (0, 4, 0, 4), value=99.0)))
        return _Constants(*(constant.to(device, dtype).contiguous() for constant in (basis, *tables)))
