"""`folder:PATH`: any folder of pictures, cropped to the centre square and brought to one size."""

from __future__ import annotations

import errno
import hashlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blurvae.datasets import files
from blurvae.datasets.core import Card, Dataset, ImageSet, Pixels, Request, checksum
from blurvae.errors import CorruptFile, MissingData

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"})
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""Pillow's decoders that a file may start, whatever its name: no interpreter of another language is among them."""
GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F"})


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


def _eight_bits(image: Image, tags: Mapping[int, Any], clear: Any) -> Image:
    """Deep gray at 8 bits: Pillow's own conversion would clip everything above 255 to white.

    Args:
        image: of a mode I…, or F.
        tags: those of a TIFF, which say how many bits there are and whether 0 is white; empty for other formats.
        clear: the grey level that is transparent, or None.

    Raises:
        ValueError: levels for which nothing says what is white.
    """
    from PIL import Image as pil

    values = np.asarray(image).astype(np.float64)
    white = 1.0 if image.mode == "F" else 2.0 ** min(_first(tags, _BITS, 16), 16) - 1
    least, most = values.min(), values.max()
    if not (least >= 0 and most <= white):  # NaN too
        raise ValueError(
            f"its grey levels go from {least:g} to {most:g}, and only those from 0, black, to {white:g}, white, are "
            "known: save it with 8 or 16 bits"
        )
    values = values / white
    if _first(tags, _PHOTOMETRIC, 1) == 0:
        values = 1 - values
    if clear is not None:
        values[np.asarray(image) == clear] = 1
    return pil.fromarray(np.rint(values * 255).astype(np.uint8))


_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
_SIGNED = 2


def _first(tags: Mapping[int, Any], tag: int, otherwise: int) -> int:
    value = tags.get(tag, otherwise)
    return int(value[0] if isinstance(value, tuple) else value)


def _over_white(image: Image) -> Image:
    """A picture that is transparent in places, over white: what lies there invisibly is not learned."""
    from PIL import Image as pil

    seen = image.convert("RGBA")
    whole = pil.alpha_composite(pil.new("RGBA", seen.size, "white"), seen)
    return whole.convert("L" if image.mode in GRAY_MODES else "RGB")


def pictures(folder: Path) -> list[str]:
    """The pictures below a folder, as paths relative to it, sorted; see `files.below` for what is passed over."""
    found = files.below(folder, SUFFIXES)
    return [file.relative_to(folder).as_posix() for file in found.files]


@contextmanager
def _opened(file: Path) -> Iterator[Image]:
    """A picture to look at; whatever it leads a decoder to becomes a CorruptFile, but what the disk says does not."""
    from PIL import Image

    try:
        with Image.open(file, formats=FORMATS) as image:
            yield image
    except Exception as error:
        if isinstance(error, OSError) and (error.filename or error.errno in (errno.EIO, errno.ESTALE)):
            raise  # a file that may not be opened, a disk that fails; a place beyond the file's end has a number too
        way = files.way_out(file, "repair or remove it")
        raise CorruptFile(f"{file} cannot be read as a picture ({error or type(error).__name__}): {way}.") from None


def read(file: Path, size: int, *, gray: bool = False) -> tuple[Pixels, int]:
    """The centre square of a picture, uint8 (1 or 3, size, size), and the shorter side that the picture had, px.

    It is turned as its camera says; where it is transparent it lies over white; of several pictures in one file the
    first is taken.

    Raises:
        CorruptFile: it cannot be read as a picture, or nothing says which of its grey levels is white.
    """
    from PIL import ImageOps

    with _opened(file) as opened:
        image, tags = ImageOps.exif_transpose(opened), dict(getattr(opened, "tag_v2", {}))
        if image.mode in GRAY_MODES and image.mode[0] in "IF":
            image = _eight_bits(image, tags, opened.info.get("transparency"))
        elif _first(tags, _SAMPLE_FORMAT, 1) == _SIGNED:  # whose negative levels Pillow takes for the brightest
            raise ValueError("it holds signed numbers of 8 bits: save it with unsigned ones")
        elif opened.has_transparency_data:
            image = _over_white(image)
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
        with _opened(folder / name) as image:
            if image.mode not in GRAY_MODES:
                return False
    return True


def _load(request: Request) -> ImageSet:
    folder = Path(request.argument).expanduser()
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
        warnings.warn(f"{len(names)} pictures of {folder} are read; {note}.", stacklevel=2)
    chosen = tuple(split_names(names)[request.split])
    stamp = files.stamp(found.files)  # a changed file is read again
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
