"""Pictures, and clips of frames, of several sizes: folders of PNG files, read as they are, and how they come here."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from blurvae.datasets import files, packs, picture
from blurvae.datasets.clip import in_order
from blurvae.datasets.core import Card, Pixels
from blurvae.datasets.folder import SUFFIXES
from blurvae.errors import CorruptFile, MissingData


@dataclass(frozen=True)
class Gallery:
    """A collection below the data root.

    Attributes:
        card: of the data set.
        members: how many pictures, or clips, it has.
        elsewhere: another place below the data root where it may lie, as collections of several sets keep it.
        clips: whether it is folders of frames rather than pictures.
        ending: of the names of its pictures, without that of the format, where its makers' archive holds others beside
            them; of a source in which no name ends so, all pictures are taken.
        frames: of each of its clips by name, where nothing less than whole clips will do.
    """

    card: Card
    members: int
    elsewhere: str
    clips: bool = False
    ending: str = ""
    frames: tuple[tuple[str, int], ...] = ()

    def folder(self, root: Path | None) -> Path:
        """Where it lies.

        Raises:
            MissingData: it is not there; the message says where it was looked for and how to get it.
        """
        base = packs.data_root(self.card.name, root)
        for place in (base / self.card.name, base / self.elsewhere):
            if place.is_dir():
                return place
        raise MissingData(f"{self.card.name} is not in {base / self.card.name}. To get it: {self.card.how_to_get}.")

    def read(self, root: Path | None = None) -> Mapping[str, Pixels]:
        """The whole pictures (c, h, w), or the clips (t, c, h, w) whose frames are in the order of their names.

        Args:
            root: folder of prepared data sets; the one that BLURVAE_DATA names if not given.

        Returns:
            By name, sorted, uint8, read-only.

        Raises:
            MissingData: it is not on this machine.
            CorruptFile: a file is damaged, a clip has frames of two shapes, or too few of them.
        """
        folder = self.folder(root)
        found = _read(folder, self.clips, files.stamp(files.below(folder, [".png"]).files))
        if wrong := self._not_whole({name: len(clip) for name, clip in found.items()}):
            raise CorruptFile(f"{folder} holds {wrong}: remove it and prepare {self.card.name} again.")
        return found

    def checksum(self, root: Path | None = None) -> str:
        """Sha256 of names, shapes and pixels of all that it holds."""
        total = hashlib.sha256()
        for name, pixels in self.read(root).items():
            total.update(f"{name} {pixels.shape}\n".encode())
            total.update(np.ascontiguousarray(pixels).data)
        return total.hexdigest()

    def prepare(self, root: Path, *, source: Path | None, mirror: str | None, progress: bool) -> Path:
        """Writes the pictures or clips of a folder below `root` as PNG files; see `datasets.prepare`.

        Raises:
            MissingData: the source is no folder, or nothing can be read there.
            CorruptFile: a file of it cannot be read.
            ValueError: no source, another number of pictures or clips than the set has, or something is in the way.
        """
        target = root / self.card.name
        if target.is_dir() and any(target.glob("*.png" if not self.clips else "*/*.png")):
            return target
        if source is None and (root / self.elsewhere).is_dir():
            return root / self.elsewhere
        if source is None:
            raise ValueError(
                f"{self.card.name} is not downloaded by this project. Licence: {self.card.licence}. To get it: "
                f"{self.card.how_to_get}."
            )
        if not source.is_dir():
            raise MissingData(f"{source} is no folder. To get {self.card.name}: {self.card.how_to_get}.")
        packs.refuse_occupied(target)
        found = files.below(source, SUFFIXES).files
        found = tuple(file for file in found if file.stem.endswith(self.ending)) or found
        parts: dict[str, list[Path]] = {}
        for file in found:
            parts.setdefault(self._name(file, source), []).append(file)
        if wrong := self._not_whole({name: len(own) for name, own in parts.items()}):
            raise ValueError(
                f"{source} holds {wrong}. {self.card.name} is whole clips, {', '.join(dict(self.frames))}: name the "
                "folder that holds these, each with all of its large frames and nothing else."
            )
        what, held = ("clips, a folder each", len(parts)) if self.clips else ("pictures", len(found))
        if held != self.members or len(parts) != self.members:
            raise ValueError(f"{self.card.name} has {self.members} {what}, not the {held} of {source}: name its own.")
        temporary = target.with_name(f".{target.name}.new")
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            for name, own in parts.items():
                for number, file in enumerate(map(Path, in_order([str(file) for file in own]))):
                    place = temporary / name / f"{number:03d}.png" if self.clips else temporary / f"{name}.png"
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with picture.opened(file) as image:
                        shown = picture.upright(image)
                    shown.convert("L" if shown.mode in picture.GRAY_MODES else "RGB").save(place)
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return target

    def _name(self, file: Path, source: Path) -> str:
        """Of a picture, or of the clip of a frame: the folder above it that bears a clip's name, else all above it."""
        if not self.clips:
            return file.stem
        above = file.parent.relative_to(source)
        known = [part.lower() for part in above.parts if part.lower() in dict(self.frames)]
        return known[0] if known else above.as_posix().replace("/", "-")

    def _not_whole(self, held: Mapping[str, int]) -> str:
        """Which clips have other names, or fewer frames or more than the whole; empty where all is well."""
        if not self.frames:
            return ""
        wrong = [f"{held.get(name, 0)} of {n} frames of {name}" for name, n in self.frames if held.get(name, 0) != n]
        return ", ".join(wrong + [f"{n} frames of {name}" for name, n in held.items() if name not in dict(self.frames)])


@cache
def _read(folder: Path, clips: bool, stamp: str) -> Mapping[str, Pixels]:
    if not clips:
        return MappingProxyType({file.stem: _pixels(file) for file in sorted(folder.glob("*.png"))})
    found = {}
    for place in sorted(place for place in folder.iterdir() if place.is_dir()):
        frames = [_pixels(file) for file in sorted(place.glob("*.png"))]
        if len({frame.shape for frame in frames}) > 1:
            raise CorruptFile(f"{place} has frames of several shapes: remove {folder} and prepare it again.")
        if frames:
            found[place.name] = np.stack(frames)
            found[place.name].flags.writeable = False
    return MappingProxyType(found)


def _pixels(file: Path) -> Pixels:
    """A PNG as it is, uint8 (1 or 3, h, w): a grey picture stays one."""
    with picture.opened(file) as image:
        pixels = np.asarray(image if image.mode in ("L", "RGB") else picture.upright(image).convert("RGB"))
    result = np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))
    result.flags.writeable = False
    return result


def centre(pixels: Pixels, height: int, width: int, name: str) -> Pixels:
    """The middle of a picture or a clip, (…, height, width), in colour.

    Raises:
        ValueError: it is smaller.
    """
    h, w = pixels.shape[-2:]
    if h < height or w < width:
        raise ValueError(f"{name} has pictures of {h}×{w} px: ask for {min(h, w)} px at most.")
    top, left = (h - height) // 2, (w - width) // 2
    middle = pixels[..., top : top + height, left : left + width]
    return np.broadcast_to(middle, (*middle.shape[:-3], 3, height, width))
