"""What every data set is made of: the images with their provenance, the card of a data set, and its two ways in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.integer]

SPLITS = ("train", "test")


@dataclass(frozen=True, eq=False)
class ImageSet:
    """One split of a data set, with where it came from.

    Attributes:
        name: name of the data set, as recorded results spell it.
        split: "train" or "test".
        images: uint8 (n, c, h, w), values 0 to 255; may be a read-only memory map.
        labels: integers (n,), or None.
        source: who made the images, in one sentence.
        licence: the terms, as far as its makers state them.
        stands_in_for: the data set whose place this one takes, or None where it is the real one.
        checksum: sha256 of the pixels: of the whole pack for a pack, of the whole split for a generated set. It does
            not change with `head`, so two runs on different numbers of images of one set show the same checksum.
        inner: (h, w) of the images proper, in the middle of what was added around them on loading; None where nothing
            was. Metrics are computed on these.
    """

    name: str
    split: str
    images: Pixels
    labels: Labels | None
    source: str
    licence: str
    stands_in_for: str | None
    checksum: str
    inner: tuple[int, int] | None = None

    AXES: ClassVar[tuple[str, ...]] = ("n", "c", "h", "w")

    def __post_init__(self) -> None:
        check_split(self.split)
        if self.images.dtype != np.uint8 or self.images.ndim != len(self.AXES) or len(self.images) == 0:
            raise ValueError(
                f"{self.name}: images must be uint8 of shape ({', '.join(self.AXES)}) with n >= 1, "
                f"not {self.images.dtype} {self.images.shape}."
            )
        if self.labels is not None and self.labels.shape != (len(self.images),):
            raise ValueError(f"{self.name}: {self.labels.shape} labels do not fit {len(self.images)} images.")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w) of one image."""
        _, c, h, w = self.images.shape
        return c, h, w

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB), as a rule."""
        return int(self.images.shape[-3])

    @property
    def size(self) -> int:
        """Side of the square images, in pixels.

        Raises:
            ValueError: the images are not square.
        """
        h, w = self.images.shape[-2:]
        if h != w:
            raise ValueError(f"{self.name} has images of {h}×{w}: load it with `size=` for a square crop.")
        return h

    @property
    def label(self) -> str:
        """Name for titles and tables; a stand-in says what it stands in for."""
        return f"{self.name} (stands in for {self.stands_in_for})" if self.stands_in_for else self.name

    def head(self, n: int) -> ImageSet:
        """The first n images, in stored order.

        Raises:
            ValueError: n is no whole number between 1 and the number of images.
        """
        if not isinstance(n, int | np.integer) or isinstance(n, bool) or not 1 <= n <= len(self):
            raise ValueError(f"{self.name} has {len(self)} {self.split} images: ask for 1 to {len(self)}, not {n!r}.")
        return replace(self, images=self.images[:n], labels=None if self.labels is None else self.labels[:n])

    def tensor(self) -> torch.Tensor:
        """A copy of the pixels as a torch tensor, uint8 (n, c, h, w)."""
        return torch.from_numpy(np.array(self.images))


@dataclass(frozen=True, eq=False)
class ClipSet(ImageSet):
    """One split of a set of clips: `images` are (n, t, c, h, w), frames in the order of time.

    Attributes:
        motion: float32 (n, t, 2), by how many px to the right and downwards one must look in the frame before to see
            what a frame shows, where the same holds for all its pixels; 0 for the first frame. None where not known.
        cover: bool (n, t, h, w), which pixels show something that moves otherwise. None where nothing does.
    """

    motion: npt.NDArray[np.float32] | None = None
    cover: npt.NDArray[np.bool_] | None = None
    AXES: ClassVar[tuple[str, ...]] = ("n", "t", "c", "h", "w")

    @property
    def shape(self) -> tuple[int, int, int, int]:  # type: ignore[override]
        """(t, c, h, w) of one clip."""
        _, t, c, h, w = self.images.shape
        return t, c, h, w

    def head(self, n: int) -> ClipSet:
        """The first n clips, in stored order; see `ImageSet.head`."""
        whole = super().head(n)
        assert isinstance(whole, ClipSet)
        motion = None if self.motion is None else self.motion[:n]
        return replace(whole, motion=motion, cover=None if self.cover is None else self.cover[:n])


@dataclass(frozen=True)
class Archive:
    """One official file: where its publisher offers it, and the checksum that is stated for it."""

    url: str
    md5: str

    @property
    def filename(self) -> str:
        """Last part of the address."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Card:
    """The facts about a registered data set, known without having it.

    Attributes:
        name: its name in the registry.
        title: what it shows, in a phrase.
        shape: (c, h, w), or (t, c, h, w) of a clip, as loaded by default; None where it depends on the files.
        images: number of images per split; empty where it depends on the files.
        split: how training and test images are told apart.
        source: who made it.
        licence: the terms, as far as stated.
        how_to_get: the command or the step that brings it here.
        stands_in_for: the data set whose place it takes, or None.
        archives: the official files that `prepare` reads.
        reference: sha256 of the pixels that the recorded results used ("pack", or one per split).
    """

    name: str
    title: str
    shape: tuple[int, ...] | None
    images: Mapping[str, int]
    split: str
    source: str
    licence: str
    how_to_get: str
    stands_in_for: str | None = None
    archives: tuple[Archive, ...] = ()
    reference: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What `load` was asked for: split, size in pixels or None, data root or None, text after the name's colon."""

    split: str
    size: int | None
    root: Path | None
    argument: str


class Prepare(Protocol):
    """Writes a data set's pack below `root` and returns its folder."""

    def __call__(self, root: Path, *, source: Path | None, mirror: str | None, progress: bool) -> Path: ...  # noqa: D102


@dataclass(frozen=True)
class Dataset:
    """A registry entry: the card, how to load it, how to bring it here (None: nothing to bring)."""

    card: Card
    load: Callable[[Request], ImageSet]
    prepare: Prepare | None = None
    takes_argument: bool = False
    is_pack: bool = False


def check_split(split: str) -> None:
    """Refuse anything but "train" and "test".

    Raises:
        ValueError: another split.
    """
    if split not in SPLITS:
        raise ValueError(f"Unknown split {split!r}: it is 'train' or 'test'.")


def checksum(pixels: npt.NDArray[Any]) -> str:
    """Sha256 of an array in C order, as cards and recorded results state it."""
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()
