"""Pictures for who has not opened the book: an eye, photographed at many positions, and its average; faces, coded."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from blurvae import blur, datasets
from blurvae.files import write_atomically
from blurvae.pages.figures.pictures import reconstructions

COUNTS = tuple(2**i for i in range(13))  # 1 to 4096, the stops of the slider
SHOWN = (1, 4, 64, 4096)  # those of the still picture
SIDE = 64  # px
VARIANCE = 16.0  # of the position, px²: at half the size the 4 px² of chapter 4
REACH = 15  # px, the farthest position


def _pictures(counts: tuple[int, ...]) -> list[np.ndarray]:
    """For each count n, the n-th picture and the average of the first n; uint8, two rows of shape (n, 3, h, w)."""
    top, left = 74, 140  # of the cat's right eye
    near = datasets.photographs()["chelsea"][:, top - REACH : top + SIDE + REACH, left - REACH : left + SIDE + REACH]
    kernel = blur.gaussian_kernel(2 * REACH + 1, VARIANCE).double().numpy()
    places = np.random.default_rng(0).choice(kernel.size, max(counts), p=kernel.ravel() / kernel.sum())
    rows, columns = np.divmod(places, len(kernel))
    windows = np.lib.stride_tricks.sliding_window_view(near, (SIDE, SIDE), (1, 2)).transpose(1, 2, 0, 3, 4)
    drawn = windows[rows, columns]
    averages = [np.rint(drawn[:n].mean(0)).astype(np.uint8) for n in counts]
    return [drawn[[n - 1 for n in counts]], np.stack(averages)]


def sprite() -> np.ndarray:
    """All stops of the slider without gaps, `SIDE` px each: the n-th picture above, the average of n below.

    Returns:
        uint8, shape (h, w, 3).
    """
    return np.vstack([np.hstack(list(row.transpose(0, 2, 3, 1))) for row in _pictures(COUNTS)])


def still() -> np.ndarray:
    """Four stops side by side on white, four times their size, for where a link to the book is shown.

    Returns:
        uint8, shape (632, 1200, 3).
    """
    canvas = np.full((158, 300, 3), 255, np.uint8)
    for i, row in enumerate(_pictures(SHOWN)):
        for j, picture in enumerate(row):
            top, left = 13 + i * (SIDE + 4), 19 + j * (SIDE + 2)
            canvas[top : top + SIDE, left : left + SIDE] = picture.transpose(1, 2, 0)
    return np.kron(canvas, np.ones((4, 4, 1), np.uint8))  # a whole factor: every pixel stays a square


def faces() -> Image.Image:
    """Test faces, and what the networks of the recorded study (chapter 10) make of them, seed 0, three times enlarged.

    Raises:
        ValueError: the study is not recorded.
    """
    return reconstructions("study", "study", "faces64").image(3)


def write(folder: Path) -> list[Path]:
    """Writes `hero.png`, the still, `hero-sprite.png`, which the slider moves over, and `faces.png`; their paths."""
    written = []
    for name, picture in (
        ("hero", Image.fromarray(still())),
        ("hero-sprite", Image.fromarray(sprite())),
        ("faces", faces()),
    ):
        written.append(folder / f"{name}.png")
        write_atomically(written[-1], partial(picture.save, format="PNG", optimize=True))
    return written
