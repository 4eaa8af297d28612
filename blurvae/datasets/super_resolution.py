"""`set5`, `set14`, `bsd100`, `urban100` and `sr-train`: pictures of super-resolution, whole and as central squares."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from blurvae.datasets.core import Card, Dataset, ImageSet, Pixels, Request
from blurvae.datasets.gallery import Gallery, centre

TEST_SIZE, TRAIN_SIZE = 224, 320  # px: what every picture holds and 8 divides
HELD_OUT = 20  # of the training photographs, the last by name


def _load(gallery: Gallery, request: Request) -> ImageSet:
    """Central squares, in the order of the pictures' names."""
    card = gallery.card
    if request.split not in card.images:
        raise ValueError(f"{card.name} is a test set: train on sr-train, which shares no picture with it.")
    pictures = gallery.read(request.root)
    size = request.size or (TRAIN_SIZE if "train" in card.images else TEST_SIZE)
    squares = np.stack([centre(pixels, size, size, card.name) for pixels in pictures.values()])
    if "train" in card.images:
        squares = squares[-HELD_OUT:] if request.split == "test" else squares[:-HELD_OUT]
    squares.flags.writeable = False
    sums = card.name, request.split, squares, None, card.source, card.licence, card.stands_in_for
    return ImageSet(*sums, gallery.checksum(request.root))


_GET = (
    "`blurvae data prepare {0} --source FOLDER` with the folder of its {1} pictures, in any of the usual formats; or "
    "as PNG files in {2} below the data folder"
)
_LICENCE = "none stated by its makers; a standard benchmark, for research"


def _test_set(name: str, members: int, title: str, source: str, place: str, reference: str) -> Gallery:
    card = Card(
        name=name,
        title=title,
        shape=(3, TEST_SIZE, TEST_SIZE),
        images={"test": members},
        split="all of them are test images; the whole pictures are what tables are computed on",
        source=source,
        licence=_LICENCE,
        how_to_get=_GET.format(name, members, place),
        reference={"pack": reference},
    )
    return Gallery(card, members, place)


SET5 = _test_set(
    "set5",
    5,
    "five small photographs",
    "Set5 (Bevilacqua et al. 2012)",
    "sr/Set5",
    "2d6d86602f69ec44de243354a0791387de64c5def1a2e92de86f5ae4ac0c13d0",
)
SET14 = _test_set(
    "set14",
    14,
    "fourteen photographs, one of them grey",
    "Set14 (Zeyde, Elad and Protter 2010)",
    "sr/Set14",
    "9d5c3c9aefa4615b978f349fa4ae4b9f9a065110ee314fbc47396ce52bc39e7b",
)
BSD100 = _test_set(
    "bsd100",
    100,
    "a hundred photographs of 481×321 px",
    "BSD100: the validation images of the Berkeley segmentation data set BSDS500 (Martin et al. 2001)",
    "sr/BSD100",
    "229bfee508c1cf84848eb70070dbfb83468f8f3d67c0a5c4ffef74994a0dd11b",
)
URBAN100 = Gallery(
    Card(
        name="urban100",
        title="a hundred photographs of buildings, about 1024×768 px",
        shape=(3, TEST_SIZE, TEST_SIZE),
        images={"test": 100},
        split="all of them are test images; the whole pictures are what tables are computed on",
        source="Urban100 (Huang, Singh and Ahuja 2015)",
        licence="none stated by its makers; photographs from Flickr under Creative Commons licences, for research",
        how_to_get="`blurvae data prepare urban100 --source FOLDER` with the folder `image_SRF_4` of its makers' "
        "archive, of which the files ending in `_HR` are taken, or a folder of its 100 pictures and nothing else",
    ),
    100,
    "sr/Urban100",
    ending="_HR",
)
TRAIN = Gallery(
    Card(
        name="sr-train",
        title="two hundred photographs of 481×321 px for training, as central squares",
        shape=(3, TRAIN_SIZE, TRAIN_SIZE),
        images={"train": 200 - HELD_OUT, "test": HELD_OUT},
        split=f"the last {HELD_OUT} by name are for testing; tables are computed on set5, set14 and bsd100",
        source="the training images of the Berkeley segmentation data set BSDS500 (Arbeláez et al. 2011); BSD100 is "
        "its validation part, and shares no picture with them",
        licence=_LICENCE,
        how_to_get=_GET.format("sr-train", 200, "sr/train"),
        stands_in_for="MSCOCO",
        reference={"pack": "1d0cbfbe1dc18a7e728ee55a6239f6f3703bc42210a986d311e9b72f2948c325"},
    ),
    200,
    "sr/train",
)
GALLERIES = {gallery.card.name: gallery for gallery in (SET5, SET14, BSD100, URBAN100, TRAIN)}
DATASETS = tuple(Dataset(g.card, partial(_load, g), g.prepare) for g in GALLERIES.values())


def pictures(name: str, root: Path | None = None) -> Mapping[str, Pixels]:
    """The whole pictures of a set of super-resolution: uint8 (c, h, w) by name; c is 1 for a grey one.

    Args:
        name: "set5", "set14", "bsd100", "urban100" or "sr-train".
        root: folder of prepared data sets; the one that BLURVAE_DATA names if not given.

    Raises:
        ValueError: another name.
        MissingData: the set is not on this machine.
        CorruptFile: a file is damaged.
    """
    if name not in GALLERIES:
        raise ValueError(f"Whole pictures are those of {', '.join(GALLERIES)}, not of {name!r}.")
    return GALLERIES[name].read(root)
