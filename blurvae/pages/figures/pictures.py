"""Grids of images from recorded runs: reconstructions, samples, interpolations, kernels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from blurvae.experiments import recorded
from blurvae.experiments.failures import outcome
from blurvae.pages.grids import GAP, Grid, image_grid
from blurvae.pages.runs import by_method, not_recorded

SCREEN = 900  # px, the height of a screen
# Images a row, and screen pixels per image pixel: with the longest label they fill the text column of the book.
LAYOUT = {28: (8, 2), 32: (7, 2), 64: (4, 2), 256: (2, 1)}


def grid_of(rows: dict[str, np.ndarray], columns: int | None = None, zoom: int | None = None) -> Grid:
    """Rows of images, as many a row and as large as the text column takes unless told otherwise."""
    size = next(iter(rows.values())).shape[-1]
    fitting = LAYOUT.get(size, (max(1, 512 // size), 1))
    columns, zoom = columns or fitting[0], zoom or fitting[1]
    # What is higher than a screen stands in two columns, with half as many images each.
    beside = 2 if columns > 1 and len(rows) * (size * zoom + GAP * zoom) > SCREEN else 0
    shown = columns // 2 if beside else columns
    return image_grid({label: images[:shown] for label, images in rows.items()}, zoom=zoom, columns=beside)


def reconstructions(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    seed: int = 0,
    zoom: int | None = None,
    columns: int | None = None,
    only: Iterable[str] = (),
) -> Grid:
    """The same test images for all methods, the original first (Fig. 3, 4, 5, 7, 8, 9)."""
    runs = by_method(experiment, tier, data, folder, seed, only)
    first = next(iter(runs.values()))
    rows = {"original": first.pictures["original"]} | {k: r.pictures["reconstruction"] for k, r in runs.items()}
    return grid_of(rows, columns, zoom)


def samples(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    seed: int = 0,
    zoom: int | None = None,
    columns: int | None = None,
    only: Iterable[str] = (),
    mixture: bool = False,
) -> Grid:
    """Samples of all methods: from the prior, the same z for all, or each from the mixture over its latents."""
    runs = by_method(experiment, tier, data, folder, seed, only)
    key = "sample_gmm" if mixture else "sample"
    return grid_of({k: r.pictures[key] for k, r in runs.items()}, columns, zoom)


def over_seeds(experiment: str, tier: str, data: str, method: str, folder: Path | None = None, count: int = 5) -> Grid:
    """Samples of every recorded seed of one method, side by side in two columns; one that failed says so.

    Seeds whose record has no samples are left out: `record.files.write` keeps those of further seeds by `keep`.

    Args:
        experiment: its name.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        method: its name.
        folder: of results; the checkout's data/results where None.
        count: how many samples of each seed.

    Raises:
        ValueError: no run of the method is recorded with its samples.
    """
    runs = [r for r in recorded.load(experiment, tier, data, folder) if r.run.method == method]
    runs = [r for r in runs if "sample" in r.pictures]
    if not runs:
        raise not_recorded(experiment, tier, data)
    words = (f"seed {r.run.seed}{', failed' * bool(outcome(r))}" for r in runs)
    return image_grid({label: r.pictures["sample"][:count] for label, r in zip(words, runs)}, zoom=2, columns=2)


def interpolations(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    seed: int = 0,
    only: Iterable[str] = (),
    zoom: int = 1,
) -> Grid:
    """What each method's decoder makes of the way from the first test image to the second."""
    runs = by_method(experiment, tier, data, folder, seed, only)
    rows = {k: r.pictures["interpolation"] for k, r in runs.items()}
    return grid_of(rows, len(next(iter(rows.values()))), zoom)


def kernel_snapshots(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    seed: int = 0,
    epochs: tuple[int, ...] = (),
) -> Grid:
    """Fig. 2: four test images, and at epochs of the training their reconstructions and their kernels.

    Kernels are enlarged by a whole factor. The grey level is the square root of a weight, from 0 (black) to the largest
    weight of the figure (white): on a linear range the wide kernels of the first epochs would be black. What is white
    around a kernel is no part of it.

    Args:
        experiment: its name.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        seed: of the run.
        epochs: which of the kept ones to show, by place, such as (0, -1) for the first and the last; all where empty.
    """
    pictures = next(iter(by_method(experiment, tier, data, folder, seed).values())).pictures
    shown, kernels = pictures["snapshot_reconstruction"], np.sqrt(pictures["snapshot_kernel"])
    n, size = shown.shape[1], shown.shape[-1]
    factor = size // kernels.shape[-1]
    margin = size - factor * kernels.shape[-1]
    grey = np.rint(255 * kernels / kernels.max()).astype(np.uint8)
    large = np.kron(grey, np.ones((1, 1, factor, factor), np.uint8))
    around = (margin // 2, margin - margin // 2)
    large = np.pad(large, ((0, 0), (0, 0), around, around), constant_values=255)
    rows = {"original": pictures["original"][:n]}
    for i in epochs or range(len(shown)):
        epoch, kernel = pictures["snapshot_epoch"][i], large[i]
        rows[f"epoch {epoch}"] = shown[i]
        rows[f"kernel, {epoch}"] = np.repeat(kernel[:, None], shown.shape[2], axis=1)
    return grid_of(rows, n, None)
