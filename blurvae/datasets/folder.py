"""`folder:PATH`: any folder of pictures, cropped to the centre square and brought to one size."""

from __future__ import annotations

import hashlib
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blurvae.datasets import files, picture
from blurvae.datasets.core import Card, Dataset, ImageSet, Pixels, Request, checksum
from blurvae.errors import MissingData

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"})


def split_names(names: list[str]) -> dict[str, list[str]]:
    """Divide file names 80 % / 20 % into training and test.

    The fifth with the largest sha256 of the name is for testing: the same on every machine, whatever the order of the
    files, and not the last alphabetically, which would often be one subject or one class. Accents count as one sign
    with their letter, however a system spells them, and names that are no text are taken byte by byte.
    """

    def digest(name: str) -> bytes:
        return hashlib.sha256(files.plain(name).encode("utf-8", "surrogatepass")).digest()

    ranked = sorted(names, key=lambda name: (digest(name), name))
    first = len(ranked) - max(1, len(ranked) // 5)
    return {"train": sorted(ranked[:first], key=files.plain), "test": sorted(ranked[first:], key=files.plain)}


def square(image: Image, size: int) -> Image:
    """The largest centred square of a picture, at size × size pixels.

    Shrinking averages areas, so nothing folds back into lower frequencies; enlarging is bicubic.
    """
    from PIL import Image as pil

    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    way = pil.Resampling.BOX if side >= size else pil.Resampling.BICUBIC
    return image.resize((size, size), way, (left, top, left + side, top + side))


def pictures(folder: Path) -> list[str]:
    """The pictures below a folder, as paths relative to it, sorted; see `files.below` for what is passed over."""
    found = files.below(folder, SUFFIXES)
    return [file.relative_to(folder).as_posix() for file in found.files]


def read(file: Path, size: int, *, gray: bool = False) -> tuple[Pixels, int]:
    """The centre square of a picture, uint8 (1 or 3, size, size), and the shorter side that the picture had, px.

    It is turned as its camera says; where it is transparent it lies over white; of several pictures in one file the
    first is taken.

    Raises:
        CorruptFile: it cannot be read as a picture, or nothing says which of its grey levels is white.
    """
    with picture.opened(file) as opened:
        image = picture.upright(opened)
        side = min(image.size)
        pixels = np.asarray(square(image.convert("L" if gray else "RGB"), size))
    return pixels[None] if gray else pixels.transpose(2, 0, 1), side


@cache
def _images(folder: Path, names: tuple[str, ...], gray: bool, size: int, stamp: str) -> tuple[Pixels, str]:
    result = np.empty((len(names), 1 if gray else 3, size, size), np.uint8)
    small = 0
    for target, name in zip(result, names):
        target[:], side = read(folder / name, size, gray=gray)
        small += side < size
    if small:
        warnings.warn(
            f"{small} of {len(names)} pictures in {folder} are smaller than {size} px and were enlarged, "
            "which makes them blurred from the start: choose a smaller size.",
            stacklevel=2,
        )
    result.flags.writeable = False
    return result, checksum(result)


@cache
def _is_gray(folder: Path, names: tuple[str, ...], stamp: str) -> bool:
    """Whether every picture is gray, by its header: one colour picture makes the set RGB."""
    for name in names:
        with picture.opened(folder / name) as image:
            if image.mode not in picture.GRAY_MODES:
                return False
    return True


def whole(folder: Path, size: int, *, gray: bool | None = None) -> Pixels:
    """Every picture of a folder, of both of its splits, uint8 (n, c, size, size).

    Args:
        folder: where they lie.
        size: px a side.
        gray: bring all to grey levels; None: only where all pictures are grey.

    Raises:
        MissingData: no such folder, or fewer than two pictures in it.
        CorruptFile: see `read`.
    """
    folder, names, stamp = _found(folder)
    if gray is None:
        gray = _is_gray(folder, tuple(names), stamp)
    return _images(folder, tuple(name for part in split_names(names).values() for name in part), gray, size, stamp)[0]


def _found(folder: Path) -> tuple[Path, list[str], str]:
    """A folder by its full path, the names of its pictures, and a stamp that changes when one of them does."""
    folder = folder.expanduser()
    if not folder.is_dir():
        raise MissingData(f"{folder} is not a folder: give folder:PATH with the path of a folder of pictures.")
    folder = folder.resolve()
    found = files.below(folder, SUFFIXES, owner=str)
    if len(found.files) < 2:  # one picture many times is what was asked for
        found = files.below(folder, SUFFIXES)
    names = [file.relative_to(folder).as_posix() for file in found.files]
    note = found.note()
    if len(names) < 2:
        raise MissingData(
            f"{folder} holds {len(names)} pictures, and a training and a test set need two at least "
            f"(known endings: {', '.join(sorted(SUFFIXES))}{f'; {note}' if note else ''})."
        )
    if note:
        warnings.warn(f"{len(names)} pictures of {folder} are read; {note}.", stacklevel=3)
    return folder, names, files.stamp(found.files)  # a changed file is read again


def _load(request: Request) -> ImageSet:
    folder, names, stamp = _found(Path(request.argument))
    chosen = tuple(split_names(names)[request.split])
    gray = _is_gray(folder, tuple(names), stamp)
    images, digest = _images(folder, chosen, gray, request.size or 64, stamp)
    return ImageSet(
        name=f"folder:{folder.name}",
        split=request.split,
        images=images,
        labels=None,
        source=f"{len(names)} pictures of the folder {folder.name}",
        licence="not known to blurvae",
        stands_in_for=None,
        checksum=digest,
    )


CARD = Card(
    name="folder",
    title="a folder of pictures of any size: folder:PATH; centre square, 64 px or the size asked for",
    shape=None,
    images={},
    split="80 % and 20 %, by the sha256 of the file names",
    source="yours",
    licence="yours to know",
    how_to_get="name the folder: folder:PATH",
)
DATASET = Dataset(CARD, _load, takes_argument=True)
