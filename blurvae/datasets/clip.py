"""A clip of one's own, frame by frame: a folder of pictures in the order of their numbers, or a video file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from blurvae.datasets import files, picture
from blurvae.datasets.core import Pixels
from blurvae.datasets.folder import SUFFIXES
from blurvae.errors import MissingData


class Frame(NamedTuple):
    """One frame.

    Attributes:
        pixels: uint8 (3, h, w), sRGB.
        time: s from the beginning of the clip, in which the frames are ordered; None where pictures of a folder have
            none.
    """

    pixels: Pixels
    time: Fraction | None


class Colours(NamedTuple):
    """What a stream says of its colours, by the numbers of ITU-T H.273; 2 is "not said".

    Attributes:
        matrix: from RGB to luma and chroma: 1 is BT.709; 5 and 6 are BT.601; 0 where the stream is RGB.
        primaries: of red, green and blue.
        transfer: from light to levels.
    """

    matrix: int = 1
    primaries: int = 1
    transfer: int = 1


@dataclass(frozen=True)
class Clip:
    """A clip that has been looked at, and of which nothing is in memory.

    Attributes:
        name: of the file or the folder.
        size: (h, w) of a frame as it is shown, px.
        names: those of the pictures without their endings, in the order of time; empty for a video file.
        count: how many frames there are, as far as the file knows.
        rate: frames a second, None where nothing says so.
        notes: what was assumed or changed, a half-sentence each.
        frames: reads them in the order of time, from one of this number on; a video file has to be decoded up to there.
        colours: of the stream, for a video that is to have the same; those of BT.709 for pictures.
        pixel_aspect: width of a pixel by its height.
        sound: whether the file has sound.
    """

    name: str
    size: tuple[int, int]
    names: tuple[str, ...]
    count: int | None
    rate: Fraction | None
    notes: tuple[str, ...]
    frames: Callable[[int], Iterator[Frame]]
    colours: Colours = field(default_factory=Colours)
    pixel_aspect: Fraction = Fraction(1)
    sound: bool = False


def opened(path: Path, matrix: str | None = None) -> Clip:
    """Looks at a clip.

    Args:
        path: of a folder of pictures, one a frame, or of a video file.
        matrix: "bt601" or "bt709" for a video file that does not say by which its colours are coded.

    Raises:
        OSError: it cannot be read.
        MissingData: a folder without pictures.
        CorruptFile: a file that cannot be read.
        ValueError: frames of several sizes, or a stream that is refused, see `video_file.look`.
    """
    if not path.is_dir():
        from blurvae.datasets import video_file

        return video_file.look(path, matrix)
    if matrix is not None:
        raise ValueError(f"{path} is a folder of pictures, which are RGB: leave the matrix of its colours out.")
    return _folder(path)


def in_order(names: list[str]) -> list[str]:
    """Names by the numbers in them, so that frame 10 comes after frame 9 and not after frame 1.

    >>> in_order(["f10", "f9", "f1"])
    ['f1', 'f9', 'f10']
    """

    def key(name: str) -> list[tuple[int, str]]:
        parts = re.split(r"(\d+)", files.plain(name))
        return [(int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)]

    return sorted(names, key=lambda name: (key(name), name))


def _folder(folder: Path) -> Clip:
    found = [file for file in files.below(folder, SUFFIXES).files if file.parent == folder]
    if not found:
        raise MissingData(
            f"{folder} holds no pictures of its own (known endings: {', '.join(sorted(SUFFIXES))}): name the folder "
            "that has the frames of one clip."
        )
    by_stem = {file.stem: file for file in found}
    if len(by_stem) < len(found):
        raise ValueError(f"{folder} has two pictures of one name, such as 1.png and 1.jpg: leave one frame of each.")
    names = in_order([*by_stem])
    sizes: dict[tuple[int, int], str] = {}
    for name in names:
        with picture.opened(by_stem[name]) as image:
            sizes.setdefault(picture.upright_size(image), by_stem[name].name)
    if len(sizes) > 1:
        said = ", ".join(f"{first} with {w}×{h} px" for (w, h), first in [*sizes.items()][:2])
        raise ValueError(f"The frames of {folder} are of several sizes ({said}): a clip has one.")
    first = picture.whole(by_stem[names[0]], 3)
    _, h, w = first.pixels.shape

    def frames(start: int) -> Iterator[Frame]:
        for name in names[start:]:
            pixels = picture.whole(by_stem[name], 3).pixels
            if pixels.shape != (3, h, w):
                raise ValueError(f"{by_stem[name]} has changed its size since the clip was looked at: begin again.")
            yield Frame(pixels, None)

    return Clip(folder.name, (h, w), tuple(names), len(names), None, (*first.notes, *_gaps(names)), frames)


def _gaps(names: list[str]) -> list[str]:
    """A note where the last number in the names leaves some out."""
    numbers = [int(found[-1]) for name in names if (found := re.findall(r"\d+", name))]
    absent = sorted(set(range(numbers[0], numbers[-1])) - set(numbers)) if len(numbers) == len(names) else []
    steps = {b - a for a, b in pairwise(numbers)}
    if not absent or len(steps) == 1:  # every second frame is a clip too
        return []
    return [f"numbers {numbers[0]} to {numbers[-1]} without {len(absent)} of them, the first {absent[0]}"]
