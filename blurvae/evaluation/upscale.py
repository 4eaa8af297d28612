"""A picture of any size enlarged in tiles: bounded memory, and the same pixels as in one piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from blurvae.datasets.core import Pixels
from blurvae.evaluation.base import to_bytes, unit
from blurvae.resampling import imresize

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


Steps = Callable[[Iterable[tuple[Tile, Tile]]], Iterable[tuple[Tile, Tile]]]


class Network(Protocol):
    """What enlarges a picture.

    Attributes:
        scale: of either dimension.
        reach: px of the small picture that a pixel of the large one sees on either side, at most.
    """

    scale: int
    reach: int

    def parameters(self) -> Iterator[nn.Parameter]:
        """As of a module; they say on which device it is."""

    def __call__(self, low: Tensor) -> Tensor:
        """(n, 3, h, w) on [−1, 1] to (n, 3, scale·h, scale·w)."""


class Bicubic(nn.Module):
    """Bicubic enlargement in the place of a network: MATLAB's, which every table has as a row.

    Args:
        scale: 2, 3, 4, ….
    """

    reach = 4

    def __init__(self, scale: int = 4) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, low: Tensor) -> Tensor:
        """Any (n, c, h, w) to (n, c, scale·h, scale·w)."""
        return imresize(low, self.scale)


class Piece(NamedTuple):
    """A part of a large picture.

    Attributes:
        rows: where it lies.
        columns: likewise.
        pixels: (n, c, h, w).
    """

    rows: slice
    columns: slice
    pixels: Tensor


def enlarged(
    network: Callable[[Tensor], Tensor], low: Tensor, scale: int, reach: int, tile: int, progress: Steps = iter
) -> Iterator[Piece]:
    """The pieces of a large picture, which are those of the picture in one piece.

    Args:
        network: (n, c, h, w) to (n, c′, scale·h, scale·w).
        low: (n, c, h, w), of any type that the network takes.
        scale: of either dimension.
        reach: px of the small picture that the network sees around a pixel.
        tile: px, side of a tile of the small picture.
        progress: wraps the tiles, for a bar.
    """
    h, w = low.shape[-2:]
    for y, x in progress([(y, x) for y in tiles(h, tile, reach) for x in tiles(w, tile, reach)]):
        large = network(low[..., y.low : y.high, x.low : x.high])
        top, left = scale * (y.first - y.low), scale * (x.first - x.low)
        rows, columns = (slice(scale * side.first, scale * side.stop) for side in (y, x))
        height, width = rows.stop - rows.start, columns.stop - columns.start
        yield Piece(rows, columns, large[..., top : top + height, left : left + width])


@torch.no_grad()
def bands(generator: Network, pixels: Pixels, tile: int = TILE, progress: Steps = iter) -> Iterator[Pixels]:
    """Enlarges a picture from above to below, a row of tiles at a time: no more of the large one is in memory.

    Args:
        generator: a trained one of three channels, in evaluation mode, or `Bicubic`.
        pixels: uint8 (c, h, w), c = 3, or 1 for a grey one, which goes through the network as three equal channels and
            comes back as their mean.
        tile: px, side of a tile of the small picture.
        progress: wraps the tiles, for a bar.

    Returns:
        uint8 (c, scale·tile, scale·w), of the last one fewer rows where the tiles do not divide the picture.

    Raises:
        ValueError: a tile of no pixels, or another number of channels.
    """
    c, _, w = pixels.shape
    if tile < 1 or c not in (1, 3):
        raise ValueError(f"A picture of 1 or 3 channels is enlarged in tiles of 1 px at least, not {c} and {tile}.")
    place = next((weights.device for weights in generator.parameters()), torch.device("cpu"))

    def network(part: Tensor) -> Tensor:
        large = unit(generator((part.to(place).float() / 127.5 - 1).expand(-1, 3, -1, -1)))
        return large.mean(1, keepdim=True) if c == 1 else large

    s = generator.scale
    band = np.empty((c, 0, s * w), np.uint8)
    for piece in enlarged(network, torch.from_numpy(np.array(pixels))[None], s, generator.reach, tile, progress):
        if piece.columns.start == 0:
            band = np.empty((c, piece.rows.stop - piece.rows.start, s * w), np.uint8)
        band[:, :, piece.columns] = to_bytes(piece.pixels[0])
        if piece.columns.stop == s * w:
            yield band


def upscale(generator: Network, pixels: Pixels, tile: int = TILE, progress: Steps = iter) -> Pixels:
    """The bands of a picture as one, uint8 (c, scale·h, scale·w); for arguments and errors see `bands`."""
    (c, h, w), s, top = pixels.shape, generator.scale, 0
    result = np.empty((c, s * h, s * w), np.uint8)
    for band in bands(generator, pixels, tile, progress):
        result[:, top : top + band.shape[1]] = band
        top += band.shape[1]
    return result
