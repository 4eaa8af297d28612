"""`moving`: clips cut from the embedded photographs along straight ways, so that the motion of every frame is known.

A window of twice the size wanders over a photograph by whole pixels and is averaged down by two: the clip moves by
multiples of half a pixel, which in frames a fourth as large are eighths of one. All of it is integer arithmetic on
lossless files, so the clips are the same on every machine.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt

from blurvae.datasets.core import Card, ClipSet, Dataset, Pixels, Request, checksum
from blurvae.datasets.natural import CARD as NATURAL
from blurvae.datasets.natural import PHOTOGRAPHS, box_means, corners_of, photographs

SIZE, LARGEST, FRAMES = 64, 64, 10
SPEED = 3  # px of the photograph a frame at most, in either direction
SPAN = SPEED * (FRAMES - 1)  # px that a window can wander; a longer clip turns back at the end
COUNTS = {"train": 256, "test": 48}
_SEEDS = {"train": 31, "test": 32}


def ways(n: int, frames: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Where the window of each clip is, (n, frames, 2) as (y, x) in px, from 0 to `SPAN`; none stands still.

    Both velocities are whole numbers of at most `SPEED`, and ten frames go straight on.
    """
    velocity = np.floor(rng.random((n, 2)) * (2 * SPEED + 1)).astype(np.int64) - SPEED
    velocity[(velocity == 0).all(1), 1] = 1
    reach = np.abs(velocity) * (FRAMES - 1)
    start = np.floor(rng.random((n, 2)) * (SPAN - reach + 1)).astype(np.int64) + np.where(velocity < 0, reach, 0)
    straight = start[:, None] + velocity[:, None] * np.arange(frames)[:, None]
    turned = straight % (2 * SPAN)
    return np.where(turned > SPAN, 2 * SPAN - turned, turned)


def cut(split: str, size: int, frames: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where clips are cut: (photograph, y, x) of each one's way, (n, 3), and the window along it, (n, frames, 2)."""
    n = max(32, COUNTS[split] * FRAMES // frames)
    rng = np.random.default_rng(_SEEDS[split])
    free = corners_of(split, SIZE, 2 * size + SPAN)  # of the parts that 64-px patches of `natural` may use
    return free[np.floor(rng.random(n) * len(free)).astype(np.int64)], ways(n, frames, rng)


def motion_of(way: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """The motion of clips whose windows go this way (n, frames, 2), as a `ClipSet` has it."""
    motion = np.zeros(way.shape, np.float32)
    motion[:, 1:] = np.diff(way, axis=1)[..., ::-1] / 2
    motion.flags.writeable = False
    return motion


def with_motion(images: Pixels, motion: npt.NDArray[np.float32]) -> Pixels:
    """Clips (n, t, c, h, w) with two channels behind them, 128 + 2·motion, the same at every pixel."""
    planes = np.broadcast_to(
        (128 + 2 * motion).astype(np.uint8)[..., None, None], (*images.shape[:2], 2, *images.shape[3:])
    )
    both = np.concatenate((images, planes), 2)
    both.flags.writeable = False
    return both


@cache
def _clips(split: str, size: int, frames: int) -> tuple[Pixels, npt.NDArray[np.float32], str]:
    means = [box_means(photographs()[name], 2) for name in PHOTOGRAPHS]
    chosen, way = cut(split, size, frames)
    n = len(chosen)
    images = np.empty((n, frames, 3, size, size), np.uint8)
    for clip, (index, top, left), places in zip(images, chosen.tolist(), way.tolist()):
        for frame, (y, x) in zip(clip, places):
            frame[:] = means[index][:, top + y : top + y + 2 * size : 2, left + x : left + x + 2 * size : 2]
    images.flags.writeable = False
    return images, motion_of(way), checksum(images)


def _load(request: Request) -> ClipSet:
    """Pictures alone."""
    images, motion, digest = _asked(request)
    return ClipSet(CARD.name, request.split, images, None, CARD.source, CARD.licence, None, digest, motion=motion)


def _load_with_motion(request: Request) -> ClipSet:
    """The same with two channels behind them."""
    images, motion, _ = _asked(request)
    both = with_motion(images, motion)
    card = FLOW_CARD
    return ClipSet(card.name, request.split, both, None, card.source, card.licence, None, checksum(both), motion=motion)


def _asked(request: Request) -> tuple[Pixels, npt.NDArray[np.float32], str]:
    size, text = request.size or SIZE, request.argument or str(FRAMES)
    if not text.isdecimal() or not 3 <= int(text) <= 120:
        raise ValueError(f"moving:FRAMES takes a whole number of frames from 3 to 120, not {text!r}.")
    if not 16 <= size <= LARGEST or size % 4:
        raise ValueError(f"moving has frames of 16 to {LARGEST} px, in steps of 4, not of {size}.")
    return _clips(request.split, size, int(text))


CARD = Card(
    name="moving",
    title="clips of ten frames that move straight over photographs by half pixels, the motion known; moving:FRAMES",
    shape=(FRAMES, 3, SIZE, SIZE),
    images=COUNTS,
    split="by place, as natural at 64 px",
    source=f"cut by blurvae from {NATURAL.source}",
    licence=NATURAL.licence,
    how_to_get=NATURAL.how_to_get,
    reference={
        "train": "55af7101784c39dbe6d35edab7fd74903760e6650dfa1d0f8545d3468c6abd8e",
        "test": "914fe39453868b308e108c53e25ecbe1166252f5d53e0912161ac1eab4bc2561",
    },
)
FLOW_CARD = replace(
    CARD,
    name="moving-flow",
    title="the clips of moving, each frame with its motion in two channels more; moving-flow:FRAMES",
    shape=(FRAMES, 5, SIZE, SIZE),
    reference={
        "train": "943d48abf35b0ad6f2a17bbbfe6795178eb72b8074801aaf7773b99133820147",
        "test": "003bd3dabcbfeda7a2b81bd04deeda10f67fe4fa933f71eb62c2d9b7e61e626a",
    },
)
DATASETS = Dataset(CARD, _load, takes_argument=True), Dataset(FLOW_CARD, _load_with_motion, takes_argument=True)
