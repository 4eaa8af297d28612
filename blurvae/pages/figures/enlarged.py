"""Pictures made larger by several losses, beside each other: the estimates, and what each adds to bicubic."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from blurvae.pages.figures.pictures import grid_of
from blurvae.pages.grids import Grid
from blurvae.pages.runs import by_method

TRUTH, PLAIN = "original", "bicubic"


def enlargements(
    experiment: str, tier: str, data: str, folder: Path | None = None, seed: int = 0, columns: int | None = None
) -> Grid:
    """The same test pictures: themselves, enlarged bicubically, and by each method that is recorded (Fig. 2.2, 2.5).

    Args:
        experiment: of `blurvae.experiments.enhancenet`.
        tier: "smoke", "lesson" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        seed: of the runs, whose pictures are recorded.
        columns: pictures a row; as many as the text column takes where None.

    Raises:
        ValueError: none of the runs is recorded with its pictures.
    """
    runs = by_method(experiment, tier, data, folder, seed)
    first = next(iter(runs.values())).pictures
    return grid_of({name: first[name] for name in (TRUTH, PLAIN)} | _each(runs, "reconstruction"), columns)


def residuals(
    experiment: str, tier: str, data: str, folder: Path | None = None, seed: int = 0, columns: int | None = None
) -> Grid:
    """What each network adds to bicubic enlargement, around a middle grey, and what is missing there (Fig. 2.12).

    A difference of one grey level is half a grey level here. Arguments as of `enlargements`.
    """
    runs = by_method(experiment, tier, data, folder, seed)
    first = next(iter(runs.values())).pictures
    whole = {"missing": first[TRUTH]} | _each(runs, "reconstruction")
    parts = {name: _around_grey(y.astype(np.int16) - first[PLAIN]) for name, y in whole.items()}
    return grid_of({TRUTH: first[TRUTH]} | parts, columns)


def _around_grey(difference: np.ndarray) -> np.ndarray:
    return np.rint((difference + 255) / 2).astype(np.uint8)


def _each(runs: dict, key: str) -> dict[str, np.ndarray]:
    return {label: result.pictures[key] for label, result in runs.items()}
