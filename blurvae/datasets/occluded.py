"""`moving-occluded`: clips of `moving-flow` across which a square of another photograph goes its own way.

Where it was, the frame before does not show what a frame shows: what comes into sight there has no sample yet. Squares
are put into the photographs' windows before these are averaged down, so edges may lie on half pixels.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt

from blurvae.datasets import moving
from blurvae.datasets.core import ClipSet, Dataset, Pixels, Request, checksum
from blurvae.datasets.moving import CARD as MOVING
from blurvae.datasets.moving import FRAMES, LARGEST, SIZE
from blurvae.datasets.natural import PHOTOGRAPHS, box_means, corners_of, photographs

SHARE = 3 / 8  # of a frame's side, the square's
SPEED = 4  # px of the photograph a frame at most, in either direction
_SEEDS = {"train": 41, "test": 42}


def squares(
    split: str, size: int, way: npt.NDArray[np.int64], own: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """What moves by itself: (photograph, y, x) of each square, (n, 3), and its corner in the window, (n, frames, 2).

    None moves as its scene does; halfway through the clip its centre is in the middle half of the frame.

    Args:
        split: "train" or "test".
        size: of the frames, px.
        way: of the windows over their photographs, (n, frames, 2).
        own: the photograph of each clip, (n,), which its square does not come from.
    """
    n, frames = way.shape[:2]
    rng, side = np.random.default_rng(_SEEDS[split]), _side(size)
    free = corners_of(split, SIZE, side)
    other = [free[free[:, 0] != index] for index in range(len(PHOTOGRAPHS))]
    draws = rng.random((n,)).tolist()
    chosen = np.stack([other[index][int(draw * len(other[index]))] for index, draw in zip(own.tolist(), draws)])
    velocity = np.floor(rng.random((n, 2)) * (2 * SPEED + 1)).astype(np.int64) - SPEED
    scene = way[:, 0] - way[:, 1]  # how its scene moves through the frame
    velocity = np.where((velocity == scene).all(1)[:, None], -scene, velocity)
    middle = np.floor((0.5 + rng.random((n, 2))) * size).astype(np.int64) - side // 2
    return chosen, middle[:, None] + velocity[:, None] * (np.arange(frames)[:, None] - frames // 2)


def _side(size: int) -> int:
    """Of a square in px of the photograph."""
    return 2 * round(SHARE * size)


@cache
def _clips(split: str, size: int) -> tuple[Pixels, npt.NDArray[np.float32], npt.NDArray[np.bool_], str]:
    whole = list(photographs().values())
    cut, way = moving.cut(split, size, FRAMES)
    chosen, corner = squares(split, size, way, cut[:, 0])
    side, large = _side(size), 2 * size
    images = np.empty((len(cut), FRAMES, 3, size, size), np.uint8)
    cover = np.empty((len(cut), FRAMES, size, size), np.bool_)
    for i, ((index, top, left), (other, y, x)) in enumerate(zip(cut.tolist(), chosen.tolist())):
        square = whole[other][:, y : y + side, x : x + side]
        for t, ((down, right), (above, before)) in enumerate(zip(way[i].tolist(), corner[i].tolist())):
            window = whole[index][:, top + down : top + down + large, left + right : left + right + large].copy()
            hidden = np.zeros((large, large), np.bool_)
            rows, columns = (slice(max(0, at), max(0, min(large, at + side))) for at in (above, before))
            window[:, rows, columns] = square[
                :, rows.start - above : rows.stop - above, columns.start - before : columns.stop - before
            ]
            hidden[rows, columns] = True
            images[i, t] = box_means(window, 2)[:, ::2, ::2]
            cover[i, t] = hidden.reshape(size, 2, size, 2).any((1, 3))
    motion = moving.motion_of(way)
    both = moving.with_motion(images, motion)
    cover.flags.writeable = False
    return both, motion, cover, checksum(both)


def _load(request: Request) -> ClipSet:
    size = request.size or SIZE
    if not 16 <= size <= LARGEST or size % 4:
        raise ValueError(f"moving-occluded has frames of 16 to {LARGEST} px, in steps of 4, not of {size}.")
    images, motion, cover, digest = _clips(request.split, size)
    facts = CARD.name, request.split, images, None, CARD.source, CARD.licence, None, digest
    return ClipSet(*facts, motion=motion, cover=cover)


CARD = replace(
    MOVING,
    name="moving-occluded",
    title="the clips of moving-flow with a square before each of them that goes its own way",
    shape=(FRAMES, 5, SIZE, SIZE),
    reference={
        "train": "6d89702f40b6c40a955f03319df4fb31e75a6a04dda111c7ada55509c81e47ce",
        "test": "9e38df4bce3a036538aca73e80a9af490eb205e08919ce79e693eeabf4c25a00",
    },
)
DATASET = Dataset(CARD, _load)
