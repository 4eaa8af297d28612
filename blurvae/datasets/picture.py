"""One file of a picture: whose decoder may start, how it lies, and its levels at 8 bits."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blurvae.datasets import files
from blurvae.errors import CorruptFile

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""Pillow's decoders that a file may start, whatever its name: no interpreter of another language is among them."""
GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F"})


@contextmanager
def opened(file: Path) -> Iterator[Image]:
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


def upright(image: Image) -> Image:
    """A picture that `opened` gives, turned as its camera says, at 8 bits, over white where it is transparent.

    Raises:
        ValueError: nothing says which of its levels is white.
    """
    from PIL import ImageOps

    turned, tags = ImageOps.exif_transpose(image), dict(getattr(image, "tag_v2", {}))
    if turned.mode in GRAY_MODES and turned.mode[0] in "IF":
        return _eight_bits(turned, tags, image.info.get("transparency"))
    if _first(tags, _SAMPLE_FORMAT, 1) == _SIGNED:  # whose negative levels Pillow takes for the brightest
        raise ValueError("it holds signed numbers of 8 bits: save it with unsigned ones")
    return _over_white(turned) if image.has_transparency_data else turned


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
