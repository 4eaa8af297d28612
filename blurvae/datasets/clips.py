"""`clips:PATH`: clips of one's own for training, in pieces of ten frames: a video file, or a folder of clips."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from blurvae.datasets import clip, files
from blurvae.datasets.core import Card, ClipSet, Dataset, Pixels, Request, checksum
from blurvae.datasets.cuts import CutFinder
from blurvae.datasets.folder import SUFFIXES, split_names
from blurvae.datasets.gallery import centre
from blurvae.errors import MissingData

FRAMES, SIZE = 10, 64
LARGEST = 4 << 30  # bytes of all pieces, which lie in memory, and those of a split once more
VIDEOS = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".ogv", ".y4m"})

CARD = Card(
    name="clips",
    title=f"videos or folders of frames: clips:PATH; pieces of {FRAMES} frames, the middle {SIZE} px or as asked",
    shape=None,
    images={},
    split="80 % and 20 % of the clips, by the sha256 of their names; of a single clip the last fifth tests",
    source="yours",
    licence="yours to know",
    how_to_get="name a video, a folder of the frames of a clip, or a folder that holds several of either: clips:PATH",
)


def _files(path: Path) -> tuple[Path, ...]:
    """Videos and pictures at a place: the file itself, or what lies below the folder; none where nothing is."""
    if path.is_dir():
        return files.below(path, SUFFIXES | VIDEOS).files
    return (path,) if path.is_file() else ()


def places(path: Path) -> dict[str, Path]:
    """The clips at a place by name: it is one itself, or the videos and the folders of pictures below it.

    Raises:
        MissingData: there is none.
    """
    alone = path.is_file()  # whatever its ending
    found = sorted({file if alone or file.suffix.casefold() in VIDEOS else file.parent for file in _files(path)})
    if not found:
        raise MissingData(f"{path} holds no clip. To get one: {CARD.how_to_get}.")
    return {path.name if place == path else place.relative_to(path).as_posix(): place for place in found}


@cache
def _pieces(path: Path, size: int, stamp: str) -> dict[str, Pixels]:
    """By name the pieces of each clip that has any, (n, t, c, size, size): consecutive frames of one scene."""
    from tqdm import tqdm

    result, held = {}, 0
    for name, place in tqdm(places(path).items(), desc="clips", unit="clip", disable=None):
        pieces: list[Pixels] = []
        scene: list[Pixels] = []
        begins = CutFinder()
        for frame in clip.opened(place).frames(0):
            if begins(frame.pixels):
                scene = []
            scene.append(np.array(centre(frame.pixels, size, size, name)))  # a view would keep the whole frame
            if len(scene) == FRAMES:
                pieces.append(np.stack(scene))
                scene, held = [], held + pieces[-1].nbytes
            if held > LARGEST:
                raise ValueError(
                    f"The clips of {path} take more than {LARGEST >> 30} GiB with {size} px a side: ask for smaller "
                    "ones, or name fewer."
                )
        if pieces:
            result[name] = np.stack(pieces)
    return result


def _load(request: Request) -> ClipSet:
    path = Path(request.argument).expanduser().resolve()
    pieces = _pieces(path, request.size or SIZE, files.stamp(_files(path)))
    total = sum(map(len, pieces.values()))
    if total < 2:
        raise MissingData(
            f"{path} holds {total} pieces of {FRAMES} frames without a cut, and a training and a test set need two at "
            "least: name longer clips, or more of them."
        )
    if len(pieces) > 1:
        images = np.concatenate([pieces[name] for name in split_names([*pieces])[request.split]])
    else:
        (alone,) = pieces.values()
        first = total - max(1, total // 5)
        images = alone[:first] if request.split == "train" else alone[first:]
    images.flags.writeable = False
    source = f"{total} pieces of {FRAMES} frames of {len(pieces)} clips in {path.name}"
    facts = f"clips:{path.name}", request.split, images, None, source, "not known to blurvae", None
    return ClipSet(*facts, checksum(images))


DATASET = Dataset(CARD, _load, takes_argument=True)
