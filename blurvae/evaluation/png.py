"""A PNG file written from above to below, so that a picture never has to be in memory whole."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from blurvae.datasets.core import Pixels

SIGNATURE, PAETH = b"\x89PNG\r\n\x1a\n", 4  # the filter of all rows, which suits photographs
KINDS = {1: 0, 3: 2}  # of a picture by its channels: grey and RGB


def write_png(path: Path, shape: tuple[int, int, int], bands: Iterable[Pixels]) -> None:
    """Writes a picture of 8 bits a channel whose rows come band by band.

    Args:
        path: of the file.
        shape: (c, h, w) of the whole, c = 1 or 3.
        bands: uint8 (c, rows, w), from above to below; any number of rows each.

    Raises:
        ValueError: the bands are not a picture of that shape; the file is not whole then.
        OSError: it cannot be written.
    """
    c, h, w = shape
    before, done, coder = np.zeros((w, c), np.uint8), 0, zlib.compressobj()
    with path.open("wb") as out:
        out.write(SIGNATURE)
        _chunk(out, b"IHDR", struct.pack(">IIBBBBB", w, h, 8, KINDS[c], 0, 0, 0))
        for band in bands:
            if band.shape[::2] != (c, w) or band.dtype != np.uint8:
                raise ValueError(f"A picture of shape {shape} has no band of {band.shape} and {band.dtype}.")
            for row in band.transpose(1, 2, 0):  # (w, c)
                _chunk(out, b"IDAT", coder.compress(bytes([PAETH]) + _filtered(row, before)))
                before = row
            done += band.shape[1]
        if done != h:
            raise ValueError(f"A picture of shape {shape} has {h} rows, and {done} came.")
        _chunk(out, b"IDAT", coder.flush())
        _chunk(out, b"IEND", b"")


def _chunk(out: BinaryIO, kind: bytes, data: bytes) -> None:
    if data or kind == b"IEND":
        out.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


def _filtered(row: Pixels, above: Pixels) -> bytes:
    """A row (w, c) less what its neighbours let expect: of the three whichever is nearest to left + above − corner."""
    up = above.astype(np.int16)
    left, corner = (np.concatenate((np.zeros_like(up[:1]), of[:-1])) for of in (row.astype(np.int16), up))
    by_left, by_up, by_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    nearest = np.where(by_up <= by_corner, up, corner)
    nearest = np.where((by_left <= by_up) & (by_left <= by_corner), left, nearest)
    return (row - nearest).astype(np.uint8).tobytes()
