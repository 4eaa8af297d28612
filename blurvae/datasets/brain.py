"""`brain`: axial slices of T1-weighted MRI that stand in for the Human Connectome Project (HCP)."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from blurvae.datasets import files, nifti, packs
from blurvae.datasets.core import Card, Dataset, Pixels
from blurvae.errors import MissingData

SUBJECTS = {"train": 58, "test": 14}
SHAPE = (80, 96, 80)
"""Voxels of the resampled volume: left to right, back to front, bottom to top."""
SPACING = 2.0
"""Mm between them."""
LEAST = 0.2
"""Share of non-zero pixels that a slice must have."""


def resample(values: nifti.Voxels, spacing: np.ndarray) -> nifti.Voxels:
    """A volume at 2 mm, float32 of `SHAPE`, centred on the box around its voxels above 0.

    A Gaussian of σ = 0.6 mm lets little of the detail through that 2 mm would alias; between voxels it is linear.

    Args:
        values: float32 (x, y, z), the air 0.
        spacing: mm between the voxels, float32 (3,).
    """
    from scipy import ndimage

    step = np.float32(SPACING) / spacing  # voxels of the file to one of the result
    inside = [np.flatnonzero((values > 0).any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    smooth = ndimage.gaussian_filter(values, 0.3 * step)
    lines = [(np.arange(n) - (n - 1) / 2) * k + (found[0] + found[-1]) / 2 for n, k, found in zip(SHAPE, step, inside)]
    return ndimage.map_coordinates(smooth, np.meshgrid(*lines, indexing="ij"), order=1)


def slices(file: Path) -> Pixels:
    """The slices of one subject, uint8 (n, 1, 96, 80).

    Raises:
        MissingData: nibabel is not installed.
        CorruptFile: no volume that can be read.
    """
    values, header = nifti.read(file)
    found = nifti.axial(nifti.to_bytes(resample(values, header.spacing)))
    return found[(found > 0).mean((1, 2, 3)) >= LEAST]


def raw(source: Path) -> dict[str, list[Path]]:
    """The T1-weighted volumes of each subject at their place in a BIDS folder, or side by side; derived ones never."""
    place = re.compile(r"(?:(sub-[A-Za-z0-9]+)/(?:ses-[A-Za-z0-9]+/)?anat/)?(sub-[A-Za-z0-9]+)_[^/]*")
    subjects: dict[str, list[Path]] = {}
    for file in files.below(source, ("_t1w.nii.gz", "_t1w.nii")).files:
        found = place.fullmatch(file.relative_to(source).as_posix())
        if found and found[1] in (None, found[2]):
            subjects.setdefault(found[2], []).append(file)
    return subjects


def _prepare(root: Path, *, source: Path | None, mirror: str | None, progress: bool) -> Path:
    assert source is not None  # the registry sees to it
    subjects = raw(source)
    wanted = [f"sub-{k:02d}" for k in range(1, sum(SUBJECTS.values()) + 1)]
    missing = [name for name in wanted if name not in subjects]
    several = next((name for name in wanted if len(subjects.get(name, [])) > 1), None)
    if missing:
        raise MissingData(
            f"{source} lacks the T1-weighted volumes of {len(missing)} of {len(wanted)} subjects, the first of them "
            f"{missing[0]}/anat/{missing[0]}_T1w.nii.gz. To get brain: {CARD.how_to_get}."
        )
    if several:
        names = ", ".join(str(file.relative_to(source)) for file in subjects[several])
        raise ValueError(f"{source} has several T1-weighted volumes of {several}, {names}: leave one of them there.")
    with packs.streamed(
        root / CARD.name,
        (1, SHAPE[1], SHAPE[0]),
        name=CARD.name,
        source=CARD.source,
        licence=CARD.licence,
        stand_in_for=CARD.stands_in_for,
    ) as stream:
        for k, name in enumerate(tqdm(wanted, desc=CARD.name, disable=None if progress else True)):
            if k == SUBJECTS["train"]:
                stream.begin_test()
            stream.append(slices(subjects[name][0]))
    return root / CARD.name


CARD = Card(
    name="brain",
    title="axial slices of T1-weighted MRI of 72 subjects; size=64 gives a random patch of each, most of a slice",
    shape=(1, 96, 80),
    images={"train": 2849, "test": 691},
    split="by subject: 58 for training, 14 for testing",
    source="OpenNeuro ds002748: T1-weighted MRI of 72 subjects, skull-stripped, resampled to 2 mm",
    licence="CC0",
    how_to_get="download ds002748 from openneuro.org (only its 72 files sub-*/anat/*_T1w.nii.gz, 250 MB, are read) and "
    "give the folder: `blurvae data prepare brain --source FOLDER`; or give a folder that holds the finished pack",
    stands_in_for="HCP",
    reference={"pack": "4d5d6dfb247b5b77a44066b552a4b470873d3b7a99f695c0c32e58292aa508fb"},
)
DATASET = Dataset(CARD, partial(packs.load_registered, CARD, fit="patch"), _prepare, is_pack=True)
