"""Frames as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def folder_of(place: Path, frames: np.ndarray, names: list[str] | None = None) -> Path:
    """Pictures (t, h, w, 3) as files."""
    place.mkdir(parents=True)
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(place / (names[i] if names else f"{i:03d}.png"))
    return place
