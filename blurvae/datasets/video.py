"""`vid4-first10`, `vid4` and `davis`: real clips, whole and as clips of ten frames of one size."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from blurvae.datasets.core import Card, ClipSet, Dataset, Pixels, Request
from blurvae.datasets.gallery import Gallery, centre

FRAMES = 10
VID4_SHAPE, DAVIS_SIZE = (480, 704), 240  # px: what all clips hold; small frames of a fourth divide by 8, or by 4
_LICENCE = "none stated by its makers; a standard benchmark, for research"
_GET = (
    "`blurvae data prepare {0} --source FOLDER` with a folder that has one folder of frames a clip, in any of the "
    "usual formats; or as PNG files in {1}/CLIP below the data folder"
)

VID4 = Gallery(
    Card(
        name="vid4-first10",
        title="the first ten frames of each of four clips: calendar, city, foliage, walk",
        shape=(FRAMES, 3, *VID4_SHAPE),
        images={"test": 4},
        split="all of them are test clips; they are no stand-in for the whole of Vid4",
        source="Vid4 (Liu and Sun 2011), the first ten frames, lossless",
        licence=_LICENCE,
        how_to_get=_GET.format("vid4-first10", "video/vid4"),
        reference={"pack": "b74ba0be671a09bc7786b0c4255a259831a55d8b0d85b1d6c36cb3029aafa146"},
    ),
    4,
    "video/vid4",
    clips=True,
)
WHOLE_VID4 = Gallery(
    Card(
        name="vid4",
        title="four clips of 34 to 49 frames, whole: calendar, city, foliage, walk; in pieces of ten",
        shape=(FRAMES, 3, *VID4_SHAPE),
        images={"test": 15},
        split="all of them are test clips; Table 3.2 is computed on the whole clips",
        source="Vid4 (Liu and Sun 2011)",
        licence=_LICENCE,
        how_to_get="`blurvae data prepare vid4 --source FOLDER` with a folder that holds the large frames of the four "
        "clips, 41 of calendar, 34 of city, 49 of foliage and 47 of walk, in folders of these names",
    ),
    4,
    "video/vid4-whole",
    clips=True,
    frames=(("calendar", 41), ("city", 34), ("foliage", 49), ("walk", 47)),
)
DAVIS = Gallery(
    Card(
        name="davis",
        title="forty frames of each of five clips, in pieces of ten; a middle square",
        shape=(FRAMES, 3, DAVIS_SIZE, DAVIS_SIZE),
        images={"train": 16, "test": 4},
        split="by clip: the first four by name train, the last one tests",
        source="DAVIS 2017 (Pont-Tuset et al.), five clips of 40 frames at 427×240 px",
        licence="the pictures CC BY 4.0, the collection CC BY-NC: for research",
        how_to_get=_GET.format("davis", "video/davis"),
        stands_in_for="the clips from Vimeo",
        reference={"pack": "60b6d8b7c17ac8e1942d2535069ab86c36283c8b4dcf3e9fba4ca8172f33feac"},
    ),
    5,
    "video/davis",
    clips=True,
)
GALLERIES = {gallery.card.name: gallery for gallery in (VID4, WHOLE_VID4, DAVIS)}


def _load(gallery: Gallery, request: Request) -> ClipSet:
    """Pieces of ten frames of the clips of a split, in the order of the clips' names, then of time."""
    card = gallery.card
    if request.split not in card.images:
        raise ValueError(f"{card.name} is a test set: train on davis or moving.")
    clips = [*gallery.read(request.root).values()]
    if "train" in card.images:
        clips = clips[-1:] if request.split == "test" else clips[:-1]
    size = request.size
    height, width = (size, size) if size else (DAVIS_SIZE, DAVIS_SIZE) if gallery is DAVIS else VID4_SHAPE
    cut = [centre(clip, height, width, card.name) for clip in clips]
    pieces = [clip[start : start + FRAMES] for clip in cut for start in range(0, len(clip) - FRAMES + 1, FRAMES)]
    images = np.stack(pieces)
    images.flags.writeable = False
    facts = card.name, request.split, images, None, card.source, card.licence, card.stands_in_for
    return ClipSet(*facts, gallery.checksum(request.root))


DATASETS = tuple(Dataset(g.card, partial(_load, g), g.prepare) for g in GALLERIES.values())


def videos(name: str, root: Path | None = None) -> Mapping[str, Pixels]:
    """The whole clips of a set: uint8 (t, c, h, w) by name, frames in order.

    Args:
        name: "vid4-first10", "vid4" or "davis".
        root: folder of prepared data sets; the one that BLURVAE_DATA names if not given.

    Raises:
        ValueError: another name.
        MissingData: the set is not on this machine.
        CorruptFile: a file is damaged, or a clip of `vid4` is not whole.
    """
    if name not in GALLERIES:
        raise ValueError(f"Whole clips are those of {', '.join(GALLERIES)}, not of {name!r}.")
    return GALLERIES[name].read(root)
