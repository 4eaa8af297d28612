"""`folder:PATH`: any folder of pictures, cropped to the centre square and brought to one size."""

from __future__ import annotations

import hashlib
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blurvae.datasets.core import Card, Dataset, ImageSet, Pixels, Request, checksum
from blurvae.errors import CorruptFile, MissingData

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"})
GRAY_MODES = frozenset({"1", "L", "LA", "I", "I;16", "F"})


def split_names(names: list[str]) -> dict[str, list[str]]:
    """Divide file names 80 % / 20 % into training and test.

    The fifth with the largest sha256 of the name is for testing: the same on every machine, whatever the order of the
    files, and not the last alphabetically, which would often be one subject or one class.
    """
    ranked = sorted(names, key=lambda name: (hashlib.sha256(name.encode()).digest(), name))
    first = len(ranked) - max(1, len(ranked) // 5)
    return {"train": sorted(ranked[:first]), "test": sorted(ranked[first:])}


def square(image: Image, size: int) -> Image:
    """The largest centred square of a picture, at size × size pixels.

    Shrinking averages areas, so nothing folds back into lower frequencies; enlarging is bicubic.
    """
    from PIL import Image as pil

    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    way = pil.Resampling.BOX if side >= size else pil.Resampling.BICUBIC
    return image.resize((size, size), way, (left, top, left + side, top + side))


def _eight_bits(image: Image) -> Image:
    """16-bit and float gray to 8 bits: Pillow's own conversion would clip everything above 255 to white."""
    from PIL import Image as pil

    values = np.asarray(image, np.float64)
    top = 65535.0 if image.mode != "F" else max(1.0, float(values.max()))
    return pil.fromarray(np.rint(np.clip(values / top, 0, 1) * 255).astype(np.uint8))


def pictures(folder: Path) -> list[str]:
    """The pictures below a folder, as paths relative to it, sorted."""
    files = (file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    return sorted(file.relative_to(folder).as_posix() for file in files)


def read(file: Path, size: int, *, gray: bool = False) -> tuple[Pixels, int]:
    """The centre square of a picture, uint8 (1 or 3, size, size), and the shorter side that the picture had, px.

    Raises:
        CorruptFile: it cannot be read as a picture.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened)
            image = _eight_bits(image) if image.mode in ("I", "I;16", "F") else image
            side = min(image.size)
            pixels = np.asarray(square(image.convert("L" if gray else "RGB"), size))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(file, error) from None
    return pixels[None] if gray else pixels.transpose(2, 0, 1), side


def _unreadable(file: Path, error: Exception) -> CorruptFile:
    return CorruptFile(f"{file} cannot be read as a picture ({error}): repair or remove it.")


@cache
def _images(folder: Path, names: tuple[str, ...], gray: bool, size: int, stamp: float) -> tuple[Pixels, str]:
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
def _is_gray(folder: Path, names: tuple[str, ...], stamp: float) -> bool:
    """Whether every picture is gray, by its header: one colour picture makes the set RGB."""
    from PIL import Image

    for name in names:
        try:
            with Image.open(folder / name) as image:
                if image.mode not in GRAY_MODES:
                    return False
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise _unreadable(folder / name, error) from None
    return True


def _load(request: Request) -> ImageSet:
    folder = Path(request.argument).expanduser()
    if not folder.is_dir():
        raise MissingData(f"{folder} is not a folder: give folder:PATH with the path of a folder of pictures.")
    names = pictures(folder)
    if len(names) < 2:
        raise MissingData(
            f"{folder} holds {len(names)} pictures, and a training and a test set need two at least "
            f"(known endings: {', '.join(sorted(SUFFIXES))})."
        )
    chosen = tuple(split_names(names)[request.split])
    stamp = max((folder / name).stat().st_mtime for name in names)  # a changed file is read again
    gray = _is_gray(folder.resolve(), tuple(names), stamp)
    images, digest = _images(folder.resolve(), chosen, gray, request.size or 64, stamp)
    return ImageSet(
        name=f"folder:{folder.resolve().name}",
        split=request.split,
        images=images,
        labels=None,
        source=f"{len(names)} pictures of the folder {folder.resolve().name}",
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
