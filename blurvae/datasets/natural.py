"""`natural`: colour patches from four photographs that the scikit-image wheel carries, so nothing is downloaded.

Every number here is integer arithmetic on lossless PNG files, and the only random function used is the generator's
`random`, so the patches are the same on every machine (the JPEG photographs of that wheel are left out: decoders
differ in the last bit). Training and test patches come from disjoint parts of the photographs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from blurvae.datasets.core import Card, Dataset, ImageSet, Pixels, Request, checksum
from blurvae.errors import CorruptFile, MissingData


@dataclass(frozen=True)
class Photograph:
    """One photograph and the parts of it that only test patches use.

    Attributes:
        height: of the photograph, px.
        width: of the photograph, px.
        test: top left corners (y, x) of the squares of `BLOCK` pixels a side that are the test part. They were chosen
            by eye, so that both parts show edges, texture and smooth areas.
        right: the first column of the test part for patches that are larger than such a square; it reaches to the right
            edge. A photograph too narrow for two parts is for one split alone.
        sha256: of the decoded pixels in (c, h, w) order. The files bear the checksums that scikit-image states for
            them; pixels are compared, so that a release may recompress its files.
    """

    height: int
    width: int
    test: tuple[tuple[int, int], ...]
    right: int
    sha256: str


PHOTOGRAPHS: Mapping[str, Photograph] = {
    "astronaut": Photograph(
        512, 512, ((304, 88), (40, 344)), 512, "9d1263ba0e684c996ad8d59ebeeb479d2608e2d7bb09a217aafcb77f1c5f9533"
    ),
    "chelsea": Photograph(
        300, 451, ((60, 272),), 0, "9c717786308ef130d869e61afda7439c5a84e3624d7d1bc0500947db97a023f1"
    ),
    "coffee": Photograph(
        400, 600, ((184, 296), (8, 432)), 336, "9b3e037f9cd32e3aa4673b24f51de4b8b0a6c6fc4c4f2c89d2dd5d63cc43e8f2"
    ),
    "motorcycle_left": Photograph(
        500,
        741,
        ((224, 344), (8, 496), (336, 8)),
        477,
        "036a8bd5572f98b7a41f544822a01915573f9708c1e1ba16acae8a21b75c228e",
    ),
}
CROPS = {"astronaut": (70, 170), "chelsea": (70, 130), "coffee": (150, 250), "motorcycle_left": (200, 350)}
"""Top left corners (y, x) of the crops that chapters show, which are a face, an eye, a cup and an engine."""

BLOCK = 160
"""Side of a test square, px: room for patches averaged down from 128 px."""

GAP = 8
"""Pixels around a test part that no patch uses: sensor noise and compression are local."""

COUNTS = {32: {"train": 8000, "test": 2000}, 64: {"train": 4000, "test": 1000}, 256: {"train": 512, "test": 128}}
SCALES = {32: ((1, 0.4), (2, 0.4), (4, 0.2)), 64: ((1, 0.5), (2, 0.5)), 256: ((1, 1.0),)}
"""Per patch size: (side of the averaged box, share of the patches)."""

_SEEDS = {"train": 2023, "test": 2024}
_POSITION = np.dtype([("photograph", "i8"), ("scale", "i8"), ("y", "i8"), ("x", "i8"), ("flip", "?")])


@cache
def photographs() -> Mapping[str, Pixels]:
    """The four whole photographs, by name: uint8 (3, h, w), read-only.

    Raises:
        MissingData: scikit-image is not installed, or without its pictures.
        CorruptFile: a file does not decode to the expected pixels.
    """
    from PIL import Image

    spec = find_spec("skimage")  # finds the package without importing it, which would take a second
    if spec is None or spec.origin is None:
        raise MissingData("The photographs of `natural` come with scikit-image: `pip install scikit-image`.")
    folder = Path(spec.origin).parent / "data"
    result = {}
    for name, expected in PHOTOGRAPHS.items():
        file = folder / f"{name}.png"
        if not file.is_file():
            raise MissingData(f"{file} is missing, which scikit-image's wheel holds: reinstall scikit-image.")
        with Image.open(file, formats=["PNG"]) as image:
            pixels = np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))
        if hashlib.sha256(pixels.data).hexdigest() != expected.sha256:
            raise CorruptFile(f"{file} does not hold the expected photograph: reinstall scikit-image.")
        pixels.flags.writeable = False
        result[name] = pixels
    return MappingProxyType(result)


def crops() -> npt.NDArray[np.float64]:
    """A square of each photograph, 128 px a side, averaged down to 64: (4, 3, 64, 64), in grey levels from 0 to 255."""
    squares = [photographs()[name][:, y : y + 128, x : x + 128] for name, (y, x) in CROPS.items()]
    return np.stack(squares).reshape(len(CROPS), 3, 64, 2, 64, 2).mean((3, 5))


def region(name: str, split: str, size: int = 32) -> npt.NDArray[np.bool_]:
    """The pixels of a photograph that the patches of a split and size may use: (h, w)."""
    photograph = PHOTOGRAPHS[name]
    if size > BLOCK:
        column = np.arange(photograph.width) + (GAP if split == "train" else 0)
        right = np.broadcast_to(column >= photograph.right, (photograph.height, photograph.width))
        return right == (split == "test")
    result = np.full((photograph.height, photograph.width), split == "train")
    for y, x in photograph.test:
        if split == "test":
            result[y : y + BLOCK, x : x + BLOCK] = True
        else:
            result[max(0, y - GAP) : y + BLOCK + GAP, max(0, x - GAP) : x + BLOCK + GAP] = False
    return result


def corners_of(split: str, size: int, side: int) -> npt.NDArray[np.int64]:
    """Every (photograph, y, x) from which a square of that side lies wholly in the region of split and size: (m, 3)."""
    result = []
    for index, name in enumerate(PHOTOGRAPHS):
        outside = np.pad(~region(name, split, size), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
        count = outside[side:, side:] - outside[:-side, side:] - outside[side:, :-side] + outside[:-side, :-side]
        corners = np.argwhere(count == 0)
        result.append(np.insert(corners, 0, index, axis=1))
    return np.concatenate(result)


@cache
def positions(split: str, size: int) -> npt.NDArray[np.void]:
    """Where each patch lies: a record (photograph, scale, y, x, flip) per patch.

    A patch covers `size * scale` pixels a side of its photograph from (y, x) on. Scales are drawn by `SCALES`, places
    uniformly from all that fit into the split's region; only training patches are mirrored. Large patches have few
    places, which are shared out evenly, so that no two patches are at the same.
    """
    n = COUNTS[size][split]
    draw = np.random.default_rng(_SEEDS[split]).random((n, 3))
    result = np.empty(n, _POSITION)
    result["flip"] = (draw[:, 2] < 0.5) & (split == "train")
    bounds = np.cumsum([0.0] + [share for _, share in SCALES[size]])
    bounds[-1] = 1.0
    for (scale, _), low, high in zip(SCALES[size], bounds, bounds[1:]):
        mine = (draw[:, 0] >= low) & (draw[:, 0] < high)
        corners = corners_of(split, size, size * scale)
        where = draw[mine, 1]
        if size > BLOCK:
            where = (draw[:, 0].argsort().argsort() + where) / n  # one from each n-th of the list, in random order
        chosen = corners[(where * len(corners)).astype(np.int64)]
        result["scale"][mine] = scale
        for column, key in enumerate(("photograph", "y", "x")):
            result[key][mine] = chosen[:, column]
    return result


def box_means(photograph: Pixels, side: int) -> Pixels:
    """Mean over the side × side box that starts at each pixel (rounded, halves up): uint8 (3, h−side+1, w−side+1)."""
    _, h, w = photograph.shape
    sums = photograph.astype(np.uint16)  # a box of 16 pixels of 255 fits
    sums = np.sum([sums[:, k : h - side + 1 + k] for k in range(side)], axis=0, dtype=np.uint16)
    sums = np.sum([sums[:, :, k : w - side + 1 + k] for k in range(side)], axis=0, dtype=np.uint16)
    return ((sums + side * side // 2) // (side * side)).astype(np.uint8)


@cache
def _patches(split: str, size: int) -> tuple[Pixels, str]:
    photos = list(photographs().values())
    means = {scale: [box_means(photo, scale) for photo in photos] for scale, _ in SCALES[size]}
    where = positions(split, size)
    images = np.empty((len(where), 3, size, size), np.uint8)
    for target, (index, scale, y, x, flip) in zip(images, where.tolist()):
        patch = means[scale][index][:, y : y + size * scale : scale, x : x + size * scale : scale]
        target[:] = patch[:, :, ::-1] if flip else patch
    images.flags.writeable = False  # shared by every caller of this process
    return images, checksum(images)


def _load(request: Request) -> ImageSet:
    size = 32 if request.size is None else request.size
    if size not in COUNTS:
        raise ValueError(f"natural has patches of 32, 64 and 256 px, not {size}: use size=32, size=64 or size=256.")
    images, digest = _patches(request.split, size)
    return ImageSet("natural", request.split, images, None, CARD.source, CARD.licence, None, digest)


CARD = Card(
    name="natural",
    title="colour patches of photographs: a portrait, a cat, a cup of coffee, a motorcycle",
    shape=(3, 32, 32),
    images=COUNTS[32],
    split="by place: squares of each photograph are for test patches only, with a gap of 8 pixels to the rest",
    source="four PNG photographs in the scikit-image wheel: astronaut (NASA), chelsea (Stefan van der Walt), "
    "coffee (Rachel Michetti), motorcycle_left (Middlebury stereo 2014, Scharstein and others)",
    licence="astronaut: public domain (NASA); chelsea and coffee: CC0; motorcycle_left: none stated in the wheel, "
    "cite Scharstein et al. 2014",
    how_to_get="comes with the project's dependency scikit-image; nothing to prepare",
    reference={
        "train": "e2c7c152517d3592073f68ea55e3f5f837319810bb2582c70fd4d3773c8736b6",
        "test": "b534f6e8f399237c8ff8e5372a72338a88a9c1204cfc679a366edbaa5f587e98",
    },
)
DATASET = Dataset(CARD, _load)
