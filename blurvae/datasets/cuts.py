"""Where a clip is cut: what one frame shows has nothing to do with the one before, and nothing may be carried over."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from blurvae.datasets.core import Pixels

THRESHOLD = 25.5
"""Grey levels, a tenth of their range: the value at which FFmpeg's filter `scdet` finds cuts too."""

GRID = 32  # cells a side, over which a frame is averaged: noise and small motion do not count
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of BT.601


class CutFinder:
    """Tells frame by frame whether a new scene begins, from what a frame looks like in 32×32 cells.

    The change c between two frames is the mean absolute difference of their cells' luma, in grey levels. There is a cut
    where min(c, c − c₀) is at least the threshold, c₀ the change before it: what moves fast changes much each time, and
    a cut changes much at once. Within the real clips at hand (DAVIS, Vid4) the value is 11 at most; between two
    photographs of BSD100 it is above 25.5 for 99 of 100 pairs. A fade is no cut, a scene of a single frame has one
    where it begins only, and a cut between two views of as much light in the same places is not seen.

    Args:
        threshold: grey levels of 255.

    Attributes:
        look: luma of the last frame's cells; None before the first.
        change: the last one, grey levels.
    """

    def __init__(self, threshold: float = THRESHOLD) -> None:
        if not 0 < threshold <= 255:
            raise ValueError(f"The threshold of a cut lies above 0 and up to 255 grey levels, not at {threshold!r}.")
        self.threshold, self.change = threshold, 0.0
        self.look: npt.NDArray[np.float32] | None = None

    def __call__(self, pixels: Pixels) -> bool:
        """Whether a scene begins with this frame, uint8 (3, h, w); the first frame of all begins one."""
        look, before = cells(pixels), self.look
        self.look = look
        if before is None:
            return True
        change, last = float(np.abs(look - before).mean()), self.change
        self.change = change
        return min(change, change - last) >= self.threshold


def cells(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Mean luma, 0 to 255, of the cells of a frame (3, h, w), as many a side as it has pixels for, 32 at most."""
    h, w = pixels.shape[-2:]
    luma = np.tensordot(_LUMA, pixels.astype(np.float32), 1)
    rows, columns = (np.arange(min(GRID, n)) * n // min(GRID, n) for n in (h, w))
    sums = np.add.reduceat(np.add.reduceat(luma, rows, 0), columns, 1)
    areas = np.outer(np.diff(np.append(rows, h)), np.diff(np.append(columns, w)))
    return (sums / areas).astype(np.float32)
