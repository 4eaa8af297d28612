"""The samples that the toys are trained on: 26 smooth images, with classes too, 14 clips of a wandering one, points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import interpolate


@dataclass(frozen=True)
class Pictures:
    """All that a training asks of a data set: bytes (n, …), a name and a checksum."""

    name: str
    images: np.ndarray
    checksum: str = "0123"


def smooth(n: int, size: int = 8, seed: int = 0) -> np.ndarray:
    """Random images without sharp edges, uint8 (n, 3, size, size)."""
    coarse = torch.rand(n, 3, 3, 3, generator=torch.Generator().manual_seed(seed))
    x = interpolate(coarse, size=(size, size), mode="bilinear", align_corners=True)
    return (255 * x).to(torch.uint8).numpy()


def clips(n: int, frames: int = 3) -> np.ndarray:
    """Images that move by (1, 2) px a frame, uint8 (n, frames, 3, 8, 8)."""
    still = smooth(n, size=16, seed=1)
    moved = [np.roll(still, (t, 2 * t), (2, 3)) for t in range(frames)]
    return np.stack(moved, 1)[..., :8, :8].copy()


def records(n: int, classes: int = 3) -> np.ndarray:
    """A class and the pixels of an image behind it, uint8 (n, 1 + 3·8·8)."""
    return np.concatenate([(np.arange(n, dtype=np.uint8) % classes)[:, None], smooth(n).reshape(n, -1)], 1)


def points(n: int) -> np.ndarray:
    """On a circle, as images of one pixel, uint8 (n, 2, 1, 1)."""
    angle = 2 * np.pi * np.arange(n) / n
    return (127.5 + 100 * np.stack([np.cos(angle), np.sin(angle)], 1)).round().astype(np.uint8)[..., None, None]


IMAGES = Pictures("images", smooth(26))
LARGER = Pictures("larger images", smooth(26, size=16))
POINTS = Pictures("points", points(26))
CLIPS = Pictures("clips", clips(14))
RECORDS = Pictures("records", records(26))
