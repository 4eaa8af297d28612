"""A picture of any size enlarged in tiles: bounded memory, and the same pixels as in one piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from blurvae.datasets.core import Pixels
from blurvae.evaluation.base import to_bytes, unit
from blurvae.models.enhancenet import Generator

TILE = 96  # px of the small picture, without what a tile sees around it


class Tile(NamedTuple):
    """A part of a small picture along one side of it.

    Attributes:
        first: of the pixels that it enlarges.
        stop: behind the last of them.
        low: the first pixel that it sees.
        high: behind the last of them.
    """

    first: int
    stop: int
    low: int
    high: int


def tiles(length: int, tile: int, reach: int) -> Iterator[Tile]:
    """A side in tiles, each with as much around it as a network sees, and no more than there is.

    At the border of the picture a tile has that border, so that the network continues it as it does in one piece.
    """
    for first in range(0, length, tile):
        stop = min(length, first + tile)
        yield Tile(first, stop, max(0, first - reach), min(length, stop + reach))


@torch.no_grad()
def upscale(
    generator: Generator,
    pixels: Pixels,
    tile: int = TILE,
    progress: Callable[[Iterable[tuple[Tile, Tile]]], Iterable[tuple[Tile, Tile]]] = lambda steps: steps,
) -> Pixels:
    """Enlarges a picture tile by tile; beside the result it takes the memory of one tile.

    Args:
        generator: a trained one of three channels, in evaluation mode.
        pixels: uint8 (c, h, w), c = 3, or 1 for a grey one, which goes through the network as three equal channels and
            comes back as their mean.
        tile: px, side of a tile of the small picture.
        progress: wraps the tiles, for a bar.

    Returns:
        uint8 (c, scale·h, scale·w).

    Raises:
        ValueError: a tile of no pixels, or another number of channels.
    """
    c, h, w = pixels.shape
    if tile < 1 or c not in (1, 3):
        raise ValueError(f"A picture of 1 or 3 channels is enlarged in tiles of 1 px at least, not {c} and {tile}.")
    s, place = generator.scale, next(generator.parameters()).device
    result = np.empty((c, s * h, s * w), np.uint8)
    steps = [(y, x) for y in tiles(h, tile, generator.reach) for x in tiles(w, tile, generator.reach)]
    for y, x in progress(steps):
        part = torch.from_numpy(np.array(pixels[:, y.low : y.high, x.low : x.high])).to(place).float()
        large = unit(generator((part / 127.5 - 1).expand(3, -1, -1)[None]))[0]
        large = large[:, s * (y.first - y.low) : s * (y.stop - y.low), s * (x.first - x.low) : s * (x.stop - x.low)]
        large = large.mean(0, keepdim=True) if c == 1 else large
        result[:, s * y.first : s * y.stop, s * x.first : s * x.stop] = to_bytes(large)
    return result
