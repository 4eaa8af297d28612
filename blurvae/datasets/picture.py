"""One file of a picture: whose decoder may start, how it lies, and its levels at 8 bits."""

from __future__ import annotations

import errno
import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from blurvae.datasets import files
from blurvae.datasets.core import Pixels
from blurvae.errors import CorruptFile

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""Pillow's decoders that a file may start, whatever its name: no interpreter of another language is among them."""
GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F"})
COLOUR_MODES = frozenset({"P", "PA", "RGB", "RGBA", "RGBa", "RGBX"})
LARGEST = 50_000_000
"""Pixels of a picture that `whole` reads: one channel and its spectra take some GB."""
_LIMIT = f"{LARGEST // 10**6} megapixels at most"


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
        smaller = isinstance(error, Image.DecompressionBombError)
        way = f"make it smaller, {_LIMIT}" if smaller else files.way_out(file, "repair or remove it")
        raise CorruptFile(f"{file} cannot be read as a picture ({error or type(error).__name__}): {way}.") from None


def upright_size(image: Image) -> tuple[int, int]:
    """(width, height) of a picture once it is turned as its camera says, by its header alone."""
    width, height = image.size
    return (height, width) if image.getexif().get(_ORIENTATION, 1) in _LYING else (width, height)


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


class Picture(NamedTuple):
    """A picture and what was done to read it.

    Attributes:
        pixels: uint8 (c, h, w), grey (1) or sRGB (3).
        notes: what was changed, a half-sentence each.
    """

    pixels: Pixels
    notes: tuple[str, ...]


def whole(file: Path, channels: int | None = None) -> Picture:
    """A picture at its own size, turned as its camera says, over white where it is transparent, in sRGB.

    Args:
        file: of one of the `FORMATS`.
        channels: 1 or 3 to have it grey or in colour; as it is where None.

    Raises:
        OSError: the file cannot be opened.
        CorruptFile: it cannot be read as a picture, or nothing says which of its grey levels is white.
        ValueError: several pictures in one file, colours that are not RGB, a colour profile that cannot be converted,
            colours that are not sRGB by the header alone, or more than 50 megapixels.
    """
    from PIL import Image as pil

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pil.DecompressionBombWarning)  # the limit here is lower
        with opened(file) as image:
            reason = _not_read(image)
            if not reason:
                tiles = str(getattr(image, "tile", ""))  # gone once it is loaded
                deep = image.mode[0] in "IF" or ";16" in tiles
                found = upright(image)
                notes = ["read at 8 bits a channel"] if deep else []
                notes += ["turned as its camera says"] if image.getexif().get(_ORIENTATION, 1) > 1 else []
                notes += ["laid over white where it is transparent"] if _shines_through(image) else []
                gray, profile = image.mode in GRAY_MODES, image.info.get("icc_profile")
                space = "" if profile else _space(image)
                notes += [f"{space}, taken for sRGB"] if space == _UNNAMED else []
                reason = f"has {space}: save it as sRGB" if space not in ("", _UNNAMED) else ""
    if reason:
        raise ValueError(f"{file} {reason}.")
    found = found.convert("L" if gray else "RGB")
    if profile:
        found, name = _in_srgb(found, profile, file)
        notes += [f"brought from the colours of {name} to sRGB"] if name else []
    if channels is not None and channels != (1 if gray else 3):
        notes.append("made grey" if channels == 1 else "its grey given to three channels")
        gray = channels == 1
    pixels = np.asarray(found.convert("L" if gray else "RGB"))
    return Picture(pixels[None] if gray else pixels.transpose(2, 0, 1), tuple(notes))


_ORIENTATION, _EXIF, _INTEROPERABILITY, _COLOUR_SPACE, _INDEX = 274, 0x8769, 0xA005, 0xA001, 1  # tags of EXIF
_LYING = (5, 6, 7, 8)  # orientations whose rows are columns
_ADOBE_RGB, _UNCALIBRATED = 2, 65535
_UNNAMED = "colours that its camera does not name"


def _not_read(image: Image) -> str:
    """Why a picture is refused by its header, the end of a sentence; empty where it is not."""
    if image.width * image.height > LARGEST:
        size = f"{image.width * image.height / 1e6:.2f} megapixels"
        return f"has {size}: make it smaller, {_LIMIT}"
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":  # a camera's, whose first picture is the picture
        return f"holds {getattr(image, 'n_frames', 1)} pictures: save the one that you mean alone"
    if image.mode not in GRAY_MODES | COLOUR_MODES:
        return f"has its colours as {image.mode}: save it as RGB or grey"
    return ""


def _space(image: Image) -> str:
    """What the header of a picture without a profile says of its colours; empty where nothing, or sRGB."""
    exif = image.getexif()
    space, index = exif.get_ifd(_EXIF).get(_COLOUR_SPACE), str(exif.get_ifd(_INTEROPERABILITY).get(_INDEX))
    if space == _ADOBE_RGB or (space == _UNCALIBRATED and index.startswith("R03")):  # as cameras write it
        return "its colours as Adobe RGB"
    gamma = image.info.get("gamma")  # of a PNG
    if gamma and "srgb" not in image.info and abs(2.2 * gamma - 1) > 0.1:
        return f"its levels at gamma {gamma:g}"
    return _UNNAMED if space == _UNCALIBRATED else ""


def _shines_through(image: Image) -> bool:
    """Whether any pixel of a loaded picture is transparent."""
    if not image.has_transparency_data:
        return False
    if image.mode[0] in "IF":
        return bool((np.asarray(image) == image.info["transparency"]).any())
    return bool(np.asarray(image.convert("RGBA").getchannel("A")).min() < 255)


def _in_srgb(image: Image, profile: bytes, file: Path) -> tuple[Image, str]:
    """A picture, L or RGB, of a colour profile in sRGB, and the profile's name, empty where it was sRGB.

    Raises:
        ValueError: the profile is damaged, belongs to other colours, or Pillow was built without LittleCMS.
    """
    from PIL import ImageCms, features

    if not features.check("littlecms2"):
        raise ValueError(f"{file} has a colour profile, which Pillow reads with LittleCMS only: save it as sRGB.")
    name = "that is damaged"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = ImageCms.getProfileDescription(source).strip() or "without a name"
        if "srgb" in name.lower() and "linear" not in name.lower():
            return image, ""
        seen = image.convert("RGB") if source.profile.xcolor_space == "RGB " else image
        shown = ImageCms.profileToProfile(seen, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        raise ValueError(f"{file} has a colour profile {name}, which cannot be converted: save it as sRGB.") from error
    assert shown is not None
    return shown.convert(image.mode), name
